"""Methods that render units, composed of public parts."""

from vital.rendering.api import render
from vital.rendering.circuits import Circuit, circuit, circuit_sheet
from vital.rendering.methods.base import METHODS, Method, Plan, make_method
from vital.rendering.methods.baselines import DeepInversion, FourierAscent, Maco, PixelAscent
from vital.rendering.methods.stages import stages
from vital.rendering.methods.vital import Vital, VitalScene
from vital.rendering.methods.vital_reference import VitalReference
from vital.rendering.natural_exemplars import Exemplar, Exemplars, exemplars, heat_maps
from vital.rendering.run_folder import kept_exemplars, save_exemplars
from vital.rendering.sheets import plot_with_exemplars
from vital.utils.options import with_overview

with_overview(render, METHODS, "vital.METHODS")

__all__ = [
    "METHODS",
    "Circuit",
    "DeepInversion",
    "Exemplar",
    "Exemplars",
    "FourierAscent",
    "Maco",
    "Method",
    "PixelAscent",
    "Plan",
    "Vital",
    "VitalReference",
    "VitalScene",
    "circuit",
    "circuit_sheet",
    "exemplars",
    "heat_maps",
    "kept_exemplars",
    "make_method",
    "plot_with_exemplars",
    "render",
    "save_exemplars",
    "stages",
]  # fmt: skip
