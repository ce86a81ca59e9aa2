"""What transforms share: the registry, draws of random numbers, and checks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from vital.errors import InvalidValueError
from vital.types import Images, PerImage, Transform
from vital.utils.parts import check_part_class
from vital.utils.random import Random
from vital.utils.registry import Registry

TRANSFORMS: Registry[type[Transform]] = Registry(
    "transform", group="vital.transforms", kind=Transform, check=check_part_class
)


def draw_factors(random: Random, low: float, high: float, choices: Sequence[float], like: Images) -> PerImage:
    """Draw one of the `choices` for each image, where there are any, and otherwise from U(low, high).

    >>> import torch
    >>> draw_factors(Random([1, 2]), 0.5, 0.5, (), torch.zeros(2, 3, 4, 4))
    tensor([0.5000, 0.5000])
    """
    if choices:
        return random.choice(choices, dtype=like.dtype)
    return random.uniform(low, high, dtype=like.dtype)


def per_image(drawn: PerImage) -> Tensor:
    """Bring a number for each image, (B,), to (B, 1, 1, 1)."""
    return drawn[:, None, None, None]


def check_pixels(transform: str, pixels: int) -> None:
    """Raise `InvalidValueError` unless `pixels` is a whole number from 0."""
    if not isinstance(pixels, int) or pixels < 0:
        raise InvalidValueError(f"{transform} is given {pixels!r} pixels; allowed are whole numbers from 0")


def check_numbers(
    transform: str, what: str, values: Sequence[float], least: float, most: float = math.inf
) -> None:
    """Raise `InvalidValueError` unless all values are finite and lie between `least` and `most`."""
    if all(math.isfinite(value) and least <= value <= most for value in values):
        return
    given = ", ".join(f"{value:g}" for value in values)
    upto = f" to {most:g}" if math.isfinite(most) else ""
    raise InvalidValueError(
        f"{transform} is given the {what} {given}; allowed are numbers from {least:g}{upto}"
    )


def check_rising(transform: str, what: str, low: float, high: float) -> None:
    """Raise `InvalidValueError` unless low <= high."""
    if low > high:
        raise InvalidValueError(
            f"{transform} is given the {what} {low:g} to {high:g}; allowed is the lower one first"
        )


def check_mode(transform: str, mode: str, allowed: Sequence[str]) -> None:
    """Raise `InvalidValueError` unless `mode` is one of those allowed."""
    if mode not in allowed:
        raise InvalidValueError(f"{transform} is given the mode {mode!r}; allowed are {', '.join(allowed)}")


def check_room(transform: str, images: Images, pixels: int, per_side: int) -> None:
    """Raise `InvalidValueError` unless every side of the image is longer than `per_side` pixels."""
    height, width = images.shape[2:]
    if min(height, width) <= per_side:
        raise InvalidValueError(
            f"{transform}({pixels}) needs sides above {per_side} pixels; the image is {height} x {width}"
        )
