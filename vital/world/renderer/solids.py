"""The solids as signed distance functions: how far a point is from the surface, negative inside.

Each is centered near the origin and about one unit in radius. A function may understate the distance (ray marching
stays safe) and never overstates it. The formulas are elementary; Inigo Quilez's "Distance functions" collects them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.world.renderer.vectors import Vec, black
from vital.world.scenes.vocabulary import SOLIDS


@dataclass(frozen=True)
class Solid:
    """A shape: its distance function and where it stands.

    `bound` is the radius around the origin that holds it, `rest` how far its lowest point lies below the origin,
    `turn` and `swing` how far it is turned about the vertical in degrees, and by how much that varies; a `convex`
    solid never shades itself.
    """

    distance: Callable[[Vec], Tensor]
    bound: float
    rest: float
    turn: float
    swing: float
    convex: bool = True


def _hypot(a: Tensor, b: Tensor) -> Tensor:
    return (a * a + b * b).sqrt()


def _corner(a: Tensor, b: Tensor) -> Tensor:
    """Distance to a right-angled corner, of which a and b are the distances to the two sides."""
    return _hypot(a.clamp(min=0), b.clamp(min=0)) + torch.maximum(a, b).clamp(max=0)


def _cube(p: Vec) -> Tensor:
    q = p.map(lambda part: part.abs() - 0.62)
    outside = q.map(lambda part: part.clamp(min=0)).length()
    return outside + torch.maximum(q.x, torch.maximum(q.y, q.z)).clamp(max=0) - 0.06


def _sphere(p: Vec) -> Tensor:
    return p.length() - 0.86


def _cylinder(p: Vec) -> Tensor:
    return _corner(_hypot(p.x, p.z) - 0.52, p.y.abs() - 0.76) - 0.05


def _cone(p: Vec) -> Tensor:
    height, radius = 1.66, 0.84
    slope = math.hypot(height, radius)
    side = _hypot(p.x, p.z) * (height / slope) + (p.y - height / 2) * (radius / slope)
    return torch.maximum(side, -p.y - height / 2) - 0.03


def _pyramid(p: Vec) -> Tensor:
    height, half = 1.5, 0.86
    slope = math.hypot(height, half)
    side = torch.maximum(p.x.abs(), p.z.abs()) * (height / slope) + (p.y - height / 2) * (half / slope)
    return torch.maximum(side, -p.y - height / 2) - 0.02


def _torus(p: Vec) -> Tensor:
    return _hypot(_hypot(p.x, p.y) - 0.62, p.z) - 0.27


def _capsule(p: Vec) -> Tensor:
    x = p.x - p.x.clamp(-0.56, 0.56)
    return (x * x + p.y * p.y + p.z * p.z).sqrt() - 0.46


def _star(p: Vec) -> Tensor:
    """A five-pointed prism: fold the plane onto one half of one point, then measure to its edge."""
    radius, waist, half = 0.96, 0.47, 0.24
    x, y = p.x.abs(), p.y
    for angle in (36.0, -36.0):  # mirror at the lines through the waists
        nx, ny = math.cos(math.radians(angle)), -math.sin(math.radians(abs(angle)))
        nx = nx if angle > 0 else -nx
        over = (x * nx + y * ny).clamp(min=0) * 2
        x, y = x - over * nx, y - over * ny
    x, y = x.abs(), y - radius
    # The edge runs from the tip (0, 0) to the waist, 36 degrees on.
    ex, ey = waist * math.sin(math.radians(36)), waist * math.cos(math.radians(36)) - radius
    along = ((x * ex + y * ey) * (1 / (ex * ex + ey * ey))).clamp(0, 1)
    away = _hypot(x - along * ex, y - along * ey)
    flat = torch.where(y * ex - x * ey > 0, away, -away)
    return _corner(flat, p.z.abs() - half) - 0.04


SHAPES: dict[str, Solid] = {
    "cube": Solid(_cube, 1.14, 0.68, 28.0, 14.0),
    "sphere": Solid(_sphere, 0.86, 0.86, 33.0, 180.0),
    "cylinder": Solid(_cylinder, 0.99, 0.81, 0.0, 180.0),
    "cone": Solid(_cone, 1.24, 0.86, 0.0, 180.0),
    "pyramid": Solid(_pyramid, 1.48, 0.77, 26.0, 16.0),
    "torus": Solid(_torus, 0.89, 0.89, 22.0, 18.0, convex=False),
    "capsule": Solid(_capsule, 1.02, 0.46, 18.0, 24.0),
    "star": Solid(_star, 1.05, 0.83, 12.0, 22.0, convex=False),
}
"""Every solid by name."""

BY_NUMBER = tuple(SHAPES[name] for name in SOLIDS)
"""The same, in the order of `tables.SOLIDS`."""


def normal(solid: Solid, p: Vec) -> Vec:
    """Find the direction away from the surface, by differences over the corners of a small tetrahedron."""
    step = 1.5e-3
    found = black(p.x)
    for sx, sy, sz in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        d = solid.distance(Vec(p.x + sx * step, p.y + sy * step, p.z + sz * step))
        found += Vec(d * sx, d * sy, d * sz)
    return found.unit()
