"""Scenes as tensors: where everything stands, how it is turned, and where the light and the viewer are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.utils.random import generator
from vital.world.renderer import materials, solids
from vital.world.renderer.vectors import Vec, stack
from vital.world.scenes.grammar import Scene, Thing
from vital.world.scenes.vocabulary import (
    BACKGROUNDS,
    CAMERAS,
    COLORS,
    LIGHTS,
    MATERIALS,
    PLACES,
    SIZES,
    SOLIDS,
)

NONE = Thing()
ACCIDENTS = 16
DISTANCE, AIM, SPREAD = 5.4, 0.64, 0.32
"""How far away the viewer is, the height that is looked at, and the tangent of half the angle of view."""
BACK = -1.45
"""How far back the thing behind stands."""


@dataclass(frozen=True, eq=False)
class Rays:
    """Half-lines (M,): origin, way (length 1), and the number of the scene that each belongs to."""

    origin: Vec
    way: Vec
    scene: Tensor

    def at(self, index: Tensor) -> Rays:
        """Take some of the rays, by number."""
        return Rays(self.origin.at(index), self.way.at(index), self.scene.index_select(0, index))

    def point(self, distance: Tensor) -> Vec:
        """Go some way along each ray."""
        return self.origin + self.way * distance


@dataclass(frozen=True, eq=False)
class Bodies:
    """One thing of each scene (B,), or none: what it is made of, and where it is.

    `solid` and `material` are numbers in the tables, −1 where a scene has no such thing; `bound` is then negative.
    `cos` and `sin` belong to the angle by which the thing is turned about the vertical.
    """

    solid: Tensor
    material: Tensor
    color: Vec
    accent: Vec
    center: Vec
    radius: Tensor
    cos: Tensor
    sin: Tensor
    bound: Tensor
    offset: Tensor
    kinds: tuple[int, ...]

    def inward(self, rays: Rays) -> tuple[Vec, Vec, Tensor]:
        """Turn rays into the things' own coordinates: origin, way, and how long a unit is there."""
        scene = rays.scene
        scale = 1 / self.radius.index_select(0, scene)
        cos, sin = self.cos.index_select(0, scene), self.sin.index_select(0, scene)
        origin = turned((rays.origin - self.center.at(scene)) * scale, cos, sin)
        return origin, turned(rays.way, cos, sin), scale


@dataclass(frozen=True, eq=False)
class SceneTensors:
    """A batch of scenes, ready to be looked at; `kinds` of backgrounds present, by number."""

    bodies: tuple[Bodies, ...]
    background: Tensor
    light: Vec
    viewer: Vec
    aim: Vec
    drift: Tensor
    kinds: tuple[int, ...]


def by_kind(numbers: Tensor, kinds: Iterable[int]) -> Iterator[tuple[int, Tensor]]:
    """The kinds that some of the numbers (M,) are of, each with their places."""
    for kind in kinds:
        index = (numbers == kind).nonzero().view(-1)
        if len(index):
            yield kind, index


def turned(v: Vec, cos: Tensor, sin: Tensor) -> Vec:
    """Turn vectors about the vertical."""
    return Vec(v.x * cos - v.z * sin, v.y, v.x * sin + v.z * cos)


def accidents(scene: Scene) -> list[float]:
    """Draw what no caption says, as numbers in [−1, 1]; all are 0 for variation 0.

    >>> set(accidents(Scene()))
    {0.0}
    """
    if not scene.variation:
        return [0.0] * ACCIDENTS
    numbers = torch.rand(ACCIDENTS, generator=generator("scene", scene.variation), dtype=torch.float64)
    drawn: list[float] = (numbers * 2 - 1).tolist()
    return drawn


def build_scene_tensors(scenes: Sequence[Scene], device: torch.device) -> SceneTensors:
    """Set up scenes."""
    luck = [accidents(scene) for scene in scenes]
    slots = [_bodies([s.thing for s in scenes], [a[:5] for a in luck], 0.0, device)]
    if any(scene.behind for scene in scenes):
        slots.append(_bodies([s.behind for s in scenes], [a[5:10] for a in luck], BACK, device))
    numbers = [BACKGROUNDS.index(scene.background) for scene in scenes]
    viewers = [_viewer(s, a) for s, a in zip(scenes, luck, strict=True)]
    return SceneTensors(
        tuple(slots),
        torch.tensor(numbers, device=device),
        stack([_light(s, a) for s, a in zip(scenes, luck, strict=True)], device),
        stack(viewers, device),
        stack([(0.0, AIM, 0.0) for _ in scenes], device),
        torch.tensor([8 * a[10] for a in luck], dtype=torch.float32, device=device),
        tuple(sorted(set(numbers))),
    )


def _light(scene: Scene, luck: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = LIGHTS[scene.light]
    x, y, z = x + 0.12 * luck[11], y + 0.12 * luck[12], z + 0.12 * luck[13]
    length = math.hypot(x, y, z)
    return x / length, y / length, z / length


def _viewer(scene: Scene, luck: Sequence[float]) -> tuple[float, float, float]:
    up, side = math.radians(CAMERAS[scene.camera] + 2.5 * luck[14]), math.radians(4 * luck[15])
    flat = DISTANCE * math.cos(up)
    return flat * math.sin(side), AIM + DISTANCE * math.sin(up), flat * math.cos(side)


def _bodies(
    things: Sequence[Thing | None], luck: Sequence[Sequence[float]], depth: float, device: torch.device
) -> Bodies:
    some = [thing or NONE for thing in things]
    shapes = [solids.SHAPES[thing.solid] for thing in some]
    radii = [SIZES[t.size] * (1 + 0.06 * a[0]) for t, a in zip(some, luck, strict=True)]
    turns = [math.radians(s.turn + s.swing * a[1]) for s, a in zip(shapes, luck, strict=True)]
    centers = [
        (PLACES[t.place] * (1 - depth * 0.25) + 0.1 * a[2], s.rest * r, depth + 0.12 * a[3])
        for t, s, r, a in zip(some, shapes, radii, luck, strict=True)
    ]
    kinds = [SOLIDS.index(thing.solid) if thing else -1 for thing in things]
    surfaces = [MATERIALS.index(thing.material) if thing else -1 for thing in things]
    bounds = [shape.bound if kind >= 0 else -1.0 for shape, kind in zip(shapes, kinds, strict=True)]
    return Bodies(
        torch.tensor(kinds, device=device),
        torch.tensor(surfaces, device=device),
        stack([_linear(thing.colour) for thing in some], device),
        stack([_linear(thing.accent or thing.colour) for thing in some], device),
        stack(centers, device),
        _row(radii, device),
        _row([math.cos(turn) for turn in turns], device),
        _row([math.sin(turn) for turn in turns], device),
        _row(bounds, device),
        _row([a[4] for a in luck], device),
        tuple(sorted(set(kinds) - {-1})),
    )


def _row(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)


def _linear(color: str) -> tuple[float, float, float]:
    """A screen's color as light: the screen shows the square root."""
    red, green, blue = COLORS[color]
    return red * red, green * green, blue * blue


def skin(bodies: Bodies, place: Vec, scene: Tensor) -> materials.Skin:
    """Collect what a material needs to know of some points of the things."""
    return materials.Skin(
        place, bodies.color.at(scene), bodies.accent.at(scene), bodies.offset.index_select(0, scene)
    )
