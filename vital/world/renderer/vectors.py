"""Vectors in space, and colors: three tensors of one shape that go together.

Kept apart rather than stacked, so that every sum is written out: no reduction, whose order could depend on a tensor's
shape, ever decides what a pixel looks like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Number: TypeAlias = Tensor | float


@dataclass(frozen=True, eq=False)
class Vec:
    """A batch of vectors, or of colors (red, green, blue).

    >>> v = Vec(*torch.tensor([[3.0], [0.0], [4.0]]))
    >>> v.length().item(), (v * 2).z.item(), v.dot(v).item()
    (5.0, 8.0, 25.0)
    """

    x: Tensor
    y: Tensor
    z: Tensor

    def __add__(self, other: Vec) -> Vec:
        return Vec(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Vec) -> Vec:
        return Vec(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, other: Vec | Number) -> Vec:
        if isinstance(other, Vec):
            return Vec(self.x * other.x, self.y * other.y, self.z * other.z)
        return Vec(self.x * other, self.y * other, self.z * other)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three tensors."""
        return self.x, self.y, self.z

    def dot(self, other: Vec) -> Tensor:
        """Sum the products of the parts."""
        return self.x * other.x + self.y * other.y + self.z * other.z

    def length(self) -> Tensor:
        """Take the Euclidean length."""
        return self.dot(self).sqrt()

    def unit(self) -> Vec:
        """Scale to length 1."""
        return self * (1 / (self.length() + 1e-9))

    def mix(self, other: Vec, share: Number) -> Vec:
        """Go from here (share 0) to `other` (share 1)."""
        return self + (other - self) * share

    def reflect(self, normal: Vec) -> Vec:
        """Mirror at a surface."""
        return self - normal * (2 * self.dot(normal))

    def refract(self, normal: Vec, ratio: float) -> Vec:
        """Bend at a surface that faces the way, by Snell's law; go straight on where all light would be mirrored."""
        towards = -self.dot(normal)
        rest = 1 - ratio * ratio * (1 - towards * towards)
        bent = self * ratio + normal * (towards * ratio - rest.clamp(min=0).sqrt())
        return self.mix(bent, (rest > 0).to(rest.dtype))

    def map(self, change: Callable[[Tensor], Tensor]) -> Vec:
        """Apply a function to each part."""
        return Vec(change(self.x), change(self.y), change(self.z))

    def at(self, index: Tensor) -> Vec:
        """Take some of the vectors, by number."""
        return self.map(lambda part: part.index_select(0, index))

    def put(self, index: Tensor, values: Vec) -> None:
        """Write vectors to some of the places, in place."""
        for own, new in zip(self.parts, values.parts, strict=True):
            own.index_copy_(0, index, new)


def stack(rows: list[tuple[float, float, float]], device: torch.device) -> Vec:
    """Make vectors (B,) of B rows.

    >>> stack([(1.0, 2.0, 3.0)], torch.device("cpu")).y
    tensor([2.])
    """
    table = torch.tensor(rows, dtype=torch.float32, device=device)
    return Vec(*(table[:, i].contiguous() for i in range(3)))


def constant(values: tuple[float, float, float], like: Tensor) -> Vec:
    """Repeat one vector, without copies, to the shape of `like`."""
    return Vec(*(torch.full((), v, dtype=like.dtype, device=like.device).expand_as(like) for v in values))


def black(like: Tensor) -> Vec:
    """Make vectors of zeros, to be written to."""
    return Vec(torch.zeros_like(like), torch.zeros_like(like), torch.zeros_like(like))


def fraction(x: Tensor) -> Tensor:
    """Take what lies above the whole number below, from 0 to 1."""
    return x - x.floor()


def ramp(low: float, high: float, value: Tensor) -> Tensor:
    """Go smoothly from 0 (at `low` and below) to 1 (at `high` and above); `low` may be the larger one.

    >>> ramp(0, 2, torch.tensor([-1.0, 1.0, 3.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    t = ((value - low) * (1 / (high - low))).clamp(0, 1)
    return t * t * (3 - 2 * t)
