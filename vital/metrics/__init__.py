"""Numbers: pure functions of what units do and what images show, and of the features of pictures."""

from vital.metrics import words as words
from vital.metrics.base import METRICS as METRICS
from vital.metrics.base import Metric as Metric
from vital.metrics.base import metric as metric
from vital.metrics.base import trusted as trusted
from vital.metrics.base import untrusted as untrusted
from vital.metrics.intervals import Interval as Interval
from vital.metrics.intervals import interval as interval
from vital.metrics.likeness import diversity as diversity
from vital.metrics.likeness import frechet_distance as frechet_distance
from vital.metrics.likeness import kernel_distance as kernel_distance
from vital.metrics.likeness import path_similarity as path_similarity
from vital.metrics.likeness import rank_of as rank_of

__all__ = [
    "METRICS", "Interval", "Metric", "diversity", "frechet_distance", "interval", "kernel_distance", "metric",
    "path_similarity", "rank_of", "trusted", "untrusted", "words",
]  # fmt: skip
