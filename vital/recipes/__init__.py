"""Recipes: methods that render units, composed of public parts."""

from vital.recipes.base import METHODS as METHODS
from vital.recipes.base import Method as Method
from vital.recipes.base import Plan as Plan
from vital.recipes.base import method as method
from vital.recipes.baselines import DeepInversion as DeepInversion
from vital.recipes.baselines import FourierAscent as FourierAscent
from vital.recipes.baselines import Maco as Maco
from vital.recipes.baselines import PixelAscent as PixelAscent
from vital.recipes.beside import beside as beside
from vital.recipes.circuit import Circuit as Circuit
from vital.recipes.circuit import circuit as circuit
from vital.recipes.circuit import circuit_sheet as circuit_sheet
from vital.recipes.exemplar_files import kept_exemplars as kept_exemplars
from vital.recipes.exemplar_files import save_exemplars as save_exemplars
from vital.recipes.exemplars import Exemplar as Exemplar
from vital.recipes.exemplars import Exemplars as Exemplars
from vital.recipes.exemplars import exemplars as exemplars
from vital.recipes.exemplars import heat_maps as heat_maps
from vital.recipes.render import render as render
from vital.recipes.stages import stages as stages
from vital.recipes.vital import Vital as Vital
from vital.recipes.vital import VitalScene as VitalScene
from vital.recipes.vital_reference import VitalReference as VitalReference

__all__ = [
    "METHODS", "Circuit", "DeepInversion", "Exemplar", "Exemplars", "FourierAscent", "Maco", "Method", "PixelAscent",
    "Plan", "Vital", "VitalReference", "VitalScene", "beside", "circuit", "circuit_sheet", "exemplars", "heat_maps",
    "kept_exemplars", "method", "render", "save_exemplars", "stages",
]  # fmt: skip
