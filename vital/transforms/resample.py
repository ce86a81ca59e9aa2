"""Transforms that interpolate: zoom, turn, crop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.transforms.base import (
    TRANSFORMS,
    check_mode,
    check_numbers,
    check_rising,
    draw_factors,
)
from vital.types import Images, PerImage, Transform
from vital.utils.devices import constants
from vital.utils.random import Random

_OUTSIDE = ("zeros", "border", "reflection")


@TRANSFORMS.register("scale", example="transforms.Scale(0.9, 1.1)")
@dataclass(frozen=True)
class Scale(Transform):
    """Zoom about the center by a factor from U(low, high), or by one of `choices`; the size stays.

    Above 1 the edges are lost; below 1 the space around is filled by `outside`: with the mirrored image
    ("reflection"), its edge ("border") or 0 ("zeros"). Bilinear. Draws one number.

    >>> Scale(1.0, 1.0)(torch.eye(3)[None, None], Random([0])).equal(torch.eye(3)[None, None])
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

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the zoomed images, of the same size."""
        share = draw_factors(random, self.low, self.high, self.choices, images).reciprocal()
        nothing = torch.zeros_like(share)
        return _warped(images, (share, nothing, nothing, share), self.outside)


@TRANSFORMS.register("resize", example="transforms.Resize(0.5)")
@dataclass(frozen=True)
class Resize(Transform):
    """Bring the image to a share of its sides, at least one pixel, or to a `size`; bilinear with antialiasing.

    As the last transform, with the size of the network's input, it lets a canvas of any size be seen by a network of
    another. Draws nothing.

    >>> Resize(0.5)(torch.ones(1, 3, 8, 6), Random([0])).shape
    torch.Size([1, 3, 4, 3])
    >>> Resize(size=(5, 4))(torch.ones(1, 3, 8, 6), Random([0])).shape
    torch.Size([1, 3, 5, 4])
    """

    share: float | None = None
    size: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.share is None) == (self.size is None):
            raise InvalidValueError(
                f"Resize is given the share {self.share} and the size {self.size}; give one of them"
            )
        _check_size("Resize", self.size)
        check_numbers("Resize", "share", () if self.share is None else (self.share,), 0.01, 100)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the images at their new size; those that have it already as they are."""
        del random
        sides = tuple(images.shape[2:])
        if self.share is not None:
            size = tuple(max(1, round(self.share * side)) for side in sides)
        else:
            size = _pair(self.size) or sides
        return images if size == sides else F.interpolate(images, size, mode="bilinear", antialias=True)


@TRANSFORMS.register("rotate", example="transforms.Rotate(10)")
@dataclass(frozen=True)
class Rotate(Transform):
    """Turn about the center, anticlockwise, by an angle from U(−degrees, degrees), or by one of `choices`.

    The size stays; the corners are filled by `outside`, as in `Scale`. Bilinear. Draws one number.

    >>> turned = Rotate(choices=(90.0,))(torch.eye(3)[None, None], Random([0]))
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

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the turned images, of the same size."""
        angle = draw_factors(random, -self.degrees, self.degrees, self.choices, images).deg2rad()
        height, width = (max(1, side - 1) for side in images.shape[2:])
        sine, cosine = angle.sin(), angle.cos()
        return _warped(
            images, (cosine, sine * (-height / width), sine * (width / height), cosine), self.outside
        )


@TRANSFORMS.register("crop", example="transforms.Crop()")
@dataclass(frozen=True)
class Crop(Transform):
    """Cut a box somewhere out of the image, resized to a fixed size.

    The box takes a share of each side, from U(fraction), or with `shrink` from the upper end of `fraction` to the
    lower one in a straight line over the run. To it is added N(0, sd²), at most half of it away. Its center, as a share
    of the side, is N(0.5, spread²) down and right; a box that would stick out is moved inside. It is resized to `size`
    (None: the image's own size), bilinearly with antialiasing. Fraction and spread are MACO's (Fel et al., NeurIPS
    2023), which shrinks with sd = 0.05. Draws four numbers.

    >>> Crop(size=(4, 6))(torch.rand(1, 3, 32, 32), Random([0])).shape
    torch.Size([1, 3, 4, 6])
    """

    size: int | tuple[int, int] | None = None
    fraction: tuple[float, float] = (0.05, 0.5)
    spread: float = 0.15
    shrink: bool = False
    sd: float = 0.0

    def __post_init__(self) -> None:
        _check_size("Crop", self.size)
        check_numbers("Crop", "fractions", self.fraction, 0, 1)
        check_rising("Crop", "fractions", *self.fraction)
        check_numbers("Crop", "spread", (self.spread,), 0)
        check_numbers("Crop", "sd", (self.sd,), 0)

    def at(self, progress: float) -> Crop:
        """Return the crop with the share of that place in the run, where it shrinks."""
        low, high = self.fraction
        share = high + (low - high) * progress
        return replace(self, fraction=(share, share), shrink=False) if self.shrink else self

    def __call__(self, images: Images, random: Random) -> Images:
        """Return what is in the boxes, of the fixed size."""
        sides = images.shape[2:]
        size = _pair(self.size) or sides
        share = random.uniform(*self.fraction)
        drawn = random.normal(3)
        away, more = drawn[:, :2], drawn[:, 2:]
        fraction = (share[:, None] + self.sd * more).maximum(share[:, None] / 2).clamp(max=1)
        boxes = _boxes(constants(sides, share), fraction, 0.5 + self.spread * away)
        rows, columns = (
            _resampling(start, box, side, new, images.dtype)
            for start, box, side, new in zip(*(x.unbind(1) for x in boxes), sides, size, strict=True)
        )
        wide: Images = (images.flatten(1, 2) @ columns.mT).view(*images.shape[:3], -1)
        return torch.matmul(rows[:, None], wide)


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else size


def _check_size(transform: str, size: int | tuple[int, int] | None) -> None:
    """Raise `InvalidValueError` unless it is a size, or None."""
    pair = _pair(size)
    if pair is not None and not (len(pair) == 2 and min(pair) >= 1):
        raise InvalidValueError(
            f"{transform} is given the size {size}; allowed are whole numbers from 1, a pair, or None"
        )


def _warped(images: Images, matrix: tuple[PerImage, ...], outside: str) -> Images:
    """The images seen at other places: a matrix (x x, x y, y x, y y) about the center, from where it is seen."""
    xx, xy, yx, yy = (part[:, None, None] for part in matrix)
    y, x = (_places(side, images) for side in images.shape[2:])
    grid = torch.stack([xx * x + xy * y[:, None], yx * x + yy * y[:, None]], -1)
    return F.grid_sample(images, grid, "bilinear", outside, align_corners=True)


def _places(side: int, like: Tensor) -> Tensor:
    """Where the pixels of a side are, from −1 to 1; a single one is in the middle."""
    return torch.linspace(-1.0, 1.0, side, device=like.device, dtype=like.dtype) * (side > 1)


def _boxes(sides: Tensor, fraction: Tensor, center: Tensor) -> tuple[Tensor, Tensor]:
    """Where boxes start on both sides, in whole pixels, and how long they are, (B, 2) each; none sticks out."""
    box = (fraction * sides).round().clamp(min=1)
    return (center * sides - box / 2).round().clamp(min=0).minimum(sides - box), box


def _resampling(start: PerImage, box: PerImage, side: int, size: int, dtype: torch.dtype) -> Tensor:
    """The matrices (B, size, side) that resize a box of each side, bilinearly with antialiasing.

    They are those of `torch.nn.functional.interpolate`: a triangle about each new pixel's center, as wide as a new
    pixel or an old one, whichever is wider, cut off at the box.
    """
    start, box = (x[:, None, None].to(torch.promote_types(dtype, torch.float32)) for x in (start, box))
    scale = box / size
    old = torch.arange(side, device=box.device) - start
    new = scale * (torch.arange(size, device=box.device)[:, None] + 0.5)
    weights = (1 - (old + 0.5 - new).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * ((old >= 0) & (old < box))
    return (weights / weights.sum(-1, keepdim=True)).to(dtype)
