"""Regularizers: penalties on the picture itself. Each is a Term; lower is better.

The catalog, with formulas and sources, is `regularizers/README.md`.
"""

from vital.regularizers.colors import Colors
from vital.regularizers.distance import ImageDistance
from vital.regularizers.norms import L1, L2, Range
from vital.regularizers.smoothness import Blur, Boundary, TotalVariation
from vital.regularizers.spectrum import Spectrum
from vital.regularizers.statistics import BatchNormStatistics

__all__ = [
    "L1",
    "L2",
    "BatchNormStatistics",
    "Blur",
    "Boundary",
    "Colors",
    "ImageDistance",
    "Range",
    "Spectrum",
    "TotalVariation",
]
