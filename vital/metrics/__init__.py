"""Numbers: pure functions of what units do and what images show, and of the features of pictures."""

from vital.metrics import labels as words
from vital.metrics.base import METRICS, Metric, metric, trusted, untrusted
from vital.metrics.bootstrap import Interval, interval
from vital.metrics.correlation import agreement
from vital.metrics.image_sets import (
    diversity,
    frechet_distance,
    kernel_distance,
    path_similarity,
    rank_of,
    similarity_to_way,
    way_sum,
)
from vital.metrics.natural import (
    RATIOS,
    STATISTICS,
    clipped,
    contrast,
    luminance,
    natural_statistics,
    picture_statistics,
    saturation,
    spectral_slope,
)

__all__ = [
    "METRICS", "RATIOS", "STATISTICS", "Interval", "Metric", "agreement", "clipped", "contrast", "diversity",
    "frechet_distance", "interval", "kernel_distance", "luminance", "metric", "natural_statistics", "path_similarity",
    "picture_statistics", "rank_of", "saturation", "similarity_to_way", "spectral_slope", "trusted", "untrusted",
    "way_sum", "words",
]  # fmt: skip
