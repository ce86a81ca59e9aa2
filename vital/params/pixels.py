"""The image itself, in the network's own normalized space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params.base import PARAMS, Invertible, Size, check, normal, sides
from vital.types import Images, Parameters
from vital.utils.devices import constants


@PARAMS.register("pixels", example="par.Pixels(32)")
@dataclass(frozen=True)
class Pixels(Invertible):
    """One number x per pixel and channel: image = x · std + mean.

    The start is x ~ N(0, sd²); `sd=0` starts at the mean. With `clamp`, x is brought back to
    [−mean/std, (1 − mean)/std] after every step, which is [0, 1] in the image; the start itself is not clamped, and
    without `clamp` nothing is. With the mean and std of the network's preprocessing this is the space of VITAL
    (Görgün et al., ICCV 2025) and DeepInversion (Yin et al., CVPR 2020). `mean` and `std` have one entry, or one per
    channel. Parameters: `pixels` (S, C, H, W).

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
        """Return x · std + mean, which lies in [0, 1] once `project` has been at it."""
        mean, std = self._columns(parameters["pixels"])
        return parameters["pixels"] * std + mean

    def project(self, parameters: Parameters) -> None:
        """Clamp x per channel to [−mean/std, (1 − mean)/std], in place."""
        if self.clamp:
            mean, std = self._columns(parameters["pixels"])
            parameters["pixels"].clamp_(-mean / std, (1 - mean) / std)

    def encode(self, image: Images) -> Parameters:
        """Return (image − mean) / std."""
        mean, std = self._columns(image)
        return {"pixels": (image - mean) / std}

    def _columns(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (constants(values, like).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std
