"""The light that surfaces send to the viewer, by what they are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.world.renderer import backgrounds
from vital.world.renderer.materials import Material
from vital.world.renderer.scene_tensors import Rays, SceneTensors
from vital.world.renderer.vectors import Vec, constant, ramp


@dataclass(frozen=True, eq=False)
class Spot:
    """Where rays meet things.

    `place` is in the thing's own coordinates, `point` and `normal` in the world's; `sun` is the share of the
    sun's light that falls there.
    """

    rays: Rays
    place: Vec
    point: Vec
    normal: Vec
    sun: Tensor

    def at(self, index: Tensor) -> Spot:
        """Take some of them, by number."""
        rays, sun = self.rays.at(index), self.sun.index_select(0, index)
        return Spot(rays, self.place.at(index), self.point.at(index), self.normal.at(index), sun)

    def grazing(self) -> Tensor:
        """Tell how flat the look is: 0 straight on, 1 along the surface."""
        return 1 - (-self.rays.way.dot(self.normal)).clamp(0, 1)


def solid_look(tensors: SceneTensors, look: Material, spot: Spot, paint: Vec) -> Vec:
    """Light what is not clear: all around, by the sun, with a highlight; metal mirrors a studio in its tint."""
    light, normal = tensors.light.at(spot.rays.scene), spot.normal
    sun, above, below = mood(tensors, spot.rays.scene)
    contact = 0.45 + 0.55 * ramp(-0.1, 0.6, spot.point.y + normal.y.clamp(min=0) * 0.5)
    ambient = below.mix(above, normal.y * 0.5 + 0.5) * contact
    glint = sun * (highlight(light, spot.rays.way, normal, 5) * ramp(0.0, 0.1, spot.sun) * look.shine)
    rim = spot.grazing()
    rim = rim * rim * rim
    if not look.mirror:
        return paint * (ambient + sun * spot.sun) + glint + above * (rim * 0.12)
    # The studio is small: what a flat side mirrors of it changes from place to place.
    shine = _studio((spot.rays.way.reflect(normal) + spot.place * 0.55).unit(), light)
    tinted = paint * (shine * 0.90 + ambient * 0.20 + sun * (spot.sun * 0.15))
    return tinted + glint * paint.map(lambda part: part * 0.6 + 0.4) + shine * (rim * 0.2)


def clear_look(
    tensors: SceneTensors, look: Material, spot: Spot, tint: Vec, behind: Vec, thick: Tensor
) -> Vec:
    """Tint what is seen through glass by how thick it is there, and add a glow, a highlight and a bright rim."""
    sun, above, _ = mood(tensors, spot.rays.scene)
    clear = constant((1.0, 1.0, 1.0), thick).mix(tint, thick / (thick + 0.11))
    glow = tint * (above * 0.28 + sun * (0.10 + 0.10 * spot.sun))
    rim = spot.grazing()
    glint = highlight(tensors.light.at(spot.rays.scene), spot.rays.way, spot.normal, 7) * look.shine
    return behind * clear * 0.92 + glow + above * (rim * rim * rim * 1.1) + sun * glint


def _studio(way: Vec, light: Vec) -> Vec:
    """What metal mirrors: a bright sky, a dark horizon and a lit floor, and a lamp where the light comes from."""
    up = way.y
    low, high = constant((0.42, 0.44, 0.48), up), constant((1.36, 1.38, 1.44), up)
    dark, near = constant((0.03, 0.03, 0.04), up), constant((0.75, 0.73, 0.70), up)
    sky, floor = low.mix(high, ramp(0.05, 0.55, up)), dark.mix(near, ramp(-0.15, -0.8, up))
    lamp = ramp(0.55, 0.95, way.dot(light))
    return floor.mix(sky, ramp(-0.03, 0.05, up)) + constant((1.1, 1.05, 1.0), lamp) * lamp


def mood(tensors: SceneTensors, scene: Tensor) -> tuple[Vec, Vec, Vec]:
    """The colors of the sun, and of the light from above and from below, where each ray's scene is."""
    table = torch.tensor([(*b.sun, *b.above, *b.below) for b in backgrounds.BY_NUMBER], device=scene.device)
    rows = table.index_select(0, tensors.background).index_select(0, scene)
    columns = [rows[:, i].contiguous() for i in range(9)]
    return Vec(*columns[:3]), Vec(*columns[3:6]), Vec(*columns[6:])


def highlight(light: Vec, way: Vec, normal: Vec, sharpness: int) -> Tensor:
    """The mirror image of the lamp, spread by a rough surface: (n · h)^(2^sharpness), h half-way to the viewer."""
    shine = normal.dot((light - way).unit()).clamp(min=0)
    for _ in range(sharpness):
        shine = shine * shine
    return shine
