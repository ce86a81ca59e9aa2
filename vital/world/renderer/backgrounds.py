"""Where things stand: a ground that goes to the horizon, or to a wall, and the sky over it.

Colors are linear light. A ground is painted from its place (x to the right, z towards the viewer), a sky from the
direction of the look; `drift` moves the clouds, waves and blades of grass from scene to scene.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.world.renderer.noise import flat_layered, flat_noise
from vital.world.renderer.vectors import Vec, constant, fraction, ramp
from vital.world.scenes.vocabulary import BACKGROUNDS, RGB

Paint = Callable[[Vec, Tensor], Vec]


@dataclass(frozen=True)
class Background:
    """A place in the world: how its ground and sky are painted, and the colors of its light.

    These are of the sun, of the light from above and from below, and of the haze at the horizon. `wall` is where a
    wall stands (0: there is none), and `waves` how much the ground mirrors.
    """

    ground: Paint
    sky: Paint
    sun: RGB
    above: RGB
    below: RGB
    haze: RGB
    wall: float = 0.0
    waves: float = 0.0


def _blend(low: RGB, high: RGB, share: Tensor) -> Vec:
    return constant(low, share).mix(constant(high, share), share)


def _clouds(way: Vec, drift: Tensor, low: RGB, high: RGB, amount: float) -> Vec:
    """A sky from `low` at the horizon to `high` above, with white clouds."""
    up = way.y.clamp(min=0)
    blue = _blend(low, high, ramp(0.0, 0.42, up))
    x, y = way.x / (up + 0.22), way.z / (up + 0.22)
    cover = ramp(0.46, 0.72, flat_layered(x * 1.5 + drift, y * 1.5, 3)) * ramp(0.02, 0.14, up)
    return blue.mix(constant((1.0, 1.0, 1.0), up), cover * amount)


def _meadow(place: Vec, drift: Tensor) -> Vec:
    x, z = place.x + drift, place.z
    patch = flat_layered(x * 0.7, z * 0.7)
    blades = (
        flat_noise(x * 9.0 + z * 1.5, z * 4.0, 4) * 0.6 + flat_noise(x * 19.0 - z * 4.0, z * 8.0, 5) * 0.4
    )
    green = _blend((0.045, 0.17, 0.018), (0.20, 0.44, 0.06), ramp(0.15, 0.85, patch * 0.45 + blades * 0.55))
    flowers = ramp(0.87, 0.93, flat_noise(x * 5.0, z * 5.0, 9))
    return green.mix(constant((0.85, 0.78, 0.36), x), flowers * 0.8)


def _summer(way: Vec, drift: Tensor) -> Vec:
    return _clouds(way, drift, (0.56, 0.74, 0.92), (0.12, 0.33, 0.78), 0.9)


def _dunes(place: Vec, drift: Tensor) -> Vec:
    x, z = place.x + drift, place.z
    bend = flat_layered(x * 0.5, z * 0.5, 2)
    ripple = (z * 9.5 + x * 2.2 + bend * 15).sin()
    grain = flat_noise(x * 24, z * 24, 6)
    return _blend((0.50, 0.30, 0.125), (0.88, 0.66, 0.38), ramp(-1.3, 1.3, ripple + (grain - 0.5) * 0.9))


def _desert(way: Vec, drift: Tensor) -> Vec:
    sky = _clouds(way, drift, (0.95, 0.66, 0.42), (0.42, 0.50, 0.66), 0.25)
    ridge = 0.035 + 0.05 * flat_noise(way.x * 3.0 + drift, drift, 7)
    return constant((0.62, 0.36, 0.17), way.x).mix(sky, ramp(0.0, 0.012, way.y - ridge))


def _sea(place: Vec, drift: Tensor) -> Vec:
    depth = flat_layered(place.x * 0.5 + drift, place.z * 0.5, 1)
    return _blend((0.004, 0.07, 0.17), (0.012, 0.20, 0.29), depth)


def _evening(way: Vec, drift: Tensor) -> Vec:
    up = way.y.clamp(min=0)
    low = _blend((1.0, 0.62, 0.36), (0.75, 0.42, 0.50), ramp(0.0, 0.12, up))
    glow = low.mix(constant((0.16, 0.26, 0.60), up), ramp(0.06, 0.40, up))
    streak = ramp(0.5, 0.8, flat_layered(way.x * 2.2 + drift, up * 16, 5)) * ramp(0.02, 0.1, up)
    return glow.mix(constant((1.0, 0.72, 0.58), up), streak * 0.6)


def _snowfield(place: Vec, drift: Tensor) -> Vec:
    x, z = place.x + drift, place.z
    soft = flat_layered(x * 0.9, z * 0.9, 8)
    sparkle = ramp(0.86, 0.95, flat_noise(x * 26, z * 26, 10))
    white = _blend((0.60, 0.70, 0.84), (0.90, 0.93, 0.97), ramp(0.25, 0.7, soft))
    return white + constant((0.16, 0.16, 0.16), x) * sparkle


def _mountains(way: Vec, drift: Tensor) -> Vec:
    up = way.y
    sky = _blend((0.80, 0.86, 0.93), (0.42, 0.58, 0.80), ramp(0.0, 0.5, up.clamp(min=0)))
    ridge = 0.17 * flat_layered(way.x * 5.0 + drift, drift, 11) - 0.01
    cap = up - ridge + 0.03 * flat_noise(way.x * 40, up * 40, 22)
    rock = _blend((0.22, 0.28, 0.40), (0.93, 0.95, 0.99), ramp(-0.035, -0.012, cap))
    return rock.mix(sky, ramp(-0.004, 0.006, up - ridge))


def _slate(place: Vec, drift: Tensor) -> Vec:
    x, z = place.x + drift, place.z
    stone = flat_layered(x * 1.6, z * 1.6, 12)
    return _blend((0.045, 0.05, 0.10), (0.10, 0.105, 0.19), stone)


def _stars(way: Vec, drift: Tensor) -> Vec:
    up = way.y.clamp(min=0)
    dark = _blend((0.035, 0.045, 0.14), (0.004, 0.006, 0.035), ramp(0.0, 0.30, up))
    wave = flat_layered(way.x * 3.0 + drift, up * 2.0, 13)
    aurora = ramp(0.3, 0.75, wave) * ramp(0.0, 0.09, up + wave * 0.06 - 0.05) * ramp(0.30, 0.05, up)
    star = ramp(0.88, 0.96, flat_noise(way.x * 60 + drift * 5, up * 60, 14)) * ramp(0.0, 0.08, up)
    return dark + constant((0.05, 0.34, 0.22), up) * aurora + constant((0.9, 0.9, 0.75), up) * star


def _pavement(place: Vec, drift: Tensor) -> Vec:
    """A pavement, and from the wall's foot on the bricks of the wall."""
    x, z = place.x + drift, place.z
    slab = torch.maximum((fraction(x * 0.8) - 0.5).abs(), (fraction(z * 0.8 + 0.3) - 0.5).abs())
    stone = _blend((0.22, 0.22, 0.23), (0.40, 0.39, 0.38), flat_layered(x * 2, z * 2, 15))
    floor = stone.mix(constant((0.13, 0.13, 0.13), x), ramp(0.47, 0.49, slab))
    return _bricks(x, place.y).mix(floor, (place.y < 1e-3).to(x.dtype))


def _bricks(x: Tensor, y: Tensor) -> Vec:
    row = (y * 3.4).floor()
    along = x * 1.5 + fraction(row * 0.5)
    joint = torch.maximum((fraction(along) - 0.5).abs() * 1.06, (fraction(y * 3.4) - 0.5).abs() * 0.97)
    tone = (
        flat_noise(along.floor() * 0.73 + 0.2, row * 0.61 + 0.3, 16) * 0.8
        + flat_layered(x * 5, y * 5, 17) * 0.4
    )
    brick = _blend((0.17, 0.045, 0.028), (0.46, 0.155, 0.085), ramp(0.1, 1.1, tone))
    return brick.mix(constant((0.46, 0.43, 0.39), x), ramp(0.435, 0.465, joint))


def _dusk(way: Vec, drift: Tensor) -> Vec:
    del drift
    return _blend((0.35, 0.33, 0.32), (0.30, 0.32, 0.38), ramp(0, 1, way.y))


PLACES: dict[str, Background] = {
    "grass": Background(
        _meadow, _summer, (1.22, 1.16, 1.02), (0.42, 0.5, 0.62), (0.1, 0.16, 0.06), (0.4, 0.58, 0.52)
    ),
    "sand": Background(
        _dunes, _desert, (1.26, 1.12, 0.94), (0.44, 0.44, 0.5), (0.28, 0.2, 0.12), (0.86, 0.6, 0.38)
    ),
    "water": Background(
        _sea,
        _evening,
        (1.22, 1.08, 0.98),
        (0.42, 0.44, 0.56),
        (0.06, 0.14, 0.22),
        (0.8, 0.5, 0.42),
        waves=0.75,
    ),
    "snow": Background(
        _snowfield, _mountains, (1.05, 1.05, 1.05), (0.44, 0.5, 0.6), (0.36, 0.4, 0.46), (0.74, 0.81, 0.9)
    ),
    "night": Background(
        _slate, _stars, (1.08, 1.1, 1.22), (0.2, 0.22, 0.34), (0.06, 0.06, 0.1), (0.035, 0.045, 0.14)
    ),
    "brick": Background(
        _pavement, _dusk, (1.2, 1.12, 1.02), (0.4, 0.4, 0.44), (0.16, 0.15, 0.14), (0.3, 0.3, 0.3), wall=-2.9
    ),
}
"""Every background by name."""

BY_NUMBER = tuple(PLACES[name] for name in BACKGROUNDS)
"""The same, in the order of `tables.BACKGROUNDS`."""
