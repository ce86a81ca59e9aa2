"""Which images stand for a unit, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.units import Unit
from vital.utils.random import generator


@dataclass(frozen=True)
class References:
    """Reference images by index, their weights, which add up to 1, and in words how they were chosen."""

    indices: tuple[int, ...]
    weights: tuple[float, ...]
    note: str


def readout_name(unit: Unit) -> str:
    """The name under which a bank ranks images for a unit: its layer, and which tokens are read.

    >>> readout_name(Unit.parse("blocks.3:7#cls"))
    'blocks.3#cls'
    """
    return unit.layer + (f"#{unit.tokens}" if unit.tokens else "")


def margin_weights(indices: Sequence[int], values: Tensor, rest: Tensor, what: str = "images") -> References:
    """Weigh images with what their values have over the next image's, or over the last one's where there is none.

    >>> margin_weights([4, 7], torch.tensor([5.0, 3.0]), torch.tensor([2.0])).weights
    (0.75, 0.25)
    """
    over = values.double() - (rest if len(rest) else values[-1:]).double()
    weights = over / over.sum() if over.sum() > 0 else torch.full_like(over, 1 / max(1, len(over)))
    note = _strongest(len(indices), what)
    if len(indices) > 1:
        note += ", weighted by what they have over the next"
    return References(tuple(indices), tuple(weights.tolist()), note)


def uniform_weights(indices: Sequence[int], what: str = "images") -> References:
    """Give images with the highest values the same weight.

    >>> uniform_weights([4, 7]).weights
    (0.5, 0.5)
    """
    weights = (1 / max(1, len(indices)),) * len(indices)
    return References(tuple(indices), weights, _strongest(len(indices), what))


def _strongest(count: int, what: str) -> str:
    """Say in words which images or patches were chosen.

    >>> _strongest(1, "patches")
    'the patch with the highest value of the unit'
    """
    one = {"images": "image", "patches": "patch"}.get(what, what)
    return f"the {one if count == 1 else f'{count} {what}'} with the highest value of the unit"


def sample_class(members: Sequence[int], count: int, seed: int, unit: Unit) -> References:
    """Draw up to `count` of the images of a class, all of the same weight."""
    order = torch.randperm(len(members), generator=generator(seed, "references", unit))
    found = tuple(sorted(members[int(i)] for i in order[:count]))
    note = f"{len(found)} of the {len(members)} images of the class, drawn with seed {seed}"
    return References(found, (1 / len(found),) * len(found), note)


def check_count(count: int) -> None:
    """Raise `InvalidValueError` for fewer images than one."""
    if count < 1:
        raise InvalidValueError(f"{count} reference images are asked for; allowed are whole numbers from 1")
