"""What surfaces look like: color from the place in the object, and how they take the light.

All colors here are linear light, not screen values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.world.renderer.noise import layered, noise
from vital.world.renderer.vectors import Vec, constant, fraction, ramp
from vital.world.scenes.vocabulary import MATERIALS


@dataclass(frozen=True)
class Skin:
    """Points on things: the place in the thing's own coordinates, and the thing's two colors.

    `offset` moves the grain from thing to thing.
    """

    place: Vec
    color: Vec
    accent: Vec
    offset: Tensor


@dataclass(frozen=True)
class Material:
    """How a surface looks: its color at a place, and the strength of its highlight.

    A `mirror` shows what is around it, and what is `clear` shows what is behind it.
    """

    paint: Callable[[Skin], Vec]
    shine: float = 0.25
    mirror: bool = False
    clear: bool = False


def _plain(skin: Skin) -> Vec:
    return skin.color


def _striped(skin: Skin) -> Vec:
    p = skin.place
    band = fraction((p.y * 0.94 + p.x * 0.30 + p.z * 0.16) * 2.3 + skin.offset * 0.25)
    return skin.color.mix(skin.accent, ramp(0.18, 0.14, (band - 0.5).abs()))


def _checkered(skin: Skin) -> Vec:
    """Cubes of the accent in every other place, a little apart, so that the first color has the larger share."""
    p = skin.place.map(lambda part: part * 2.0 + 0.27)
    odd = p.map(torch.floor)
    parity = fraction((odd.x + odd.y + odd.z) * 0.5) * 2
    edge = p.map(lambda part: (fraction(part) - 0.5).abs())
    inside = ramp(0.487, 0.462, torch.maximum(edge.x, torch.maximum(edge.y, edge.z)))
    return skin.color.mix(skin.accent, parity * inside)


def _dotted(skin: Skin) -> Vec:
    """Balls in a tilted, face-centered lattice: whichever way a surface cuts it, it shows round dots."""
    p = skin.place * 1.4 + Vec(skin.offset, skin.offset * 0.7, skin.offset * 0.4)
    aside = p.z * 0.80 - p.x * 0.60
    q = Vec(p.x * 0.80 + p.z * 0.60, p.y * 0.92 + aside * 0.39, aside * 0.92 - p.y * 0.39)
    nearest = torch.full_like(p.x, 9.0)
    for shift in ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)):
        cell = (q + constant(shift, p.x)).map(lambda part: fraction(part) - 0.5)
        nearest = torch.minimum(nearest, cell.dot(cell))
    return skin.color.mix(skin.accent, ramp(0.064, 0.050, nearest))


def _marble(skin: Skin) -> Vec:
    """Veins where a wave, bent by noise, crosses zero: light ones on dark colors and dark ones on light colors."""
    p = skin.place + Vec(skin.offset * 7, skin.offset * 3, skin.offset * 5)
    bent = layered(p * 2.0)
    wave = ((p.x * 1.1 + p.y * 1.6 - p.z * 0.8) * 2.2 + bent * 13).sin().abs()
    fine = ((p.z * 1.5 - p.y * 0.7 + p.x) * 3.1 + bent * 17).sin().abs()
    vein = torch.maximum(ramp(0.30, 0.0, wave), ramp(0.16, 0.0, fine) * 0.55)
    light = skin.color.x * 0.30 + skin.color.y * 0.59 + skin.color.z * 0.11
    dark = ramp(0.30, 0.40, light)
    ink = skin.color.mix(constant((0.93, 0.92, 0.90), light), 0.86).mix(skin.color * 0.16, dark)
    cloudy = skin.color.mix(constant((0.8, 0.8, 0.8), light), 0.28 * bent * (1 - dark * 0.6))
    return cloudy.mix(ink, vein)


def _wooden(skin: Skin) -> Vec:
    """Rings around an axis that leaves the middle of the object, and fibers along it; stained with the color."""
    p = skin.place
    x, z = p.x + 0.42 + p.y * 0.12, p.z + 0.22 - p.y * 0.08
    warp = noise(Vec(p.x * 1.6 + skin.offset * 9, p.y * 0.8, p.z * 1.6))
    ring = fraction((x * x + z * z).sqrt() * 4.2 + warp * 1.9)
    fiber = noise(Vec(p.x * 17 + skin.offset * 5, p.y * 2.2, p.z * 17))
    shade = ramp(0.15, 1.0, ring) * 0.75 + fiber * 0.25
    brown = constant((0.20, 0.085, 0.03), p.x)
    light = (skin.color.x + skin.color.y + skin.color.z).clamp(max=1) * 0.85 + 0.15
    early = skin.color.mix(constant((0.55, 0.33, 0.16), p.x) * light, 0.20)
    return early.mix((skin.color * 2.0 + constant((0.5, 0.5, 0.5), p.x)) * brown * light, shade * 0.97)


def _metal(skin: Skin) -> Vec:
    """The tint of a mirror with fine scratches round it."""
    p = skin.place
    brushed = noise(Vec(p.x * 1.3 + skin.offset * 9, p.y * 34, p.z * 1.3))
    steel = constant((0.58, 0.59, 0.61), p.x)
    return skin.color.mix(steel, 0.08) * (0.68 + brushed * 0.52)


def _glass(skin: Skin) -> Vec:
    """What is left of white light on its way through."""
    return skin.color.mix(constant((1.0, 1.0, 1.0), skin.offset), 0.05)


LOOKS: dict[str, Material] = {
    "plain": Material(_plain),
    "striped": Material(_striped),
    "checkered": Material(_checkered),
    "dotted": Material(_dotted),
    "marble": Material(_marble, shine=0.55),
    "wooden": Material(_wooden, shine=0.06),
    "metal": Material(_metal, shine=0.9, mirror=True),
    "glass": Material(_glass, shine=1.0, clear=True),
}
"""Every material by name."""

BY_NUMBER = tuple(LOOKS[name] for name in MATERIALS)
"""The same, in the order of `tables.MATERIALS`."""
