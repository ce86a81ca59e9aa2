"""Transforms that interpolate: zoom, turn, crop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F

from vital.errors import InvalidValueError
from vital.transforms.base import (
    TRANSFORMS,
    check_mode,
    check_numbers,
    check_rising,
    draw_factor,
    draw_number,
)
from vital.types import Images, Transform

_OUTSIDE = ("zeros", "border", "reflection")


@TRANSFORMS.register("scale", example="transforms.Scale(0.9, 1.1)")
@dataclass(frozen=True)
class Scale(Transform):
    """Zoom about the center by a factor from U(low, high), or by one of `choices`; the size stays.

    Above 1 the edges are lost; below 1 the space around is filled by `outside`: with the mirrored image
    ("reflection"), its edge ("border") or 0 ("zeros"). Bilinear. Draws one number.

    >>> Scale(1.0, 1.0)(torch.eye(3)[None, None], torch.Generator()).equal(torch.eye(3)[None, None])
    True
    """

    low: float = 0.9
    high: float = 1.1
    choices: tuple[float, ...] = ()
    outside: Literal["zeros", "border", "reflection"] = "reflection"

    def __post_init__(self) -> None:
        check_mode("Scale", self.outside, _OUTSIDE)
        check_numbers("Scale", "factors", self.choices or (self.low, self.high), 0.01, 100)
        check_rising("Scale", "factors", self.low, self.high)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the zoomed image, of the same size."""
        from kornia.geometry.transform import scale

        factor = draw_factor(generator, self.low, self.high, self.choices)
        return scale(image, image.new_tensor([factor]), padding_mode=self.outside)


@TRANSFORMS.register("resize", example="transforms.Resize(0.5)")
@dataclass(frozen=True)
class Resize(Transform):
    """Bring the image to a share of its sides, at least one pixel; bilinear with antialiasing. Draws nothing.

    >>> Resize(0.5)(torch.ones(1, 3, 8, 6), torch.Generator()).shape
    torch.Size([1, 3, 4, 3])
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        check_numbers("Resize", "share", (self.share,), 0.01, 100)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the image at its new size."""
        del generator
        size = [max(1, round(self.share * side)) for side in image.shape[-2:]]
        return F.interpolate(image, size, mode="bilinear", antialias=True)


@TRANSFORMS.register("rotate", example="transforms.Rotate(10)")
@dataclass(frozen=True)
class Rotate(Transform):
    """Turn about the center, anticlockwise, by an angle from U(−degrees, degrees), or by one of `choices`.

    The size stays; the corners are filled by `outside`, as in `Scale`. Bilinear. Draws one number.

    >>> turned = Rotate(choices=(90.0,))(torch.eye(3)[None, None], torch.Generator())
    >>> turned.round().int()[0, 0].tolist()
    [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    """

    degrees: float = 10.0
    choices: tuple[float, ...] = ()
    outside: Literal["zeros", "border", "reflection"] = "reflection"

    def __post_init__(self) -> None:
        check_mode("Rotate", self.outside, _OUTSIDE)
        check_numbers("Rotate", "degrees", (self.degrees,), 0, 360)
        check_numbers("Rotate", "choices", self.choices, -360, 360)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the turned image, of the same size."""
        from kornia.geometry.transform import rotate

        angle = draw_factor(generator, -self.degrees, self.degrees, self.choices)
        return rotate(image, image.new_tensor([angle]), padding_mode=self.outside)


@TRANSFORMS.register("crop", example="transforms.Crop()")
@dataclass(frozen=True)
class Crop(Transform):
    """Cut a box somewhere out of the image, resized to a fixed size.

    The box takes a share of each side, from U(fraction), or with `shrink` from the upper end of `fraction` to the
    lower one in a straight line over the run. To it is added N(0, sd²), at most half of it away. Its center, as a share
    of the side, is N(0.5, spread²) down and right; a box that would stick out is moved inside. It is resized to `size`
    (None: the image's own size), bilinearly with antialiasing. Fraction and spread are MACO's (Fel et al., NeurIPS
    2023), which shrinks with sd = 0.05. Draws four numbers.

    >>> Crop(size=(4, 6))(torch.rand(1, 3, 32, 32), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 3, 4, 6])
    """

    size: int | tuple[int, int] | None = None
    fraction: tuple[float, float] = (0.05, 0.5)
    spread: float = 0.15
    shrink: bool = False
    sd: float = 0.0

    def __post_init__(self) -> None:
        pair = (self.size, self.size) if isinstance(self.size, int) else self.size
        if pair is not None and not (len(pair) == 2 and min(pair) >= 1):
            raise InvalidValueError(
                f"Crop is given the size {self.size}; allowed are whole numbers from 1, a pair, or None"
            )
        check_numbers("Crop", "fractions", self.fraction, 0, 1)
        check_rising("Crop", "fractions", *self.fraction)
        check_numbers("Crop", "spread", (self.spread,), 0)
        check_numbers("Crop", "sd", (self.sd,), 0)

    def at(self, progress: float) -> Crop:
        """Return the crop with the share of that place in the run, where it shrinks."""
        low, high = self.fraction
        share = high + (low - high) * progress
        return replace(self, fraction=(share, share), shrink=False) if self.shrink else self

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return what is in the box, of the fixed size."""
        sides = image.shape[-2:]
        share = draw_number(generator, *self.fraction)
        *away, more = torch.randn(3, generator=generator, dtype=torch.float64).tolist()
        fraction = min(1.0, max(share / 2, share + self.sd * more))
        centers = [0.5 + self.spread * part for part in away]
        boxes = [max(1, round(fraction * side)) for side in sides]
        top, left = (
            min(max(round(center * side - box / 2), 0), side - box)
            for center, side, box in zip(centers, sides, boxes, strict=True)
        )
        box = image[..., top : top + boxes[0], left : left + boxes[1]]
        size = (self.size, self.size) if isinstance(self.size, int) else self.size or tuple(sides)
        return F.interpolate(box, size, mode="bilinear", antialias=True)
