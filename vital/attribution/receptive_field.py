"""Receptive fields, found by running the network: which part of the image a place in a layer can see, and does use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vital.attribution.field_scan import SIDES, Probe, Seen
from vital.errors import InvalidValueError, UnitError
from vital.models import Model
from vital.tracing import Tracer, list_layers
from vital.tracing.readout import along
from vital.types import Images, Layer
from vital.units import Unit, find_layer

Position = tuple[int, int] | int | None
"""A place in a layer: (row, column) in a map, the number of a token, None for a layer without places."""

_SEEN: WeakKeyDictionary[Model, dict[str, Seen]] = WeakKeyDictionary()


class Box(NamedTuple):
    """A rectangle of pixels; `bottom` and `right` are the first row and column outside it.

    >>> Box(2, 1, 6, 4).height, Box(2, 1, 6, 4).width
    (4, 3)
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left


def receptive_field(model: Model, layer: str, position: Position) -> Box:
    """Find the part of the image that a place of a layer can see: the pixels that it depends on at all.

    `position` is (row, column) in a map, the number of a token in a token layer, and None in a layer without places,
    which sees the whole image, as every layer behind global attention or a global mean does. The field is found by
    running the network on images of which a strip is not a number (NaN): a place sees the strip if it becomes NaN.
    So it holds for any network, whatever its weights and however quiet its rectifiers. In a map two places on each
    side give the field's step, two others check it, and the rest follow; where the check fails, and for
    tokens, each place is looked at by itself. (Next to the image's edge a dilated field has gaps, and its box may be
    wider than what is seen, by less than the dilation.) What was found is kept as long as the model lives. Raises
    `UnitError` for a layer or place that does not exist.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3, stride=2)), size=(9, 9))
    >>> receptive_field(net, "1", (1, 2))
    Box(top=2, left=4, bottom=7, right=9)
    """
    info = _checked(model, layer, position)
    if info.kind == "vector" or (info.kind == "tokens" and _number(info, position) < info.prefix):
        return Box(0, 0, *model.size)
    probe = _probe(model, layer)
    place = _number(info, position)
    if isinstance(position, tuple):
        margins = [_by_steps(probe, info, side, place) for side in SIDES]
    else:
        margins = probe.margins([(side, place) for side in SIDES])
    top, left, bottom, right = margins
    return Box(top, left, model.size[0] - bottom, model.size[1] - right)


def effective_fields(
    model: Model,
    layer: str,
    value: Callable[[Tensor], Tensor],
    pictures: Images,
    positions: Sequence[Position],
    share: float,
) -> list[Box]:
    """Find where in each picture the value at a place comes from (see `effective_field`), for many pictures at once.

    `value` turns a layer's activations (B, C, ...) into those of the unit, (B, ...). What has no place in its layer
    comes from the whole image.
    """
    if any(position is None for position in positions):
        return [Box(0, 0, *model.size)] * len(positions)
    if share == 1:
        return [receptive_field(model, layer, position) for position in positions]
    info = list_layers(model)[layer]
    with torch.enable_grad(), Tracer(model, [layer]) as tracer:
        shown = pictures.detach().to(model.device, model.image_dtype).requires_grad_()
        trace = tracer(shown)
        act = value(trace[layer]).flatten(1)
        places = torch.tensor([_number(info, position) for position in positions], device=act.device)
        slope = torch.zeros_like(trace.input)
        if act.requires_grad:
            (slope,) = torch.autograd.grad(act.gather(1, places[:, None]).sum(), trace.input)
    mass = (slope * trace.input).detach().abs().sum(1).double().cpu()
    return [
        _holding(one, receptive_field(model, layer, position), _center(model, info, position), share)
        for one, position in zip(mass, positions, strict=True)
    ]


def effective_field(
    model: Model, unit: str | Unit, picture: Tensor, position: Position, share: float = 0.9
) -> Box:
    """Find the part of a picture that brings about a unit's value at a place.

    Formula: the smallest box around the place's center with Σ_box |x · ∂f/∂x| ≥ share · Σ_image |x · ∂f/∂x|

    x is the network's input, f the unit's value at `position`. In deep layers the field of `receptive_field` is the
    whole image, though most of what counts lies in a small part of it. The box is square before it is cut at the edges
    of the receptive field, which it never leaves; `share=1` gives the receptive field itself, and so does a value
    without a gradient. `picture` is (C, H, W) in [0, 1] of the network's size. Raises `InvalidValueError` for a share
    outside 0 to 1.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5, padding=2)), size=(9, 9))
    >>> effective_field(net, "0:1", torch.ones(3, 9, 9), (4, 4), 1e-9)
    Box(top=4, left=4, bottom=5, right=5)
    """
    unit = model.unit(unit)
    check_share(share)
    _checked(model, unit.layer, position)
    return effective_fields(model, unit.layer, partial(along, unit), picture[None], [position], share)[0]


def check_share(share: float) -> None:
    """Raise `InvalidValueError` for a share that is not above 0 and up to 1."""
    if not 0 < share <= 1:
        raise InvalidValueError(f"share is {share}; allowed are numbers above 0 and up to 1")


def _checked(model: Model, layer: str, position: Position) -> Layer:
    """The layer, if it has this place."""
    info = find_layer(layer, list_layers(model))
    match info.kind, position:
        case "vector", None:
            return info
        case "map", (int(row), int(column)) if 0 <= row < info.shape[1] and 0 <= column < info.shape[2]:
            return info
        case "tokens", int(token) if 0 <= token < info.shape[1]:
            return info
    wanted = {"vector": "None", "map": "(row, column)", "tokens": "the number of a token"}[info.kind]
    raise UnitError(
        f"layer {layer!r} has no place {position!r}; it is a {info.kind} of shape {info.shape}, "
        f"where a place is {wanted}"
    )


def _number(info: Layer, position: Position) -> int:
    """The place's number in the flattened layer."""
    return position[0] * info.shape[2] + position[1] if isinstance(position, tuple) else position or 0


def position_of(info: Layer, place: int) -> Position:
    """The place of a number in the flattened layer."""
    return divmod(place, info.shape[2]) if info.kind == "map" else place


def _probe(model: Model, layer: str) -> Probe:
    return Probe(model, layer, _SEEN.setdefault(model, {}).setdefault(layer, Seen()))


def _by_steps(probe: Probe, info: Layer, side: int, place: int) -> int:
    """A place's margin on one side of a map: by the step from place to place, where that is even."""
    rows, columns = info.shape[1:]
    length, axis = (rows, place // columns) if side % 2 == 0 else (columns, place % columns)
    inward = axis if side < 2 else length - 1 - axis
    line = probe.lines(rows, columns)[side]
    if not line.even:
        return probe.margins([(side, place)])[0]
    return line.at(inward)


def _center(model: Model, info: Layer, position: Position) -> tuple[float, float]:
    """Where a place's receptive field would have its middle if the image went on beyond its edges."""
    if not isinstance(position, tuple):
        box = receptive_field(model, info.name, position)
        return (box.top + box.bottom) / 2, (box.left + box.right) / 2
    lines, found = _probe(model, info.name).lines(*info.shape[1:]), []
    for axis, length in enumerate(info.shape[1:]):
        start = lines[axis].beyond(position[axis])
        end = lines[axis + 2].beyond(length - 1 - position[axis])
        size = model.size[axis]
        plain = (position[axis] + 0.5) * size / length
        found.append(plain if start is None or end is None else (start + size - end) / 2)
    return found[0], found[1]


def _holding(mass: Tensor, field: Box, center: tuple[float, float], share: float) -> Box:
    """The smallest box around a center with this share of the mass, (H, W), cut at the edges of the field."""
    total = float(mass.sum())
    if not 0 < total < float("inf"):
        return field
    rows = (torch.arange(mass.shape[0]) + 0.5 - center[0]).abs()
    columns = (torch.arange(mass.shape[1]) + 0.5 - center[1]).abs()
    distance = torch.maximum(rows[:, None], columns[None]).flatten()
    order = distance.argsort()
    reached = int(torch.searchsorted(mass.flatten()[order].cumsum(0), share * total))
    radius = distance[order][min(reached, len(order) - 1)] + 1e-6
    inside = [torch.nonzero(line <= radius).flatten() for line in (rows, columns)]
    ends = [(int(line[0]), int(line[-1]) + 1) for line in inside]
    return Box(
        max(ends[0][0], field.top), max(ends[1][0], field.left),
        min(ends[0][1], field.bottom), min(ends[1][1], field.right),
    )  # fmt: skip
