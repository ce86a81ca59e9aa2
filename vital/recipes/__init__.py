"""Recipes: methods that render units, composed of public parts."""

from vital.recipes.base import METHODS as METHODS
from vital.recipes.base import Method as Method
from vital.recipes.base import Plan as Plan
from vital.recipes.base import method as method
from vital.recipes.baselines import DeepInversion as DeepInversion
from vital.recipes.baselines import FourierAscent as FourierAscent
from vital.recipes.baselines import Maco as Maco
from vital.recipes.baselines import PixelAscent as PixelAscent
from vital.recipes.render import render as render
from vital.recipes.stages import stages as stages
from vital.recipes.vital import Vital as Vital
from vital.recipes.vital import VitalReference as VitalReference

__all__ = [
    "METHODS", "DeepInversion", "FourierAscent", "Maco", "Method", "PixelAscent", "Plan", "Vital", "VitalReference",
    "method", "render", "stages",
]  # fmt: skip
