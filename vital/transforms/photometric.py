"""Transforms that change values and leave everything in place: noise, colors, blur."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from vital.transforms.base import TRANSFORMS, check_numbers, check_rising, draw_number
from vital.types import Images, Transform


@TRANSFORMS.register("noise", example="transforms.Noise(0.05)")
@dataclass(frozen=True)
class Noise(Transform):
    """Add N(0, sd²) and U(−uniform, uniform) to every value; the result may leave [0, 1].

    MACO (Fel et al., NeurIPS 2023) adds sd = 0.08 and uniform = 0.04. Draws one or two tensors of the image's shape.

    >>> seen = Noise(0.0, uniform=0.1)(torch.zeros(1, 3, 8, 8), torch.Generator().manual_seed(0))
    >>> bool(seen.abs().max() <= 0.1)
    True
    """

    sd: float = 0.05
    uniform: float = 0.0

    def __post_init__(self) -> None:
        check_numbers("Noise", "sd", (self.sd,), 0)
        check_numbers("Noise", "uniform", (self.uniform,), 0)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the image with noise, of the same size."""
        noise = self.sd * torch.randn(image.shape, generator=generator, dtype=torch.float32)
        if self.uniform:
            drawn = torch.rand(image.shape, generator=generator, dtype=torch.float32)
            noise = noise + self.uniform * (2 * drawn - 1)
        return image + noise.to(image)


@TRANSFORMS.register("color-shift", example="transforms.ColorShift(0.5, 0.5)")
@dataclass(frozen=True)
class ColorShift(Transform):
    """Shift and stretch each channel: (image − m) / s with m ~ U(−mean, mean) and s ~ exp(U(−std, std)).

    From Plug-In Inversion (Ghiasi et al., 2021), whose ranges are the defaults. The result may leave [0, 1]. Draws
    two numbers per channel.

    >>> ColorShift(0.0, 0.0)(torch.ones(1, 3, 1, 1), torch.Generator()).flatten().tolist()
    [1.0, 1.0, 1.0]
    """

    mean: float = 1.0
    std: float = 1.0

    def __post_init__(self) -> None:
        check_numbers("ColorShift", "mean", (self.mean,), 0)
        check_numbers("ColorShift", "std", (self.std,), 0)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the image in shifted colors, of the same size."""
        drawn = torch.rand((2, 1, image.shape[1], 1, 1), generator=generator, dtype=torch.float32)
        mean, std = (2 * drawn - 1).to(image)
        shifted: Images = (image - self.mean * mean) / (self.std * std).exp()
        return shifted


@TRANSFORMS.register("blur", example="transforms.Blur(0.5, 1.0)")
@dataclass(frozen=True)
class Blur(Transform):
    """Blur with a Gaussian whose sigma, in pixels, is drawn from U(low, high); beyond the edge the edge goes on.

    The kernel reaches three times `high`. Draws one number.

    >>> Blur(1.0, 1.0)(torch.ones(1, 1, 3, 3), torch.Generator()).mean().round(decimals=4).item()
    1.0
    """

    low: float = 1.0
    high: float = 1.1

    def __post_init__(self) -> None:
        check_numbers("Blur", "sigmas", (self.low, self.high), 0)
        check_rising("Blur", "sigmas", self.low, self.high)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the blurred image, of the same size."""
        from kornia.filters import gaussian_blur2d

        sigma = draw_number(generator, self.low, self.high)
        if sigma == 0:
            return image
        side = 2 * math.ceil(3 * self.high) + 1
        return gaussian_blur2d(image, side, (sigma, sigma), border_type="replicate")
