"""Methods that render units, composed of public parts."""

from vital.rendering.api import render as render
from vital.rendering.circuits import Circuit as Circuit
from vital.rendering.circuits import circuit as circuit
from vital.rendering.circuits import circuit_sheet as circuit_sheet
from vital.rendering.methods.base import METHODS as METHODS
from vital.rendering.methods.base import Method as Method
from vital.rendering.methods.base import Plan as Plan
from vital.rendering.methods.base import make_method as make_method
from vital.rendering.methods.baselines import DeepInversion as DeepInversion
from vital.rendering.methods.baselines import FourierAscent as FourierAscent
from vital.rendering.methods.baselines import Maco as Maco
from vital.rendering.methods.baselines import PixelAscent as PixelAscent
from vital.rendering.methods.stages import stages as stages
from vital.rendering.methods.vital import Vital as Vital
from vital.rendering.methods.vital import VitalScene as VitalScene
from vital.rendering.methods.vital_reference import VitalReference as VitalReference
from vital.rendering.natural_exemplars import Exemplar as Exemplar
from vital.rendering.natural_exemplars import Exemplars as Exemplars
from vital.rendering.natural_exemplars import exemplars as exemplars
from vital.rendering.natural_exemplars import heat_maps as heat_maps
from vital.rendering.run_folder import kept_exemplars as kept_exemplars
from vital.rendering.run_folder import save_exemplars as save_exemplars
from vital.rendering.sheets import beside as beside
from vital.utils.options import with_overview

with_overview(render, METHODS, "vital.METHODS")

__all__ = [
    "METHODS", "Circuit", "DeepInversion", "Exemplar", "Exemplars", "FourierAscent", "Maco", "Method", "PixelAscent",
    "Plan", "Vital", "VitalReference", "VitalScene", "beside", "circuit", "circuit_sheet", "exemplars", "heat_maps",
    "kept_exemplars", "make_method", "render", "save_exemplars", "stages",
]  # fmt: skip
