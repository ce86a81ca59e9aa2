"""Attention crops: the parts of a picture that a unit responds to, as boxes around the blobs of its map.

The map is brought to 0 … 255 before it is cut in two, so that the boxes do not depend on its scale.
(Describe-and-Dissect as released turns it to 8 bit as it is, so that values above 1 wrap around and boxes change.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vital.attribution.receptive_field import Box, check_share, effective_field
from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import Tracer
from vital.tracing.readout import layout_of, token_slice
from vital.types import Images
from vital.units import Unit

LEVELS = 256
FLAT = 1e-5
"""A map whose values differ by less than this share of the greatest is flat: what differs is rounding."""


@torch.no_grad()
def attention(model: Model, unit: str | Unit, pictures: Images) -> Tensor | None:
    """Give a unit's map on pictures, (B, rows, columns) float32 on the CPU; None where it has no map.

    Outputs, units of layers without places, single positions and class tokens have none. Of a token layer the patch
    tokens are the map, laid out in the shape of the picture.
    """
    unit = model.unit(unit)
    grid = _grid(model, unit)
    if grid is None:
        return None
    patches = replace(unit, tokens="patches" if unit.tokens else "")
    with Tracer(model, [unit.layer]) as tracer:
        found = tracer(pictures.to(model.device, model.image_dtype)).map(patches)
    return found.reshape(-1, *grid).float().cpu()


def _grid(model: Model, unit: Unit) -> tuple[int, int] | None:
    """Rows and columns of a unit's map."""
    layer = layout_of(unit)
    if unit.position is not None or unit.tokens == "cls" or layer.kind == "vector":
        return None
    if layer.kind == "map":
        return (layer.shape[1], layer.shape[2]) if layer.shape[1] * layer.shape[2] > 1 else None
    patches = layer.shape[1] - layer.prefix
    rows = round((patches * model.size[0] / model.size[1]) ** 0.5)
    return (rows, patches // rows) if rows > 0 and patches > 1 and patches % rows == 0 else None


def levels(heat: Tensor) -> Tensor:
    """Bring a map to whole numbers from 0, its least value, to 255, its greatest; a flat map is all 0.

    >>> levels(torch.tensor([[-1.0, 0.0, 3.0]])).tolist()
    [[0, 64, 255]]
    """
    low, high = heat.amin(), heat.amax()
    if not high - low > FLAT * max(abs(low), abs(high)):
        return torch.zeros_like(heat, dtype=torch.int64)
    return ((heat.double() - low) / (high - low) * (LEVELS - 1)).round().to(torch.int64)


def otsu(grey: Tensor) -> int:
    """Find the level that cuts whole numbers from 0 to 255 in two: what lies above it is in front.

    Formula: argmaxₜ w₀(t) w₁(t) (μ₀(t) − μ₁(t))², with the shares w and means μ of the numbers up to t and above it

    Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, 1979. Of equal levels it is the first.

    >>> otsu(torch.tensor([10, 10, 12, 200, 210]))
    12
    """
    share = torch.bincount(grey.flatten(), minlength=LEVELS).double() / grey.numel()
    below = share.cumsum(0)
    mass = (share * torch.arange(LEVELS)).cumsum(0)
    apart = (mass[-1] * below - mass) ** 2 / (below * (1 - below)).clamp(min=1e-12)
    return int(apart.argmax())


def iou(a: Box, b: Box) -> float:
    """Measure how far two boxes are one: the area of both over the area of either.

    >>> iou(Box(0, 0, 2, 2), Box(0, 1, 2, 3))
    0.3333333333333333
    """
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    width = min(a.right, b.right) - max(a.left, b.left)
    both = max(0, height) * max(0, width)
    return both / (a.height * a.width + b.height * b.width - both)


def blobs(heat: Tensor) -> tuple[np.ndarray, list[Box]]:
    """Cut a map (H, W) in two by Otsu's level: the number of each place's blob (0 for none), and the blobs' boxes.

    Places that touch at a corner are of one blob, and a hole belongs to the blob around it. A flat map has none.
    """
    grey = levels(heat)
    return _parts((grey > otsu(grey)).numpy()) if grey.any() else (np.zeros(heat.shape, np.int64), [])


def _parts(front: np.ndarray) -> tuple[np.ndarray, list[Box]]:
    from scipy import ndimage

    numbers, _ = ndimage.label(ndimage.binary_fill_holes(front), np.ones((3, 3)))
    found = [Box(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(numbers)]
    return numbers, found


def apart(found: Sequence[Box], size: tuple[int, int], most: int, same: float, frame: float) -> list[Box]:
    """Keep the largest boxes, at most `most`, that differ: IoU up to `same` with all kept, and below `frame` with all.

    The second is the IoU with the whole frame of `size`, so that a crop is never the picture again.
    """
    whole, kept = Box(0, 0, *size), list[Box]()
    for box in sorted(found, key=lambda b: (-b.height * b.width, b)):
        if len(kept) == most:
            break
        if iou(box, whole) < frame and all(iou(box, other) <= same for other in kept):
            kept.append(box)
    return kept


def boxes(
    heat: Tensor, size: tuple[int, int], most: int = 4, *, same: float = 0.5, frame: float = 0.8
) -> list[Box]:
    """Find the parts of a picture of `size` that a map (h, w) stands out in, largest first, at most `most`.

    The map is enlarged to the picture, cut in two by Otsu's level, and the boxes around its blobs are kept where they
    differ (see `apart`). A flat map has none. Source: Describe-and-Dissect (TMLR 2025), attention cropping.

    >>> heat = torch.zeros(8, 8)
    >>> heat[1:3, 1:4], heat[6, 6] = 5.0, 4.0
    >>> boxes(heat, (8, 8))
    [Box(top=1, left=1, bottom=3, right=4), Box(top=6, left=6, bottom=7, right=7)]
    """
    if most < 0:
        raise InvalidValueError(f"{most} crops are asked for; allowed are whole numbers from 0")
    large = F.interpolate(heat[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0]
    return apart(blobs(large)[1], size, most, same, frame)


def attention_boxes(
    model: Model, unit: str | Unit, pictures: Images, most: int = 4, *, field: float | None = None
) -> list[list[Box]]:
    """Find the parts of each picture (C, H, W) that a unit responds to; none for a unit without a map.

    With `field`, a share above 0 up to 1, a box is not that of a blob, but the part of the picture from which the value
    at the blob's strongest place comes (`vital.activations.effective_field` of that share): in deep layers a blob says
    where a place is, not what it sees.
    """
    unit = model.unit(unit)
    heat = attention(model, unit, pictures) if most else None
    if heat is None:
        return [[] for _ in pictures]
    size = (pictures.shape[2], pictures.shape[3])
    if field is None:
        return [boxes(one, size, most) for one in heat]
    check_share(field)
    return [
        apart(_fields(model, unit, picture, one, field), size, most, 0.5, 0.8)
        for picture, one in zip(pictures, heat, strict=True)
    ]


def _fields(model: Model, unit: Unit, picture: Tensor, heat: Tensor, share: float) -> list[Box]:
    """The part of the picture behind the strongest place of each blob."""
    layer, found = layout_of(unit), []
    numbers, parts = blobs(heat)
    for number in range(1, len(parts) + 1):
        place = int(torch.where(torch.from_numpy(numbers == number), heat, -torch.inf).argmax())
        position = (
            divmod(place, heat.shape[1])
            if layer.kind == "map"
            else token_slice(layer, "patches").start + place
        )
        found.append(effective_field(model, unit, picture, position, share))
    return found


def crop(picture: Tensor, box: Box) -> Tensor:
    """Cut a box out of a picture (C, H, W) and bring it to the picture's size.

    >>> crop(torch.rand(3, 8, 8), Box(0, 0, 2, 4)).shape
    torch.Size([3, 8, 8])
    """
    part = picture[None, :, box.top : box.bottom, box.left : box.right]
    whole = (picture.shape[1], picture.shape[2])
    return F.interpolate(part, whole, mode="bicubic", antialias=True).clamp(0, 1)[0]
