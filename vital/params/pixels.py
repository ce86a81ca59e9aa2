"""The image itself, in the network's own normalized space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params import color
from vital.params.base import PARAMS, Invertible, Size, check, normal, sides
from vital.types import Images, Parameters
from vital.utils.devices import constants

ROUNDING = 1e-6
"""How far a color may lie outside [0, 1] after it was clamped and split into its axes."""


@PARAMS.register("pixels", example="par.Pixels(32)")
@dataclass(frozen=True)
class Pixels(Invertible):
    """One number x per pixel and channel: image = x · std + mean, or with `decorrelate` image = (x @ M) · std + mean.

    The start is x ~ N(0, sd²); `sd=0` starts at the mean. With `clamp`, x is brought back to
    [−mean/std, (1 − mean)/std] after every step, which is [0, 1] in the image; the start itself is not clamped, and
    without `clamp` nothing is. With the mean and std of the network's preprocessing this is the space of VITAL
    (Görgün et al., ICCV 2025) and DeepInversion (Yin et al., CVPR 2020). `mean` and `std` have one entry, or one per
    channel. With `decorrelate` and three channels x lies along the axes of natural colors, by the matrix M of
    `vital.params.color`, so that a step changes brightness most; what leaves [0, 1] is clamped as a color. The pixels
    of Lucid and Lucent, which end in a sigmoid, are `LowRes(size, factors=(1,))`. Parameters: `pixels` (S, C, H, W).

    >>> Pixels((4, 6)).init(torch.Generator().manual_seed(0))["pixels"].shape
    torch.Size([1, 3, 4, 6])
    >>> grey = Pixels(1, sd=0.0)
    >>> grey.decode(grey.init(torch.Generator())).flatten().tolist()
    [0.5, 0.5, 0.5]
    """

    size: Size
    channels: int = 3
    sd: float = 1.0
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    clamp: bool = True
    decorrelate: bool = False

    def __post_init__(self) -> None:
        check(self.size, self.channels, self.sd)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise InvalidValueError(
                    f"{name} has {len(values)} entries; allowed are 1 or {self.channels}, one per channel"
                )
        if not all(value > 0 for value in self.std):
            raise InvalidValueError(f"std is {self.std}; allowed are numbers above 0")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        return (self.channels, *sides(self.size))

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw x ~ N(0, sd²)."""
        return {"pixels": normal(generator, (1, *self.shape), self.sd)}

    def decode(self, parameters: Parameters) -> Images:
        """Return x · std + mean, or (x @ M) · std + mean, which lies in [0, 1] once `project` has been at it."""
        mean, std = self._columns(parameters["pixels"])
        colors = color.correlate(parameters["pixels"]) if self.decorrelate else parameters["pixels"]
        return colors * std + mean

    def project(self, parameters: Parameters) -> None:
        """Clamp x per channel to [−mean/std, (1 − mean)/std], or x @ M where that is the color, in place."""
        if not self.clamp:
            return
        pixels = parameters["pixels"]
        mean, std = self._columns(pixels)
        if not self.decorrelate:
            pixels.clamp_(-mean / std, (1 - mean) / std)
            return
        image = self.decode(parameters)
        outside = ((image < -ROUNDING) | (image > 1 + ROUNDING)).any(1, keepdim=True)
        pixels.copy_(torch.where(outside, self.encode(image.clamp(0, 1))["pixels"], pixels))

    def encode(self, image: Images) -> Parameters:
        """Return (image − mean) / std, or that along the axes of natural colors."""
        mean, std = self._columns(image)
        colors = (image - mean) / std
        return {"pixels": color.decorrelate(colors) if self.decorrelate else colors}

    def _columns(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (constants(values, like).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std
