"""What passes between the parts of a comparison: pictures with their units and seeds, and scores in long form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from vital.types import Images
from vital.units import Unit

REAL = "real images"
"""The control that all methods may lose to: natural images in the place of pictures."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures of one method: B pictures (B, C, H, W) in [0, 1], with the unit and the seed of each.

    `seconds` is what a picture took on the clock, on average, and `busy` of processor time; `memory` is the most that
    the tensors of one batch took at once, in MB; `steps` how many steps. Not a number, and 0, where nobody knows.
    `control` says that the row is none of the methods that are compared, but tells what the numbers are worth.
    """

    method: str
    units: tuple[Unit, ...]
    seeds: tuple[int, ...]
    images: Images = field(repr=False)
    seconds: float = math.nan
    busy: float = math.nan
    memory: float = math.nan
    steps: int = 0
    control: bool = False

    def of(self, unit: Unit) -> Images:
        """The pictures of one unit, in the order of their seeds: (S, C, H, W)."""
        return self.alone(unit).images

    def alone(self, unit: Unit) -> Shown:
        """The pictures of one unit alone, as pictures of the same method."""
        own = self._rows.get(unit, [])
        seeds = tuple(self.seeds[i] for i in own)
        return replace(self, units=(unit,) * len(own), seeds=seeds, images=self.images[own])

    @cached_property
    def _rows(self) -> dict[Unit, list[int]]:
        """The pictures of each unit."""
        found: dict[Unit, list[int]] = {}
        for row, unit in enumerate(self.units):
            found.setdefault(unit, []).append(row)
        return found

    def named(self, method: str, *, control: bool = True) -> Shown:
        """The same pictures under another name."""
        return replace(self, method=method, control=control)


@dataclass(frozen=True)
class Score:
    """One number: of a picture, of a unit (`seed` is None), or of a method (`unit` is empty too)."""

    method: str
    metric: str
    value: float
    unit: str = ""
    seed: int | None = None


def per_picture(shown: Shown, metric: str, values: Tensor | Sequence[float]) -> Iterable[Score]:
    """Scores of all pictures, in their order; what is not a number is left out."""
    found = values.tolist() if isinstance(values, Tensor) else values
    for unit, seed, value in zip(shown.units, shown.seeds, found, strict=True):
        if not math.isnan(value):
            yield Score(shown.method, metric, float(value), str(unit), seed)


def stacked(method: str, parts: Sequence[tuple[Unit, int, Tensor]], **facts: float) -> Shown:
    """Put single pictures (unit, seed, (C, H, W)) together, all of them at the size of the first.

    >>> stacked("a", [(Unit("fc", 0), 0, torch.ones(3, 4, 4)), (Unit("fc", 1), 0, torch.ones(3, 8, 8))]).images.shape
    torch.Size([2, 3, 4, 4])
    """
    size = tuple(parts[0][2].shape[1:])
    images = torch.cat([at_size(picture[None], size) for _, _, picture in parts])
    units, seeds = tuple(unit for unit, _, _ in parts), tuple(seed for _, seed, _ in parts)
    return Shown(method, units, seeds, images, **facts)  # type: ignore[arg-type]


def at_size(images: Images, size: tuple[int, ...]) -> Images:
    """Scale images (B, C, H, W) in [0, 1] to (height, width), bicubic with antialiasing; of that size they stay."""
    if tuple(images.shape[2:]) == tuple(size):
        return images
    how = {"mode": "bicubic", "antialias": True, "align_corners": False}
    return torch.nn.functional.interpolate(images, size, **how).clamp(0, 1)  # type: ignore[arg-type]


def squinted(images: Images) -> Images:
    """What is left of images when their sides are reduced to a quarter, antialiased, and enlarged again.

    >>> stripes = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 1, 32, 32)
    >>> bool((squinted(stripes) - 0.5).abs().max() < 0.1)
    True
    """
    small = tuple(max(1, round(side / 4)) for side in images.shape[2:])
    return at_size(at_size(images, small), tuple(images.shape[2:]))
