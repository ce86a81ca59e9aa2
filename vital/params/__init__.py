"""How numbers become an image: the search spaces.

`Pixels` for plain pixels, `Fourier` for smooth natural-looking images (the usual choice), `Phase` for MACO, `LowRes`
and `CPPN` for coarse and for patterned ones; `Shared` and `From` wrap another.
"""

from vital.params.base import PARAMS as PARAMS
from vital.params.base import Canvas as Canvas
from vital.params.base import Invertible as Invertible
from vital.params.base import Size as Size
from vital.params.cppn import CPPN as CPPN
from vital.params.fourier import Fourier as Fourier
from vital.params.lowres import LowRes as LowRes
from vital.params.phase import Phase as Phase
from vital.params.phase import spectrum as spectrum
from vital.params.pixels import Pixels as Pixels
from vital.params.shared import Shared as Shared
from vital.params.start import From as From

__all__ = [
    "CPPN",
    "PARAMS",
    "Canvas",
    "Fourier",
    "From",
    "Invertible",
    "LowRes",
    "Phase",
    "Pixels",
    "Shared",
    "Size",
    "spectrum",
]
