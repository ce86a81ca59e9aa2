"""What is seen along a ray: things, ground and sky, and the light on them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vital.world.renderer import backgrounds, materials, solids
from vital.world.renderer.march import FAR, beyond, hollow, lit, meet
from vital.world.renderer.noise import flat_noise
from vital.world.renderer.scene_tensors import Bodies, Rays, SceneTensors, by_kind, skin, turned
from vital.world.renderer.surface import Spot, clear_look, highlight, solid_look
from vital.world.renderer.vectors import Vec, black, constant, ramp
from vital.world.scenes.vocabulary import MATERIALS

CLEAR = tuple(i for i, name in enumerate(MATERIALS) if materials.LOOKS[name].clear)


def radiance(tensors: SceneTensors, rays: Rays, mirrored: bool = False) -> Vec:
    """Find the color of the light that comes back along each ray; `mirrored` rays are not mirrored again."""
    distances = [meet(bodies, rays) for bodies in tensors.bodies]
    nearest = torch.full_like(rays.way.x, FAR)
    for distance in distances:
        nearest = torch.minimum(nearest, distance)
    seen = black(nearest)
    hit = nearest < FAR
    for slot, distance in enumerate(distances):
        index = (hit & (distance == nearest)).nonzero().view(-1)
        if len(index):
            seen.put(index, _thing(tensors, slot, rays.at(index), distance.index_select(0, index)))
    index = (~hit).nonzero().view(-1)
    seen.put(index, _around(tensors, rays.at(index), mirrors=not mirrored))
    return seen


def _around(tensors: SceneTensors, rays: Rays, *, mirrors: bool) -> Vec:
    """See the ground or the sky."""
    seen = black(rays.way.x)
    number = tensors.background.index_select(0, rays.scene)
    for kind, index in by_kind(number, tensors.kinds):
        seen.put(index, _place(tensors, backgrounds.BY_NUMBER[kind], rays.at(index), mirrors))
    return seen


def _place(tensors: SceneTensors, place: backgrounds.Background, rays: Rays, mirrors: bool) -> Vec:
    distance = torch.where(rays.way.y < -1e-4, rays.origin.y / -rays.way.y.clamp(max=-1e-4), FAR)
    upright = torch.zeros_like(distance)
    if place.wall:
        back = torch.where(
            rays.way.z < -1e-4, (place.wall - rays.origin.z) / rays.way.z.clamp(max=-1e-4), FAR
        )
        upright = (back < distance).to(distance.dtype)
        distance = torch.minimum(distance, back)
    drift = tensors.drift.index_select(0, rays.scene)
    seen = place.sky(rays.way, drift)
    index = (distance < 60).nonzero().view(-1)
    if len(index):
        part, far = rays.at(index), distance.index_select(0, index)
        ground = _ground(tensors, place, part, far, upright.index_select(0, index), mirrors)
        haze = constant(place.haze, far)
        seen.put(index, ground.mix(haze, ramp(9, 55, far)))
    return seen


def _ground(
    tensors: SceneTensors,
    place: backgrounds.Background,
    rays: Rays,
    far: Tensor,
    upright: Tensor,
    mirrors: bool,
) -> Vec:
    point = rays.point(far)
    light = tensors.light.at(rays.scene)
    openness, sun = torch.ones_like(far), light.y + (light.z - light.y) * upright
    shaded = Rays(point, light, rays.scene)
    for bodies in tensors.bodies:
        sun = sun * lit(bodies, shaded, _clear(bodies))
        openness = openness * hollow(bodies, shaded)
    brightness = constant(place.above, far) * (openness * 0.9) + constant(place.sun, far) * sun
    color = place.ground(point, tensors.drift.index_select(0, rays.scene)) * brightness
    return _water(tensors, place, rays, point, color, mirrors) if place.waves else color


def _water(
    tensors: SceneTensors, place: backgrounds.Background, rays: Rays, point: Vec, color: Vec, mirrors: bool
) -> Vec:
    """Lay over the ground what waves mirror of the sky, of the things, and of the sun."""
    drift = tensors.drift.index_select(0, rays.scene)
    x, z = point.x + drift, point.z
    tilt_x = flat_noise(x * 2.6, z * 4.6, 18) + flat_noise(x * 6.1, z * 9.7, 19) * 0.5 - 0.75
    tilt_z = flat_noise(x * 2.6 + 9, z * 4.6, 20) + flat_noise(x * 6.1, z * 9.7 + 5, 21) * 0.5 - 0.75
    normal = Vec(tilt_x * 0.09, torch.ones_like(x), tilt_z * 0.16).unit()
    back = rays.way.reflect(normal)
    back = replace(back, y=back.y.abs())
    mirrored = Rays(point, back, rays.scene)
    seen = radiance(tensors, mirrored, mirrored=True) if mirrors else place.sky(back, drift)
    grazing = 1 - (-rays.way.dot(normal)).clamp(0, 1)
    share = 0.10 + 0.90 * grazing * grazing * grazing * grazing
    glint = highlight(tensors.light.at(rays.scene), rays.way, normal, 6) * 0.9
    return color.mix(seen, share * place.waves) + constant(place.sun, glint) * glint


def _clear(bodies: Bodies) -> Tensor:
    clear = torch.zeros_like(bodies.material, dtype=torch.bool)
    for number in CLEAR:
        clear |= bodies.material == number
    return clear


def _thing(tensors: SceneTensors, slot: int, rays: Rays, distance: Tensor) -> Vec:
    """See a thing: its color, in its light."""
    bodies = tensors.bodies[slot]
    spot = _spot(tensors, slot, rays, distance)
    seen = black(distance)
    material = bodies.material.index_select(0, rays.scene)
    for number, index in by_kind(material, range(len(MATERIALS))):
        part, look = spot.at(index), materials.BY_NUMBER[number]
        paint = look.paint(skin(bodies, part.place, part.rays.scene))
        if look.clear:
            leaving, thick = beyond(bodies, part.rays, part.place, part.normal, part.point)
            others = replace(tensors, bodies=tensors.bodies[:slot] + tensors.bodies[slot + 1 :])
            behind = radiance(others, leaving, mirrored=True)
            seen.put(index, clear_look(tensors, look, part, paint, behind, thick))
        else:
            seen.put(index, solid_look(tensors, look, part, paint))
    return seen


def _spot(tensors: SceneTensors, slot: int, rays: Rays, distance: Tensor) -> Spot:
    bodies = tensors.bodies[slot]
    origin, way, scale = bodies.inward(rays)
    place, point = origin + way * (distance * scale), rays.point(distance)
    normal = _normal(bodies, place, rays.scene)
    towards_light = Rays(point + normal * 0.012, tensors.light.at(rays.scene), rays.scene)
    return Spot(rays, place, point, normal, _sun(tensors, slot, towards_light, normal))


def _normal(bodies: Bodies, place: Vec, scene: Tensor) -> Vec:
    """Find the direction away from the surface, in the world's coordinates."""
    found = black(place.x)
    solid = bodies.solid.index_select(0, scene)
    for number, index in by_kind(solid, bodies.kinds):
        found.put(index, solids.normal(solids.BY_NUMBER[number], place.at(index)))
    cos, sin = bodies.cos.index_select(0, scene), bodies.sin.index_select(0, scene)
    return turned(found, cos, -sin)


def _sun(tensors: SceneTensors, slot: int, rays: Rays, normal: Vec) -> Tensor:
    """Measure the sun's light on a thing: by its angle, and less what stands in the way."""
    facing = normal.dot(rays.way).clamp(min=0)
    bright = facing > 0
    hollow_ones = torch.tensor([not s.convex for s in solids.BY_NUMBER], device=facing.device)
    for other, blocking in enumerate(tensors.bodies):
        shaded = bright
        if other == slot:
            shaded = bright & hollow_ones[tensors.bodies[slot].solid].index_select(0, rays.scene)
        index = shaded.nonzero().view(-1)
        if len(index):
            share = lit(blocking, rays.at(index), _clear(blocking))
            facing = facing.index_copy(0, index, facing.index_select(0, index) * share)
    return facing
