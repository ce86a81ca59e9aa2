"""Smooth random patterns: lattices of random numbers, interpolated."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from vital.utils.random import generator
from vital.world.renderer.vectors import Vec

SIDE = 32


@lru_cache(maxsize=4)
def _lattice(device: str) -> Tensor:
    values = torch.rand(SIDE**3, generator=generator("world", "noise"))
    return values.to(device)


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split into the cell, and the smoothed way through it."""
    cell = x.floor()
    t = x - cell
    return cell.to(torch.int64), t * t * (3 - 2 * t)


def flat_noise(x: Tensor, y: Tensor, layer: int = 0) -> Tensor:
    """Look up a smooth random function of the plane, in [0, 1], one bump a unit; `layer` numbers different ones.

    >>> bool((flat_noise(torch.zeros(1), torch.zeros(1)) == flat_noise(torch.tensor([32.0]), torch.zeros(1))).all())
    True
    """
    lattice = _lattice(str(x.device))
    (i, s), (j, t) = _split(x), _split(y)
    low, high = (j & 31) * SIDE, ((j + 1) & 31) * SIDE
    left, right = (i & 31) + layer % SIDE * SIDE**2, ((i + 1) & 31) + layer % SIDE * SIDE**2
    a, b, c, d = (lattice[n] for n in (left + low, right + low, left + high, right + high))
    near, far = a + (b - a) * s, c + (d - c) * s
    return near + (far - near) * t


def noise(p: Vec) -> Tensor:
    """Look up a smooth random function of space, in [0, 1], one bump a unit."""
    lattice = _lattice(str(p.x.device))
    (i, s), (j, t), (k, u) = _split(p.x), _split(p.y), _split(p.z)
    columns, rows = (i & 31, (i + 1) & 31), ((j & 31) * SIDE, ((j + 1) & 31) * SIDE)
    planes = []
    for layer in ((k & 31) * SIDE**2, ((k + 1) & 31) * SIDE**2):
        a, b, c, d = (lattice[column + row + layer] for row in rows for column in columns)
        near, far = a + (b - a) * s, c + (d - c) * s
        planes.append(near + (far - near) * t)
    return planes[0] + (planes[1] - planes[0]) * u


def layered(p: Vec) -> Tensor:
    """Sum three octaves of `noise`, in [0, 1]."""
    return noise(p) * 0.57 + noise(p * 2.03) * 0.29 + noise(p * 4.1) * 0.14


def flat_layered(x: Tensor, y: Tensor, layer: int = 0) -> Tensor:
    """Sum three octaves of `flat_noise`, in [0, 1]."""
    coarse, middle = flat_noise(x, y, layer), flat_noise(x * 2.03, y * 2.03, layer + 1)
    return coarse * 0.57 + middle * 0.29 + flat_noise(x * 4.1, y * 4.1, layer + 2) * 0.14
