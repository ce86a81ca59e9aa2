"""The pictures that are put into words for a unit: its strongest images, what it looks at in them, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vital.activations import ReferenceBank
from vital.activations.crops import attention_boxes, crop
from vital.attribution.receptive_field import Box
from vital.models import Model
from vital.tracing import Tracer
from vital.types import Images
from vital.units import Unit

BATCH = 32


@dataclass(frozen=True, eq=False)
class TopImages:
    """Pictures of what one unit responds to, strongest first.

    `pictures` is (N, C, H, W) in [0, 1]; entry by entry `names` are the images, `boxes` the parts of them that a
    picture is a crop of (None for a whole one), and `values` the unit's values on the pictures.
    """

    pictures: Images = field(repr=False)
    names: tuple[str, ...]
    boxes: tuple[Box | None, ...]
    values: tuple[float, ...]

    def to_dict(self) -> list[dict[str, object]]:
        """The JSON form, without the pictures."""
        rows = zip(self.names, self.boxes, self.values, strict=True)
        return [{"image": name, "box": box and list(box), "value": round(v, 6)} for name, box, v in rows]


@torch.no_grad()
def values(model: Model, units: Sequence[Unit], pictures: Images) -> Tensor:
    """Show pictures to the network: the value of each unit, (U, N) float32 on the CPU."""
    if not len(pictures):
        return torch.zeros(len(units), 0)
    found = []
    with Tracer(model, {unit.layer: None for unit in units}) as tracer:
        for part in torch.split(pictures, BATCH):
            trace = tracer(part.to(model.device, model.image_dtype))
            found.append(torch.stack([trace.read(unit) for unit in units]).float().cpu())
    return torch.cat(found, 1)


def strongest(bank: ReferenceBank, unit: Unit, count: int, split_seed: int = 0) -> list[int]:
    """List the images with the highest values of a unit, strongest first, of the half that labels are chosen on."""
    ranked, choosing = bank.strongest(unit, bank.made_of["top"]), bank.images.part(seed=split_seed)
    return [index for index in ranked if choosing[index]][:count]


def collect_top_images(
    bank: ReferenceBank,
    unit: Unit,
    images: int = 10,
    crops: int = 4,
    shown: int = 10,
    *,
    field: float | None = None,
    split_seed: int = 0,
) -> TopImages:
    """Choose what is described of a unit: of its strongest `images` and their crops, the `shown` strongest.

    Up to `crops` crops are cut out of each image.

    The unit is asked again for each crop, so that a crop is shown only where it excites the unit more than a whole
    image does. `field` is that of `attention_boxes`. Source: Describe-and-Dissect (TMLR 2025), steps 1 to 3.
    """
    which, whole = bank.images.load(strongest(bank, unit, images, split_seed), bank.model)
    names = [bank.images.names[i] for i in which]
    return cropped(
        bank.model, unit, whole, names, attention_boxes(bank.model, unit, whole, crops, field=field), shown
    )


def cropped(
    model: Model,
    unit: Unit,
    whole: Images,
    names: Sequence[str],
    parts: Sequence[Sequence[Box]],
    shown: int,
) -> TopImages:
    """Choose the `shown` pictures, of whole ones and these parts of them, that excite a unit most; equals in order."""
    rows = [(row, box) for row, own in enumerate(parts) for box in own]
    pictures = torch.cat([whole, *(crop(whole[row], box)[None] for row, box in rows)])
    sources = [*names, *(names[row] for row, _ in rows)]
    boxes = [None] * len(whole) + [box for _, box in rows]
    found = values(model, [unit], pictures)[0]
    order = found.argsort(descending=True, stable=True)[:shown].tolist()
    return TopImages(
        pictures[order],
        tuple(sources[i] for i in order),
        tuple(boxes[i] for i in order),
        tuple(found[order].tolist()),
    )
