"""Random transforms of an image, so that what is found survives small changes.

A transform takes one image (1, C, H, W) and a random generator. Which sizes it returns never depends on chance.
Transforms run in a sequence (`Compose`); `lucid` and `maco` are the published ones.
"""

from vital.transforms.base import TRANSFORMS as TRANSFORMS
from vital.transforms.compose import Compose as Compose
from vital.transforms.compose import Lambda as Lambda
from vital.transforms.compose import lucid as lucid
from vital.transforms.compose import maco as maco
from vital.transforms.geometric import Flip as Flip
from vital.transforms.geometric import Jitter as Jitter
from vital.transforms.geometric import Pad as Pad
from vital.transforms.geometric import Roll as Roll
from vital.transforms.geometric import Trim as Trim
from vital.transforms.photometric import Blur as Blur
from vital.transforms.photometric import ColorShift as ColorShift
from vital.transforms.photometric import Noise as Noise
from vital.transforms.resample import Crop as Crop
from vital.transforms.resample import Resize as Resize
from vital.transforms.resample import Rotate as Rotate
from vital.transforms.resample import Scale as Scale

__all__ = [
    "TRANSFORMS",
    "Blur",
    "ColorShift",
    "Compose",
    "Crop",
    "Flip",
    "Jitter",
    "Lambda",
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
