"""Random transforms of images, so that what is found survives small changes.

A transform takes a batch (B, C, H, W) and a `Random` with as many rows: each image is transformed
by its own numbers, the same alone as in any batch. Which sizes it returns never depends on chance.
Transforms run in a sequence (`Compose`); `lucid` and `maco` are the published ones.
"""

from vital.transforms.base import TRANSFORMS
from vital.transforms.compose import Compose, Lambda, lucid, maco
from vital.transforms.geometric import Flip, Jitter, Pad, Roll, Trim
from vital.transforms.photometric import Blur, ColorShift, Noise
from vital.transforms.resample import Crop, Resize, Rotate, Scale
from vital.utils.random import Random

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
    "Random",
    "Resize",
    "Roll",
    "Rotate",
    "Scale",
    "Trim",
    "lucid",
    "maco",
]
