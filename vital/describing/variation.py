"""Whether a unit answers to images at all: of one that does not, nothing can be said, and nothing judged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from vital.activations.matrix import ActivationMatrix, build_matrix
from vital.describing.base import Context, probe_images
from vital.records import Description
from vital.units import Unit
from vital.utils.text import shortened

EVEN = 1e-6
"""Values that differ by no more than this share of the greatest are the same."""

REACH = 0.5
"""Images excite a unit where its value lies this share of the way from its median to its maximum, or above."""


def why_silent(values: Tensor) -> str:
    """Say why values (N,) of the images that labels are chosen on say nothing of a unit; "" where they do.

    >>> import torch
    >>> why_silent(torch.tensor([0.0, 0.0, 0.0, 2.0]))
    'a single one of the 4 images that labels are chosen on gives the unit another value than most'
    >>> why_silent(torch.tensor([0.0, 1.0, 0.0, 2.0]))
    ''
    """
    if not len(values):
        return "there is no image that labels are chosen on"
    if len(values) == 1:
        return "there is a single image that labels are chosen on"
    if not values.isfinite().all():
        return "the unit's values are not all finite"
    different = count_different(values)
    if different > 1:
        return ""
    images = f"the {len(values)} images that labels are chosen on"
    if not different:
        return f"the unit has the same value on all of {images}"
    return f"a single one of {images} gives the unit another value than most"


def count_different(values: Tensor) -> int:
    """Count the images that give a unit another value than the median image does."""
    return int(((values - values.median()).abs() > EVEN * values.abs().amax()).sum())


def is_excited(values: Tensor, part: Tensor) -> bool:
    """Whether a part of the images, (N,) bool, shows what excites a unit with these values: see `REACH`.

    >>> import torch
    >>> values, even = torch.tensor([9.0, 0.1, 8.0, 0.0, 0.0, 0.2]), torch.tensor([True, False] * 3)
    >>> is_excited(values, even), is_excited(values, ~even)
    (True, False)
    """
    middle = values.median()
    return bool((values[part] >= middle + REACH * (values.amax() - middle)).any())


def matrix_of(context: Context, units: Sequence[Unit], pool: str = "mean") -> ActivationMatrix:
    """The values of the layers of units on the probe images of a context."""
    images, seed = probe_images(context), context.split_seed
    return build_matrix(context.model, images, units, pool=pool, split_seed=seed, progress=context.progress)


def silent_units(context: Context, units: Sequence[Unit]) -> dict[Unit, str]:
    """Find the units of which nothing can be said, with the reason; none where there are no probe images."""
    if not units or (context.images is None and context.bank is None):
        return {}
    known = matrix_of(context, units)
    why = {unit: why_silent(known.of([unit])[known.choosing, 0]) for unit in dict.fromkeys(units)}
    return {unit: reason for unit, reason in why.items() if reason}


def silent(context: Context, unit: Unit, method: str, reason: str) -> Description:
    """Say nothing of a unit, and why."""
    return Description(unit, method, "", math.nan, seed=context.seed, model=context.model.name, reason=reason)


def silenced(context: Context, said: Sequence[Description]) -> list[Description]:
    """Take away what is said of units of which nothing can be said."""
    reasons = silent_units(context, [d.unit for d in said])
    return [
        replace(d, label="", candidate="", others=(), reason=reasons[d.unit]) if d.unit in reasons else d
        for d in said
    ]


def warn_of_halves(context: Context, units: Sequence[Unit]) -> None:
    """Warn of units that one half of the probe images excites and the other does not."""
    if not units or (context.images is None and context.bank is None):
        return
    known = matrix_of(context, units)
    dark: dict[str, list[str]] = {}
    for unit in dict.fromkeys(units):
        values = known.of([unit])[:, 0]
        if count_different(values):
            for part, told in ((known.choosing, "that labels are chosen on"), (~known.choosing, "held out")):
                if not is_excited(values, part):
                    dark.setdefault(f"the {int(part.sum())} images {told}", []).append(unit.title)
    for half, names in dark.items():
        warnings.warn(
            f"none of {half} shows what excites {shortened(names)}; give more images, or another split_seed",
            stacklevel=3,
        )
