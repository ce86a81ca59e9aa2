"""Comparing methods with numbers: units by methods by seeds, with controls that say what each number is worth."""

from vital.comparing.api import Comparison, compare
from vital.comparing.base import MEASURES
from vital.comparing.build import ClassJudge, build_context
from vital.comparing.context import EvalContext, Extractor, Judge
from vital.comparing.figures import write_comparison
from vital.comparing.hog import HogClassifier
from vital.comparing.records import Score, Shown
from vital.comparing.table import Table
from vital.comparing.variants import CONTROLS

__all__ = [
    "CONTROLS",
    "MEASURES",
    "ClassJudge",
    "Comparison",
    "EvalContext",
    "Extractor",
    "HogClassifier",
    "Judge",
    "Score",
    "Shown",
    "Table",
    "build_context",
    "compare",
    "write_comparison",
]  # fmt: skip
