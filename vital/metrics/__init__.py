"""Numbers: pure functions of what units do and what images show, and of the features of pictures."""

from vital.metrics import labels as words
from vital.metrics.base import METRICS as METRICS
from vital.metrics.base import Metric as Metric
from vital.metrics.base import metric as metric
from vital.metrics.base import trusted as trusted
from vital.metrics.base import untrusted as untrusted
from vital.metrics.bootstrap import Interval as Interval
from vital.metrics.bootstrap import interval as interval
from vital.metrics.correlation import agreement as agreement
from vital.metrics.image_sets import diversity as diversity
from vital.metrics.image_sets import frechet_distance as frechet_distance
from vital.metrics.image_sets import kernel_distance as kernel_distance
from vital.metrics.image_sets import path_similarity as path_similarity
from vital.metrics.image_sets import rank_of as rank_of
from vital.metrics.natural import RATIOS as RATIOS
from vital.metrics.natural import STATISTICS as STATISTICS
from vital.metrics.natural import clipped as clipped
from vital.metrics.natural import contrast as contrast
from vital.metrics.natural import luminance as luminance
from vital.metrics.natural import natural_statistics as natural_statistics
from vital.metrics.natural import picture_statistics as picture_statistics
from vital.metrics.natural import saturation as saturation
from vital.metrics.natural import spectral_slope as spectral_slope

__all__ = [
    "METRICS", "RATIOS", "STATISTICS", "Interval", "Metric", "agreement", "clipped", "contrast", "diversity",
    "frechet_distance", "interval", "kernel_distance", "luminance", "metric", "natural_statistics", "path_similarity",
    "picture_statistics", "rank_of", "saturation", "spectral_slope", "trusted", "untrusted", "words",
]  # fmt: skip
