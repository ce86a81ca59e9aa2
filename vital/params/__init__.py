"""How numbers become an image: the search spaces.

`Pixels` for plain pixels, `Fourier` for smooth natural-looking images (the usual choice), `Phase` for MACO, `LowRes`
and `CPPN` for coarse and for patterned ones; `Shared` and `From` wrap another.
"""

from vital.params.base import PARAMS, Canvas, Invertible, Size
from vital.params.cppn import CPPN
from vital.params.fourier import Fourier
from vital.params.lowres import LowRes
from vital.params.phase import Phase, spectrum
from vital.params.pixels import Pixels
from vital.params.shared import Shared
from vital.params.start import From

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
