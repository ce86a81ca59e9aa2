"""What transforms share: the registry, and the draws of their random numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from vital.errors import InvalidValueError
from vital.types import Images, Transform
from vital.utils.parts import check_part_class
from vital.utils.registry import Registry

TRANSFORMS: Registry[type[Transform]] = Registry(
    "transform", group="vital.transforms", kind=Transform, check=check_part_class
)


def draw_integer(generator: torch.Generator, low: int, high: int) -> int:
    """Draw one of the whole numbers from `low` to `high`, both included.

    >>> draw_integer(torch.Generator().manual_seed(0), 3, 3)
    3
    """
    return int(torch.randint(low, high + 1, (), generator=generator))


def draw_number(generator: torch.Generator, low: float, high: float) -> float:
    """Draw a number from U(low, high).

    >>> draw_number(torch.Generator().manual_seed(0), 0.5, 0.5)
    0.5
    """
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def draw_factor(generator: torch.Generator, low: float, high: float, choices: Sequence[float]) -> float:
    """Draw one of the `choices`, where there are any, and otherwise from U(low, high)."""
    if choices:
        return choices[draw_integer(generator, 0, len(choices) - 1)]
    return draw_number(generator, low, high)


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


def check_room(transform: str, image: Images, pixels: int, per_side: int) -> None:
    """Raise `InvalidValueError` unless every side of the image is longer than `per_side` pixels."""
    height, width = image.shape[-2:]
    if min(height, width) <= per_side:
        raise InvalidValueError(
            f"{transform}({pixels}) needs sides above {per_side} pixels; the image is {height} x {width}"
        )
