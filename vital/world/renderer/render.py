"""Scenes to pictures: ray-marched solids on a painted ground, with soft shadows, in a few milliseconds each.

Every pixel is looked at four times. All that decides a pixel is elementwise in its own rays, so a scene's picture
is the same, bit for bit on a CPU, in whatever company it is rendered.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.models.model import usable_device
from vital.types import Images
from vital.world.renderer.lighting import radiance
from vital.world.renderer.scene_tensors import SPREAD, Rays, SceneTensors, build_scene_tensors
from vital.world.renderer.vectors import Vec
from vital.world.scenes.grammar import Scene
from vital.world.scenes.vocabulary import SOLIDS

SIDES = (8, 512)
RAYS_AT_ONCE = {"cpu": 2**17, "cuda": 2**23}


def render(scenes: Sequence[Scene], size: int = 64, device: torch.device | str = "cpu") -> Images:
    """Render scenes: (B, 3, size, size) in [0, 1], float32, in whole steps of 1/255, on the CPU.

    The same scene gives the same picture, whatever else is in the batch. `device` says where to compute; another
    device may differ by a step here and there. Raises `InvalidValueError` for a size that is not from 8 to 512,
    and for a device that is not there.

    >>> render([Scene()], 16).shape
    torch.Size([1, 3, 16, 16])
    """
    if not SIDES[0] <= size <= SIDES[1]:
        raise InvalidValueError(f"the size is {size} pixels; allowed are {SIDES[0]} to {SIDES[1]}")
    pictures = torch.empty(len(scenes), 3, size, size)
    at = usable_device(device)
    chunk = max(1, RAYS_AT_ONCE.get(at.type, 2**20) // (4 * size * size))
    # Solids of one kind are marched together: the more of them in a chunk, the fewer and larger the steps.
    order = sorted(range(len(scenes)), key=lambda i: SOLIDS.index(scenes[i].thing.solid))
    with torch.no_grad():
        for start in range(0, len(order), chunk):
            part = order[start : start + chunk]
            pictures[part] = _pictures(
                build_scene_tensors([scenes[i] for i in part], at), len(part), size
            ).cpu()
    return pictures


def _pictures(scene: SceneTensors, count: int, size: int) -> Tensor:
    light = radiance(scene, _rays(scene, count, 2 * size))
    # A screen shows the square root of the light; clipped first, so that bright edges stay smooth.
    parts = [part.clamp(0, 1).sqrt().view(count, 2 * size, 2 * size) for part in light.parts]
    fine = torch.stack(parts, dim=1)
    upper, lower = fine[:, :, ::2], fine[:, :, 1::2]
    pixels = (upper[..., ::2] + upper[..., 1::2]) + (lower[..., ::2] + lower[..., 1::2])
    return (pixels * (255 / 4) + 0.5).floor() / 255


def _rays(scene: SceneTensors, count: int, side: int) -> Rays:
    """One ray for each of side × side places in the picture, row by row from the top left."""
    device = scene.drift.device
    ticks = ((torch.arange(side, device=device, dtype=torch.float32) + 0.5) * (2 / side) - 1) * SPREAD
    across, down = ticks.repeat(side), ticks.repeat_interleave(side)
    ahead = (scene.aim - scene.viewer).unit()
    right = Vec(-ahead.z, torch.zeros_like(ahead.x), ahead.x).unit()
    up = Vec(
        right.y * ahead.z - right.z * ahead.y,
        right.z * ahead.x - right.x * ahead.z,
        right.x * ahead.y - right.y * ahead.x,
    )
    spread = Vec(
        *(f[:, None] + r[:, None] * across - u[:, None] * down for f, r, u in _axes(ahead, right, up))
    )
    number = torch.arange(count, device=device).repeat_interleave(side * side)
    return Rays(scene.viewer.at(number), spread.unit().map(lambda part: part.reshape(-1)), number)


def _axes(*vectors: Vec) -> zip[tuple[Tensor, ...]]:
    return zip(*(v.parts for v in vectors), strict=True)
