"""Patches: the parts of images that excite a unit most, brought to the network's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.attribution.receptive_field import Box, Position, effective_fields
from vital.data import ImageSet
from vital.data.views import Views
from vital.models import Model
from vital.types import Images

SHARE = 0.9
"""The share of |gradient × input| that a patch holds unless told."""

BATCH = 8


class TopLocation(NamedTuple):
    """One image, the place in it that excites a unit most, and the value there; no place where the unit has none."""

    image: int
    position: Position
    value: float


@dataclass(frozen=True, eq=False)
class Patches:
    """The strongest place of each of some images, cut out and brought to the network's size.

    `images` is (N, C, H, W) in [0, 1]; entry by entry `boxes` are the pixels that were cut out, of the image as the
    network sees it, `indices` and `names` the images, `positions` the places and `values` the unit's values there.
    """

    images: Images = field(repr=False)
    boxes: tuple[Box, ...]
    indices: tuple[int, ...]
    names: tuple[str, ...]
    positions: tuple[Position, ...]
    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.indices)


def cut(
    model: Model,
    images: ImageSet,
    layer: str,
    value: Callable[[Tensor], Tensor],
    spots: Sequence[TopLocation],
    share: float,
    views: Views | None = None,
) -> Patches:
    """Cut spots out of their images; `value` turns a layer's activations (B, C, ...) into the unit's, (B, ...).

    Images that can no longer be read are left out; `views` are as in `ImageSet.view`.
    """
    found: list[Tensor] = []
    boxes: list[Box] = []
    kept: list[TopLocation] = []
    for start in range(0, len(spots), BATCH):
        part = spots[start : start + BATCH]
        which, pictures = images.load([spot.image for spot in part], model, views)
        part = [spot for spot in part if spot.image in which]
        fields = effective_fields(model, layer, value, pictures, [spot.position for spot in part], share)
        found += [crop(picture, box) for picture, box in zip(pictures, fields, strict=True)]
        boxes += [shaped(box, model.size) for box in fields]
        kept += part
    numbers = tuple(spot.image for spot in kept)
    return Patches(
        torch.stack(found), tuple(boxes), numbers, tuple(images.names[i] for i in numbers),
        tuple(spot.position for spot in kept), tuple(spot.value for spot in kept),
    )  # fmt: skip


def crop(picture: Tensor, box: Box) -> Tensor:
    """Cut a box out of a picture (C, H, W), in the picture's own shape, and enlarge it to the picture's size.

    The short side of the box grows to the picture's shape first (see `shaped`), so that nothing is distorted.

    >>> crop(torch.rand(3, 8, 8), Box(0, 0, 2, 4)).shape
    torch.Size([3, 8, 8])
    """
    height, width = picture.shape[1:]
    box = shaped(box, (height, width))
    part = picture[None, :, box.top : box.bottom, box.left : box.right]
    if part.shape[2:] == (height, width):
        return picture
    return F.interpolate(part, (height, width), mode="bicubic", antialias=True).clamp(0, 1)[0]


def shaped(box: Box, size: tuple[int, int]) -> Box:
    """Let a box grow to the shape of an image of this size: evenly on both sides, or inwards from an edge.

    >>> shaped(Box(0, 0, 2, 4), (8, 8)), shaped(Box(3, 4, 7, 6), (8, 8))
    (Box(top=0, left=0, bottom=4, right=4), Box(top=3, left=3, bottom=7, right=7))
    """
    scale = max(box.height / size[0], box.width / size[1])
    height, width = (min(s, round(scale * s)) for s in size)
    top = _start(box.top, box.bottom, height, size[0])
    left = _start(box.left, box.right, width, size[1])
    return Box(top, left, top + height, left + width)


def _start(first: int, end: int, length: int, limit: int) -> int:
    return min(max(0, first - (length - (end - first)) // 2), limit - length)
