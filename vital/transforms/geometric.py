"""Transforms that move whole pixels: nothing is interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.transforms.base import (
    TRANSFORMS,
    check_mode,
    check_numbers,
    check_pixels,
    check_room,
    per_image,
)
from vital.types import Images, Transform
from vital.utils.random import Random

_MODES = ("constant", "reflect", "replicate", "circular")


@TRANSFORMS.register("roll", example="transforms.Roll(4)")
@dataclass(frozen=True)
class Roll(Transform):
    """Move each image by independent uniform whole numbers in [−pixels, pixels] down and right, wrapping around.

    Nothing is lost: what leaves on one side comes back on the other. The only transform of VITAL (30 pixels) and, with
    flips, of DeepInversion. Draws two integers, first down, then right.

    >>> Roll(1)(torch.eye(3)[None, None], Random([0])).sum().item()
    3.0
    """

    pixels: int = 30

    def __post_init__(self) -> None:
        check_pixels("Roll", self.pixels)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the rolled images, of the same size."""
        return _rolled(images, random.integers(-self.pixels, self.pixels, 2))


@TRANSFORMS.register("jitter", example="transforms.Jitter(4)")
@dataclass(frozen=True)
class Jitter(Transform):
    """Move each image by independent uniform whole numbers in [−pixels, pixels] down and right, keeping its size.

    The uncovered edge is filled with the mirrored image, so `pixels` must be below the shorter side. Lucid's
    jitter(d) crops the image by d instead; its moves are those of Jitter(d / 2). Draws two integers.

    >>> Jitter(0)(torch.eye(3)[None, None], Random([0])).equal(torch.eye(3)[None, None])
    True
    """

    pixels: int = 4

    def __post_init__(self) -> None:
        check_pixels("Jitter", self.pixels)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the moved images, of the same size."""
        check_room("Jitter", images, self.pixels, self.pixels)
        padded = F.pad(images, (self.pixels,) * 4, mode="reflect")
        return _middle(_rolled(padded, random.integers(-self.pixels, self.pixels, 2)), self.pixels)


@TRANSFORMS.register("pad", example="transforms.Pad(4)")
@dataclass(frozen=True)
class Pad(Transform):
    """Put a frame of `pixels` around the image: both sides grow by 2 · pixels. Draws nothing.

    `mode` fills it with `value` ("constant"), the mirrored image ("reflect", pixels below the shorter side), the edge
    ("replicate") or the opposite side ("circular", pixels up to the shorter side).

    >>> Pad(1)(torch.ones(1, 1, 1, 1), Random([0]))[0, 0].tolist()
    [[0.5, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 0.5]]
    """

    pixels: int = 12
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: float = 0.5

    def __post_init__(self) -> None:
        check_pixels("Pad", self.pixels)
        check_mode("Pad", self.mode, _MODES)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the images in their frames."""
        del random
        if self.mode in ("reflect", "circular"):
            check_room("Pad", images, self.pixels, self.pixels - (self.mode == "circular"))
        value = self.value if self.mode == "constant" else None
        return F.pad(images, (self.pixels,) * 4, mode=self.mode, value=value)


@TRANSFORMS.register("trim", example="transforms.Trim(4)")
@dataclass(frozen=True)
class Trim(Transform):
    """Cut a frame of `pixels` off the image, the opposite of `Pad`: both sides shrink by 2 · pixels. Draws nothing.

    >>> Trim(1)(torch.eye(3)[None, None], Random([0])).tolist()
    [[[[1.0]]]]
    """

    pixels: int = 12

    def __post_init__(self) -> None:
        check_pixels("Trim", self.pixels)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the middle of the images."""
        del random
        check_room("Trim", images, self.pixels, 2 * self.pixels)
        return _middle(images, self.pixels)


@TRANSFORMS.register("flip", example="transforms.Flip()")
@dataclass(frozen=True)
class Flip(Transform):
    """Mirror the image left to right with probability `p`. Draws one number.

    >>> Flip(1.0)(torch.tensor([[[[1.0, 2.0]]]]), Random([0])).tolist()
    [[[[2.0, 1.0]]]]
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        check_numbers("Flip", "probability", (self.p,), 0, 1)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return each image or its mirror image."""
        return torch.where(per_image(random.uniform() < self.p), images.flip(-1), images)


def _middle(images: Images, pixels: int) -> Images:
    """The images without a frame of `pixels`."""
    height, width = images.shape[2:]
    return images[..., pixels : height - pixels, pixels : width - pixels]


def _rolled(images: Images, shifts: Tensor) -> Images:
    """The images, each moved down and right by its own shifts (B, 2), wrapping around."""
    rolled: Images = _Roll.apply(images, shifts)
    return rolled


class _Roll(torch.autograd.Function):
    """Roll by a gather; the gradient is rolled back by another one, where autograd would scatter."""

    @staticmethod
    def forward(ctx: Any, images: Images, shifts: Tensor) -> Images:
        ctx.save_for_backward(shifts)
        height, width = images.shape[2:]
        rows, columns = (
            (torch.arange(side, device=images.device) - shift[:, None]) % side
            for side, shift in zip((height, width), shifts.unbind(1), strict=True)
        )
        places = (rows[:, :, None] * width + columns[:, None]).view(-1, 1, height * width)
        return images.flatten(2).gather(2, places.expand(-1, images.shape[1], -1)).view_as(images)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (shifts,) = ctx.saved_tensors
        return _rolled(gradient, -shifts), None
