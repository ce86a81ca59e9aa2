"""Numbers: pure functions of features and activations."""

from vital.metrics.intervals import Interval as Interval
from vital.metrics.intervals import interval as interval
from vital.metrics.likeness import diversity as diversity
from vital.metrics.likeness import frechet_distance as frechet_distance
from vital.metrics.likeness import kernel_distance as kernel_distance
from vital.metrics.likeness import path_similarity as path_similarity
from vital.metrics.likeness import rank_of as rank_of

__all__ = [
    "Interval",
    "diversity",
    "frechet_distance",
    "interval",
    "kernel_distance",
    "path_similarity",
    "rank_of",
]
