"""Transforms that change values and leave everything in place: noise, colors, blur."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vital.transforms.base import TRANSFORMS, check_numbers, check_rising
from vital.types import Images, Transform
from vital.utils.blur import gaussian_blur
from vital.utils.random import Random

SHARP = 1e-3
"""A sigma that blurs nothing, where 0 would be divided by 0."""


@TRANSFORMS.register("noise", example="transforms.Noise(0.05)")
@dataclass(frozen=True)
class Noise(Transform):
    """Add N(0, sd²) and U(−uniform, uniform) to every value; the result may leave [0, 1].

    MACO (Fel et al., NeurIPS 2023) adds sd = 0.08 and uniform = 0.04. Draws one or two tensors of the images' shape.

    >>> import torch
    >>> seen = Noise(0.0, uniform=0.1)(torch.zeros(1, 3, 8, 8), Random([0]))
    >>> bool(seen.abs().max() <= 0.1)
    True
    """

    sd: float = 0.05
    uniform: float = 0.0

    def __post_init__(self) -> None:
        check_numbers("Noise", "sd", (self.sd,), 0)
        check_numbers("Noise", "uniform", (self.uniform,), 0)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the images with noise, of the same size."""
        noise = self.sd * random.normal(*images.shape[1:])
        if self.uniform:
            noise += random.uniform(-self.uniform, self.uniform, *images.shape[1:])
        return images + noise.to(images.dtype)


@TRANSFORMS.register("color-shift", example="transforms.ColorShift(0.5, 0.5)")
@dataclass(frozen=True)
class ColorShift(Transform):
    """Shift and stretch each channel: (images − m) / s with m ~ U(−mean, mean) and s ~ exp(U(−std, std)).

    From Plug-In Inversion (Ghiasi et al., 2021), whose ranges are the defaults. The result may leave [0, 1]. Draws
    two numbers per channel.

    >>> import torch
    >>> ColorShift(0.0, 0.0)(torch.ones(1, 3, 1, 1), Random([0])).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    mean: float = 1.0
    std: float = 1.0

    def __post_init__(self) -> None:
        check_numbers("ColorShift", "mean", (self.mean,), 0)
        check_numbers("ColorShift", "std", (self.std,), 0)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the images in shifted colors, of the same size."""
        mean, std = random.uniform(-1, 1, 2, images.shape[1], 1, 1, dtype=images.dtype).unbind(1)
        shifted: Images = (images - self.mean * mean) / (self.std * std).exp()
        return shifted


@TRANSFORMS.register("blur", example="transforms.Blur(0.5, 1.0)")
@dataclass(frozen=True)
class Blur(Transform):
    """Blur with a Gaussian whose sigma, in pixels, is drawn from U(low, high); beyond the edge the edge goes on.

    The kernel reaches three times `high`. Draws one number.

    >>> import torch
    >>> Blur(1.0, 1.0)(torch.ones(1, 1, 3, 3), Random([0])).mean().round(decimals=4).item()
    1.0
    """

    low: float = 1.0
    high: float = 1.1

    def __post_init__(self) -> None:
        check_numbers("Blur", "sigmas", (self.low, self.high), 0)
        check_rising("Blur", "sigmas", self.low, self.high)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the blurred images, of the same size."""
        sigmas = random.uniform(self.low, self.high, 1, dtype=images.dtype).clamp(min=SHARP)
        return gaussian_blur(images, sigmas, math.ceil(3 * self.high))
