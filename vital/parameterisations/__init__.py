"""How numbers become an image: the search spaces.

`Pixels` for plain pixels, `Fourier` for smooth natural-looking images (the usual choice), `Phase` for MACO, `LowRes`
and `CPPN` for coarse and for patterned ones; `Shared` and `From` wrap another.
"""

from vital.parameterisations.base import PARAMETERISATIONS as PARAMETERISATIONS
from vital.parameterisations.base import Canvas as Canvas
from vital.parameterisations.base import Invertible as Invertible
from vital.parameterisations.base import Size as Size
from vital.parameterisations.cppn import CPPN as CPPN
from vital.parameterisations.fourier import Fourier as Fourier
from vital.parameterisations.lowres import LowRes as LowRes
from vital.parameterisations.phase import Phase as Phase
from vital.parameterisations.phase import spectrum as spectrum
from vital.parameterisations.pixels import Pixels as Pixels
from vital.parameterisations.shared import Shared as Shared
from vital.parameterisations.start import From as From

__all__ = [
    "CPPN",
    "PARAMETERISATIONS",
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
