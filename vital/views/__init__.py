"""Random looks at an image, so that what is found survives small changes.

A view takes one image (1, C, H, W) and a random generator. Which sizes it returns never depends on chance. Views run
in a sequence (`Compose`); `lucid` and `maco` are the published ones.
"""

from vital.views.base import VIEWS as VIEWS
from vital.views.compose import Compose as Compose
from vital.views.compose import lucid as lucid
from vital.views.compose import maco as maco
from vital.views.move import Flip as Flip
from vital.views.move import Jitter as Jitter
from vital.views.move import Pad as Pad
from vital.views.move import Roll as Roll
from vital.views.move import Trim as Trim
from vital.views.tone import Blur as Blur
from vital.views.tone import ColorShift as ColorShift
from vital.views.tone import Noise as Noise
from vital.views.warp import Crop as Crop
from vital.views.warp import Resize as Resize
from vital.views.warp import Rotate as Rotate
from vital.views.warp import Scale as Scale

__all__ = [
    "VIEWS",
    "Blur",
    "ColorShift",
    "Compose",
    "Crop",
    "Flip",
    "Jitter",
    "Noise",
    "Pad",
    "Resize",
    "Roll",
    "Rotate",
    "Scale",
    "Trim",
    "lucid",
    "maco",
]
