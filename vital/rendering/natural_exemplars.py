"""Natural exemplars: the images that show a unit best, each with a map of what the unit saw in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from vital.activations import ReferenceBank
from vital.activations.targets import find_target
from vital.attribution import NoRuleError, Relevance, gradient_times_activation, relevance
from vital.errors import InvalidValueError, ModelError
from vital.models import Model
from vital.terms import GRADIENT
from vital.tracing import INPUT_OF, Tracer, list_layers
from vital.tracing.readout import at_places
from vital.types import Images
from vital.units import OUTPUT, RecordList, Unit
from vital.utils.drawing import contact_sheet, shown_bands, to_array, to_pil
from vital.utils.io import as_png
from vital.utils.options import Count, Side
from vital.utils.public import door, with_doors

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

FALLBACK = "gradient x activation"
OF_A_PLACE = 32
"""Candidates for one place of a channel, for which no bank ranks images by relevance."""
STRENGTH, DIM = 0.9, 0.6
WARM, HOT = (1.0, 0.1, 0.0), (1.0, 0.9, 0.1)
"""The colors of the overlay, from little heat to most."""


@with_doors
@dataclass(frozen=True, eq=False)
class Exemplar:
    """An image that shows a unit, and where in it the unit looked.

    `image` is (C, H, W) in [0, 1]; `heat` (H, W) in [0, 1] is the positive part of what reached each pixel, over the
    largest of the image, and 0 everywhere where nothing positive did. `by` says how it was worked out: "lrp zplus"
    (or another rule), with "through" and the conditions where there are some, or "gradient x activation" for a network
    with an operation that relevance has no rule for. `value` is what the image was ranked by, and `of` says what that
    is. `grain` is the stride of the network's first convolution where its windows overlap unevenly, else 1: heat then
    lies on a grid of dots, and is drawn smoothed. It shows itself in a notebook. `np.asarray(exemplar)` is the image as
    matplotlib takes it: (H, W, C), float32 in [0, 1].
    """

    unit: Unit
    image: Tensor
    heat: Tensor
    index: int
    name: str
    value: float
    of: str
    by: str
    bands: tuple[int, ...] = ()
    grain: int = 1

    def to_pil(self, *, heat: bool = False) -> Image.Image:
        """The image; with `heat`, its grey values dimmed, and red to yellow where the unit looked.

        The overlay shows heat to the power of 0.7, since a few pixels often have most of it.
        """
        if not heat:
            return to_pil(self.image, self.bands)
        grey = self.image[list(shown_bands(len(self.image), self.bands))].mean(0, keepdim=True) * DIM
        amount = smooth(self.heat.to(grey).clamp(0, 1), self.grain) ** 0.7
        warm, hot = (torch.tensor(color).to(grey).view(3, 1, 1) for color in (WARM, HOT))
        color = warm + (hot - warm) * amount
        return to_pil(grey + (color - grey) * STRENGTH * amount)

    @property
    def status(self) -> str:
        """The status: "done", or "no relevance" where none above 0 arrived at the image, or at the unit it is of."""
        arrived = self.of == "activation" or self.value > 0
        return "done" if arrived and self.heat.any() else "no relevance"

    def to_row(self) -> dict[str, Any]:
        """One row of a table: all but the pictures."""
        told = {"unit": str(self.unit), "label": self.unit.label, "index": self.index, "name": self.name}
        return told | {"value": self.value, "of": self.of, "by": self.by}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return to_array(self.image, dtype, copy)

    def __repr__(self) -> str:
        how = f"{self.of} {self.value:.3g}, heat by {self.by}"
        return f"Exemplar({self.unit.title!r}: image {self.name!r}, {how})"

    def _repr_png_(self) -> bytes:
        return as_png(self.to_pil(heat=True))


@with_doors
class Exemplars(RecordList[Exemplar]):
    """A list of exemplars that shows itself in a notebook: the images above, the same with their heat below.

    A slice is such a list too; see `vital.units.RecordList`.
    """

    def to_grid(self, size: Side | None = None) -> Image.Image:
        """The images in one row, and below each the same with its heat."""
        pictures = [e.to_pil(heat=heat) for heat in (False, True) for e in self]
        return contact_sheet(pictures, max(1, len(self)), size)

    def figure(self, columns: int = 2) -> PaperFigure:
        """A figure for a paper, with names and values, on one or two `columns` of the page.

        `Prototypes.figure(exemplars=...)` shows them beside prototypes.
        """
        from vital.figures import tiles_figure

        pictures = [e.to_pil(heat=heat) for heat in (False, True) for e in self]
        titles = [[e.name, f"{e.value:.3g}"] for e in self] + [[] for _ in self]
        return tiles_figure(pictures, titles, columns, max(1, len(self)))

    def _repr_png_(self) -> bytes:
        return as_png(self.to_grid())


@door
def exemplars(
    bank: ReferenceBank,
    unit: str | Unit,
    count: Count = 8,
    *,
    by: Literal["activation", "relevance"] = "activation",
    for_unit: str | Unit | None = None,
    candidates: int | None = None,
    rule: str = "zplus",
    conditions: Iterable[str | Unit] = (),
    batch: Count = 8,
) -> Exemplars:
    """The images that show a unit best, best first, each with a heat map.

    The heat is that of the unit itself: relevance at the input of the network's first layer, summed over colors,
    the positive part, over the largest of the image. A network with an operation that has no rule gets gradient
    times activation instead, for heat and ranking, and every record says so. Images that can no longer be read are
    left out, so that there may be fewer.

    Source: ActMax and RelMax, Achtibat et al., From attribution maps to human-understandable explanations, 2023

    Parameters
    ----------
    bank
        The bank whose images are looked at.
    unit
        The unit, or its text.
    count
        The number of images.
    by
        How images are ranked: by the value of the unit ("activation"), or by which role the unit plays in another one
        ("relevance"): by the relevance of its channel, summed over its places, when relevance starts at `for_unit`.
    for_unit
        With `by="relevance"`: the other unit, such as a class, or the class of each image: "label" or "predicted".
    candidates
        With `by="relevance"`: look only at so many strongest images of both units. By default all images are ranked
        (RelMax), in one pass that the bank keeps; for one place of a channel it is 32.
    rule
        The rule by which relevance is followed.
    conditions
        Units of earlier layers: heat is then what passes through these alone (conditional relevance).
    batch
        The number of images that are shown at once.

    Returns
    -------
    Exemplars
        The images with their heat.

    Raises
    ------
    InvalidValueError
        For `by="relevance"` without `for_unit` or with a direction, and what the bank raises.

    Examples
    --------
    >>> import vital
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), size=(16, 16))
    >>> bank = vital.build_bank(net, ["1"], vital.load_images(torch.rand(4, 3, 16, 16)), disk=False)
    >>> (best,) = exemplars(bank, "1:2", 1)
    >>> best.by, best.of, tuple(best.heat.shape)
    ('lrp zplus', 'activation', (16, 16))

    """
    unit = bank.model.unit(unit)
    if by not in ("activation", "relevance"):
        raise InvalidValueError(f"by is {by!r}; allowed are activation, relevance")
    if by == "activation":
        if for_unit is not None:
            raise InvalidValueError(
                f"for_unit is {str(for_unit)!r} and by='activation', which has no use for it"
            )
        found, pictures = bank.images.load(bank.strongest(unit, count), bank.model)
        values, of = _values(bank.model, unit, pictures, batch), "activation"
    else:
        found, pictures, values, of = _by_relevance(bank, unit, for_unit, count, candidates, rule, batch)
    heat, how = heat_maps(bank.model, pictures, unit, rule=rule, conditions=conditions, batch=batch)
    grain = _grain(bank.model)
    return Exemplars(
        Exemplar(unit, image.cpu(), h, i, bank.images.names[i], value, of, how, bank.model.bands, grain)
        for image, h, i, value in zip(pictures, heat, found, values, strict=True)
    )


def heat_maps(
    model: Model,
    images: Images,
    unit: str | Unit,
    *,
    rule: str | Relevance = "zplus",
    conditions: Iterable[str | Unit] = (),
    batch: int = 8,
) -> tuple[Tensor, str]:
    """Where in images a unit looked, (B, H, W) in [0, 1], and in words how that was worked out: see `exemplars`.

    Under `conditions` a network with an operation that has no rule raises `NoRuleError`.
    """
    unit, first = model.unit(unit), INPUT_OF + _first_layer(model)
    raw, how = _reached(model, images, unit, first, rule, batch, conditions)
    if raw.ndim != 4:
        raise ModelError(f"the first layer of {model.name} sees no picture; there is nowhere to lay the heat")
    heat = raw.float().sum(1, keepdim=True).clamp(min=0)
    if heat.shape[2:] != images.shape[2:]:
        heat = F.interpolate(heat, images.shape[2:], mode="bilinear")
    top = heat.amax((1, 2, 3), keepdim=True)
    return (heat / top.masked_fill(top == 0, 1.0))[:, 0], how


def smooth(heat: Tensor, grain: int) -> Tensor:
    """Average heat (H, W) over windows of `grain` pixels twice, which leaves nothing of a grid of that period.

    The largest is as large as before.

    >>> dots = torch.zeros(6, 6)
    >>> dots[::2, ::2] = 1.0
    >>> smooth(dots, 2)[1:-1, 1:-1].unique(), smooth(dots, 1).equal(dots)
    (tensor([1.]), True)
    """
    if grain == 1:
        return heat
    ramp = torch.arange(1, 2 * grain).to(heat)
    window = torch.minimum(ramp, 2 * grain - ramp) / grain**2
    framed = F.pad(heat[None, None], [grain - 1] * 4, mode="reflect")
    found = F.conv2d(framed, (window[:, None] * window)[None, None])[0, 0]
    return found * (heat.amax() / found.amax().clamp(min=1e-12))


def _grain(model: Model) -> int:
    """The stride of the first convolution, where some pixels are in more of its windows than others; else 1."""
    layers = sorted(list_layers(model).items(), key=lambda item: item[1].order)
    known = dict(model.module.named_modules())
    first = next((known[name] for name, _ in layers if isinstance(known.get(name), nn.Conv2d)), None)
    if first is None:
        return 1
    return max(s if k % s else 1 for k, s in zip(first.kernel_size, first.stride, strict=True))


def _first_layer(model: Model) -> str:
    """The layer that is done first: what it is given is the normalized image, or the nearest thing to it."""
    usable = [layer for name, layer in list_layers(model).items() if not layer.problem and name != OUTPUT]
    if not usable:
        raise ModelError(f"{model.name} has no layer whose input can be looked at")
    return min(usable, key=lambda layer: layer.order).name


def _reached(
    model: Model,
    images: Images,
    unit: Unit,
    layer: str,
    rule: str | Relevance,
    batch: int,
    conditions: Iterable[str | Unit] = (),
) -> tuple[Tensor, str]:
    """What reached a layer from a unit, on the CPU, and how: relevance, or else gradient times activation."""
    parts, passed = torch.split(images, batch), model.units(conditions)
    try:
        found = [
            relevance(model, part, unit, [layer], rule, conditions=passed)[layer].cpu() for part in parts
        ]
        how = f"lrp {rule}" if isinstance(rule, str) else f"lrp {rule.weighted}"
        return torch.cat(found), f"{how} through {', '.join(map(str, passed))}" if passed else how
    except NoRuleError:
        if passed:
            raise
        found = [gradient_times_activation(model, part, unit, [layer])[layer].cpu() for part in parts]
        return torch.cat(found), FALLBACK


@torch.no_grad()
def _values(model: Model, unit: Unit, pictures: Images, batch: int) -> list[float]:
    found: list[float] = []
    with Tracer(model, [unit.layer]) as tracer:
        for part in torch.split(pictures, batch):
            found += tracer(part.to(model.device, model.image_dtype)).read(unit).tolist()
    return found


def _by_relevance(
    bank: ReferenceBank,
    unit: Unit,
    target: str | Unit | None,
    count: int,
    candidates: int | None,
    rule: str,
    batch: int,
) -> tuple[list[int], Images, list[float], str]:
    """The images with the highest relevance of the unit for the target, these relevances, and what they are."""
    if target is None:
        raise InvalidValueError(
            "by='relevance' needs for_unit, the class or unit that reads this one, or 'label' or 'predicted'"
        )
    if unit.source:
        raise InvalidValueError(
            f"{unit} is a direction, whose relevance is not that of one channel; use by='activation'"
        )
    aim = find_target(bank.model, bank.images, target)
    if aim.unit is not None and (candidates is not None or unit.position is not None):
        pool = OF_A_PLACE if candidates is None else candidates
        return _among_candidates(bank, unit, aim.unit, count, pool, rule, batch)
    if candidates is not None:
        raise InvalidValueError(f"candidates is {candidates}; for_unit={target!r} looks at all images")
    how = rule
    try:
        ranked = bank.most_relevant(unit, target, count, rule)
    except NoRuleError:
        ranked, how = bank.most_relevant(unit, target, count, GRADIENT), GRADIENT
    found, pictures = bank.images.load([each.image for each in ranked], bank.model)
    value = {each.image: each.value for each in ranked}
    words = FALLBACK if how == GRADIENT else f"lrp {rule}"
    return found, pictures, [value[i] for i in found], f"{words} for {aim}"


def _among_candidates(
    bank: ReferenceBank, unit: Unit, reader: Unit, count: int, candidates: int, rule: str, batch: int
) -> tuple[list[int], Images, list[float], str]:
    """The same among the strongest images of both alone."""
    if not 1 <= count <= candidates:
        raise InvalidValueError(
            f"count is {count} and candidates {candidates}; allowed are counts from 1 to candidates"
        )
    pool = [*bank.strongest(unit, candidates), *bank.strongest(reader, candidates)]
    pool, pictures = bank.images.load(list(dict.fromkeys(pool)), bank.model)
    r, how = _reached(bank.model, pictures, reader, unit.layer, rule, batch)
    values = at_places(unit, r[:, unit.channel]).sum(1).double()
    best = values.sort(descending=True, stable=True).indices[:count].tolist()
    return [pool[i] for i in best], pictures[best], [float(values[i]) for i in best], f"{how} for {reader}"
