"""Comparing methods with numbers: units by methods by seeds, with controls that say what each number is worth."""

from vital.comparing.api import Comparison as Comparison
from vital.comparing.api import compare as compare
from vital.comparing.base import MEASURES as MEASURES
from vital.comparing.build import build_context as build_context
from vital.comparing.context import EvalContext as EvalContext
from vital.comparing.context import Extractor as Extractor
from vital.comparing.context import Judge as Judge
from vital.comparing.export import write_comparison as write_comparison
from vital.comparing.hog import HogClassifier as HogClassifier
from vital.comparing.judges import ClassJudge as ClassJudge
from vital.comparing.records import Score as Score
from vital.comparing.records import Shown as Shown
from vital.comparing.table import Table as Table
from vital.comparing.variants import CONTROLS as CONTROLS

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
