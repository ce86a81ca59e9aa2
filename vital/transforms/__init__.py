"""Random transforms of an image, so that what is found survives small changes.

A transform takes one image (1, C, H, W) and a random generator. Which sizes it returns never depends on chance.
Transforms run in a sequence (`Compose`); `lucid` and `maco` are the published ones.
"""

from vital.transforms.base import TRANSFORMS
from vital.transforms.compose import Compose, Lambda, lucid, maco
from vital.transforms.geometric import Flip, Jitter, Pad, Roll, Trim
from vital.transforms.photometric import Blur, ColorShift, Noise
from vital.transforms.resample import Crop, Resize, Rotate, Scale

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
