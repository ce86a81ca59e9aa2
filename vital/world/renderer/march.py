"""Ray marching: walk along a ray by the distance to the surface until there is none left.

Rays that cannot meet a thing's bounding sphere are left out, and those that have arrived, or have gone past, are
dropped on the way. What happens to a ray never depends on the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vital.world.renderer import solids
from vital.world.renderer.scene_tensors import Bodies, Rays, by_kind, turned
from vital.world.renderer.vectors import Vec, ramp

ROUNDS, STEPS, NEAR = 9, 4, 1.5e-3
SHADOW_STEPS, SOFTNESS, PENUMBRA = 14, 7.0, 0.25
GLASS_STEPS, GLASS = 24, 1.3
FAR = 1e6


def meet(bodies: Bodies, rays: Rays) -> Tensor:
    """Measure how far along each ray its scene's thing is met: (M,), `FAR` where it is not."""
    distance = torch.full_like(rays.way.x, FAR)
    for number, index in _candidates(bodies, rays, 0.0):
        origin, way, scale = bodies.inward(rays.at(index))
        solid = solids.BY_NUMBER[number]
        start, end = _span(origin, way, solid.bound)
        found = _walk(solid, origin, way, start.clamp(min=0), end)
        distance.index_copy_(0, index, torch.where(found < FAR, found / scale, found))
    return distance


def _candidates(bodies: Bodies, rays: Rays, spare: float) -> list[tuple[int, Tensor]]:
    """List for each kind of solid the rays that pass its bounding sphere, widened by `spare`."""
    center, scene = bodies.center.at(rays.scene), rays.scene
    bound = ((bodies.bound + spare).clamp(min=0) * bodies.radius).index_select(0, scene)
    towards = center - rays.origin
    along = towards.dot(rays.way)
    aside = towards.dot(towards) - along * along
    passes = (aside < bound * bound) & (along > -bound)
    index = passes.nonzero().view(-1)
    solid = bodies.solid.index_select(0, scene.index_select(0, index))
    if len(bodies.kinds) == 1:
        index, solid = index[solid >= 0], solid[solid >= 0]
        return [(bodies.kinds[0], index)] if len(index) else []
    return [(number, index[own]) for number, own in by_kind(solid, bodies.kinds)]


def _span(origin: Vec, way: Vec, bound: float) -> tuple[Tensor, Tensor]:
    """Find where rays enter and leave the sphere around the origin."""
    middle = -origin.dot(way)
    half = (middle * middle - origin.dot(origin) + bound * bound).clamp(min=0).sqrt()
    return middle - half, middle + half


def _walk(solid: solids.Solid, origin: Vec, way: Vec, start: Tensor, end: Tensor) -> Tensor:
    found = torch.full_like(start, FAR)
    index = torch.arange(len(start), device=start.device)
    t, left = start, start
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            left = solid.distance(origin + way * t)
            t = t + left
        arrived = left < NEAR
        found.index_copy_(0, index[arrived], t[arrived])
        going = (~arrived & (t < end)).nonzero().view(-1)
        index, t, left, end = (part.index_select(0, going) for part in (index, t, left, end))
        origin, way = origin.at(going), way.at(going)
        if not len(index):
            break
    close = left < 6 * NEAR
    found.index_copy_(0, index[close], t[close])
    return found


def lit(bodies: Bodies, rays: Rays, clear: Tensor) -> Tensor:
    """Measure how much light comes along each ray past its scene's thing: (M,), from 0 in full shadow to 1.

    The shadow of a thing is soft in proportion to how closely the ray passes: min over the way of k · distance / way.
    Where `clear` (B,) is true the thing lets half of the light through.
    """
    light = torch.ones_like(rays.way.x)
    for number, index in _candidates(bodies, rays, PENUMBRA):
        part = rays.at(index)
        origin, way, _ = bodies.inward(part)
        share = _closest(solids.BY_NUMBER[number], origin, way)
        through = torch.where(clear.index_select(0, part.scene), 0.55, 0.0)
        light.index_copy_(0, index, through + (1 - through) * share)
    return light


def _closest(solid: solids.Solid, origin: Vec, way: Vec) -> Tensor:
    start, end = _span(origin, way, solid.bound + PENUMBRA)
    t = start.clamp(min=0.02)
    share = torch.ones_like(t)
    for _ in range(SHADOW_STEPS):
        left = solid.distance(origin + way * t)
        inside = t < end
        share = torch.where(inside, torch.minimum(share, left * SOFTNESS / (t + 0.15)), share)
        t = t + left.clamp(0.03, 0.30)
    return ramp(0.0, 1.0, share)


def hollow(bodies: Bodies, rays: Rays) -> Tensor:
    """Measure how open the place at each ray's origin is, given its scene's thing: (M,), 1 far away from it.

    This stands in for the light from all around that a thing keeps off what it stands on.
    """
    openness = torch.ones_like(rays.way.x)
    near = (rays.origin - bodies.center.at(rays.scene)).length()
    reach = (bodies.radius * (bodies.bound.clamp(min=0) + 0.9)).index_select(0, rays.scene)
    close = ((near < reach) & (bodies.solid >= 0).index_select(0, rays.scene)).nonzero().view(-1)
    solid = bodies.solid.index_select(0, rays.scene.index_select(0, close))
    for number, own in by_kind(solid, bodies.kinds):
        index = close[own]
        origin, _, _ = bodies.inward(rays.at(index))
        gap = solids.BY_NUMBER[number].distance(origin).clamp(min=0)
        openness.index_copy_(0, index, 0.38 + 0.62 * ramp(-0.25, 0.75, gap))
    return openness


def beyond(bodies: Bodies, rays: Rays, place: Vec, normal: Vec, point: Vec) -> tuple[Rays, Tensor]:
    """Follow rays that met glass to its other side: the rays that leave it, and how far they went inside.

    `place` is where they entered in the thing's coordinates, `point` the same in the world's, `normal` the world's.
    """
    scene = rays.scene
    cos, sin = bodies.cos.index_select(0, scene), bodies.sin.index_select(0, scene)
    outward = turned(normal, cos, sin)
    inside = turned(rays.way, cos, sin).refract(outward, 1 / GLASS)
    exit_place, leaving = place.map(torch.clone), inside.map(torch.clone)
    solid = bodies.solid.index_select(0, scene)
    for number, index in by_kind(solid, bodies.kinds):
        start = place.at(index) - outward.at(index) * 0.01
        p, way = _cross(solids.BY_NUMBER[number], start, inside.at(index))
        exit_place.put(index, p)
        leaving.put(index, way)
    moved = exit_place - place
    radius = bodies.radius.index_select(0, scene)
    out = Rays(point + turned(moved, cos, -sin) * radius, turned(leaving, cos, -sin), scene)
    return out, moved.length() * radius


def _cross(solid: solids.Solid, place: Vec, way: Vec) -> tuple[Vec, Vec]:
    """Walk to the far side, and bend there."""
    for _ in range(GLASS_STEPS):
        place = place + way * (-solid.distance(place)).clamp(min=0)
    return place, way.refract(solids.normal(solid, place) * -1.0, GLASS)
