"""Transforms that move whole pixels: nothing is interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from vital.transforms.base import (
    TRANSFORMS,
    check_mode,
    check_numbers,
    check_pixels,
    check_room,
    draw_integer,
)
from vital.types import Images, Transform

_MODES = ("constant", "reflect", "replicate", "circular")


@TRANSFORMS.register("roll", example="transforms.Roll(4)")
@dataclass(frozen=True)
class Roll(Transform):
    """Move the image by independent uniform whole numbers in [−pixels, pixels] down and right, wrapping around.

    Nothing is lost: what leaves on one side comes back on the other. The only transform of VITAL (30 pixels) and, with
    flips, of DeepInversion. Draws two integers, first down, then right.

    >>> Roll(1)(torch.eye(3)[None, None], torch.Generator().manual_seed(0)).sum().item()
    3.0
    """

    pixels: int = 30

    def __post_init__(self) -> None:
        check_pixels("Roll", self.pixels)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the rolled image, of the same size."""
        down, right = _shift(generator, self.pixels)
        return torch.roll(image, (down, right), (-2, -1))


@TRANSFORMS.register("jitter", example="transforms.Jitter(4)")
@dataclass(frozen=True)
class Jitter(Transform):
    """Move the image by independent uniform whole numbers in [−pixels, pixels] down and right, keeping its size.

    The uncovered edge is filled with the mirrored image, so `pixels` must be below the shorter side. Lucid's
    jitter(d) crops the image by d instead; its moves are those of Jitter(d / 2). Draws two integers.

    >>> Jitter(0)(torch.eye(3)[None, None], torch.Generator()).equal(torch.eye(3)[None, None])
    True
    """

    pixels: int = 4

    def __post_init__(self) -> None:
        check_pixels("Jitter", self.pixels)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the moved image, of the same size."""
        check_room("Jitter", image, self.pixels, self.pixels)
        down, right = _shift(generator, self.pixels)
        height, width = image.shape[-2:]
        padded = F.pad(image, (self.pixels,) * 4, mode="reflect")
        top, left = self.pixels - down, self.pixels - right
        return padded[..., top : top + height, left : left + width]


@TRANSFORMS.register("pad", example="transforms.Pad(4)")
@dataclass(frozen=True)
class Pad(Transform):
    """Put a frame of `pixels` around the image: both sides grow by 2 · pixels. Draws nothing.

    `mode` fills it with `value` ("constant"), the mirrored image ("reflect", pixels below the shorter side), the edge
    ("replicate") or the opposite side ("circular", pixels up to the shorter side).

    >>> Pad(1)(torch.ones(1, 1, 1, 1), torch.Generator())[0, 0].tolist()
    [[0.5, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 0.5]]
    """

    pixels: int = 12
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: float = 0.5

    def __post_init__(self) -> None:
        check_pixels("Pad", self.pixels)
        check_mode("Pad", self.mode, _MODES)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the image in its frame."""
        del generator
        if self.mode in ("reflect", "circular"):
            check_room("Pad", image, self.pixels, self.pixels - (self.mode == "circular"))
        value = self.value if self.mode == "constant" else None
        return F.pad(image, (self.pixels,) * 4, mode=self.mode, value=value)


@TRANSFORMS.register("trim", example="transforms.Trim(4)")
@dataclass(frozen=True)
class Trim(Transform):
    """Cut a frame of `pixels` off the image, the opposite of `Pad`: both sides shrink by 2 · pixels. Draws nothing.

    >>> Trim(1)(torch.eye(3)[None, None], torch.Generator()).tolist()
    [[[[1.0]]]]
    """

    pixels: int = 12

    def __post_init__(self) -> None:
        check_pixels("Trim", self.pixels)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the middle of the image."""
        del generator
        check_room("Trim", image, self.pixels, 2 * self.pixels)
        height, width = image.shape[-2:]
        return image[..., self.pixels : height - self.pixels, self.pixels : width - self.pixels]


@TRANSFORMS.register("flip", example="transforms.Flip()")
@dataclass(frozen=True)
class Flip(Transform):
    """Mirror the image left to right with probability `p`. Draws one number.

    >>> Flip(1.0)(torch.tensor([[[[1.0, 2.0]]]]), torch.Generator()).tolist()
    [[[[2.0, 1.0]]]]
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        check_numbers("Flip", "probability", (self.p,), 0, 1)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the image or its mirror image."""
        mirrored = float(torch.rand((), generator=generator, dtype=torch.float64)) < self.p
        return image.flip(-1) if mirrored else image


def _shift(generator: torch.Generator, pixels: int) -> tuple[int, int]:
    return draw_integer(generator, -pixels, pixels), draw_integer(generator, -pixels, pixels)
