"""Comparing methods with numbers: units by methods by seeds, with controls that say what each number is worth."""

from vital.compare.bench import Bench as Bench
from vital.compare.bench import Extractor as Extractor
from vital.compare.bench import Judge as Judge
from vital.compare.bench import bench_for as bench_for
from vital.compare.compare import Comparison as Comparison
from vital.compare.compare import compare as compare
from vital.compare.hog import HogClassifier as HogClassifier
from vital.compare.judges import ClassJudge as ClassJudge
from vital.compare.measures import MEASURES as MEASURES
from vital.compare.records import Score as Score
from vital.compare.records import Shown as Shown
from vital.compare.rows import CONTROLS as CONTROLS
from vital.compare.table import Table as Table
from vital.compare.write import write_comparison as write_comparison

__all__ = [
    "CONTROLS", "MEASURES", "Bench", "ClassJudge", "Comparison", "Extractor", "HogClassifier", "Judge", "Score",
    "Shown", "Table", "bench_for", "compare", "write_comparison",
]  # fmt: skip
