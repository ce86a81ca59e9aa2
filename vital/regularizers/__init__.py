"""Regularizers: penalties on the picture itself. Each is a Term; lower is better.

The catalogue, with formulas and sources, is `regularizers/README.md`.
"""

from vital.regularizers.colors import Colors as Colors
from vital.regularizers.norms import L1 as L1
from vital.regularizers.norms import L2 as L2
from vital.regularizers.norms import Range as Range
from vital.regularizers.smoothness import Blur as Blur
from vital.regularizers.smoothness import Boundary as Boundary
from vital.regularizers.smoothness import TotalVariation as TotalVariation
from vital.regularizers.spectrum import Spectrum as Spectrum
from vital.regularizers.statistics import BatchNormStatistics as BatchNormStatistics

__all__ = [
    "L1",
    "L2",
    "BatchNormStatistics",
    "Blur",
    "Boundary",
    "Colors",
    "Range",
    "Spectrum",
    "TotalVariation",
]
