"""Reading units out of what their layer gave: the only logic of tokens, positions and directions.

`act` is what a layer gave, (B, C), (B, C, H, W) or (B, C, T). `units` are one or several units of that layer, found by
`vital.Model.unit`: of S units the first is read from the first B / S images, the second from the next, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from vital.errors import UnitError
from vital.types import Layer, PerImage
from vital.units import Unit
from vital.units.direction import check_fit, read_direction, written
from vital.utils.devices import made_once

Units: TypeAlias = Unit | Sequence[Unit]


def token_slice(layer: Layer, tokens: str) -> slice:
    """Which tokens of a layer are meant: the class token ("cls"), those after the prefix ("patches"), or all.

    >>> token_slice(Layer("blocks.9", "tokens", (64, 17), prefix=1), "patches")
    slice(1, None, None)
    """
    if tokens == "cls":
        return slice(0, min(1, layer.prefix))
    return slice(layer.prefix if tokens == "patches" else 0, None)


def vector_of(unit: Unit) -> Tensor:
    """The vector of a direction, (C,); `InvalidValueError` where it does not fit the layer."""
    vector, layer = read_direction(unit), layout_of(unit)
    check_fit(str(unit), vector, unit.layer, layer.channels)
    return vector


def kind_of(unit: Unit) -> tuple[object, ...]:
    """What units have in common that can be read in one go: the layer, and where and how they are read in it."""
    return unit.layer, bool(unit.source), unit.tokens, unit.position is None


def along(units: Units, act: Tensor) -> Tensor:
    """The units' values at every place of the layer, (B, ...): the channel, or Σ_c v_c a_c for a direction v."""
    found = _each(units)
    if found[0].source:
        own = vectors_of(found, act)
        if len(found) == 1:
            return torch.einsum("bc...,c->b...", act, own[0])
        slots = act.reshape(len(found), -1, *act.shape[1:])
        return torch.einsum("src...,sc->sr...", slots, own).flatten(0, 1)
    if len(found) == 1:
        return act[:, found[0].channel]
    return act.gather(1, channels_of(found, act))[:, 0]


def at_places(units: Units, x: Tensor, axes: int = 1) -> Tensor:
    """The units' own places of a tensor that has those of the layer behind its first `axes`: (..., places)."""
    found = _each(units)
    if found[0].position is not None:
        if len({unit.position for unit in found}) == 1:
            row, column = _place(found[0], x.shape)
            return x[..., row, column][..., None]
        index = _spread(tuple(_number(unit, x.shape) for unit in found), len(x), x.device)
        return x.flatten(axes).gather(-1, index.view(-1, *[1] * axes).expand(*x.shape[:axes], 1))
    if x.ndim == axes:
        return x[..., None]
    if found[0].tokens:
        x = x[..., token_slice(layout_of(found[0]), found[0].tokens)]
    return x.flatten(axes)


def values(units: Units, act: Tensor) -> Tensor:
    """The units' values at each of their places: (B, places)."""
    return at_places(units, along(units, act))


def read(units: Units, act: Tensor) -> PerImage:
    """The units' values: the mean over their places, (B,)."""
    return values(units, act).mean(1)


def vectors(units: Units, act: Tensor) -> Tensor:
    """All channels at the units' places: (B, C, places)."""
    return at_places(units, act, 2)


def mask(units: Units, act: Tensor) -> Tensor:
    """True at the units' places: of the shape of one channel, with a batch of 1 or that of `act`: (1 or B, ...)."""
    found, shape = _each(units), act.shape[2:]
    if found[0].position is None:
        return _places(found[0].tokens, layout_of(found[0]).prefix, shape, act.device)
    index = _spread(tuple(_number(unit, shape) for unit in found), len(act), act.device)
    every = torch.arange(shape.numel(), device=act.device)
    return (every == index[:, None]).view(len(act), *shape)


def channels_of(units: Units, act: Tensor) -> Tensor:
    """An index for `gather` and `scatter` along the channels of `act`: that of each image's unit, (B, 1, ...)."""
    index = _spread(tuple(unit.channel for unit in _each(units)), len(act), act.device)
    return index.view(-1, *[1] * (act.ndim - 1)).expand(-1, 1, *act.shape[2:])


def vectors_of(units: Units, act: Tensor) -> Tensor:
    """The vectors of directions, (S, C), of the dtype and on the device of `act`."""
    found = tuple(_each(units))
    vectors = _stacked(found, tuple(written(unit) for unit in found), act.dtype, act.device)
    check_fit(str(found[0]), vectors[0], found[0].layer, act.shape[1])
    return vectors


def layout_of(unit: Unit) -> Layer:
    """The layer that the unit was found in; `UnitError` for a unit that no network was asked for."""
    if unit.layout is None:
        raise UnitError(f"{unit} was not found in a network yet; model.unit({str(unit)!r}) does it")
    return unit.layout


def _each(units: Units) -> Sequence[Unit]:
    return (units,) if isinstance(units, Unit) else units


def _place(unit: Unit, shape: Sequence[int]) -> tuple[int, int]:
    """A unit's position in a map: that of its name, or in one that is smaller than its layer the same part of it."""
    place = unit.position or (0, 0)
    if unit.layout is None or unit.layout.kind != "map":
        return place
    row, column = (
        (2 * at + 1) * now // (2 * own) if now < own else at
        for at, now, own in zip(place, shape[-2:], unit.layout.shape[1:], strict=True)
    )
    return row, column


def _number(unit: Unit, shape: Sequence[int]) -> int:
    """The number of a unit's position in a map."""
    row, column = _place(unit, shape)
    return row * shape[-1] + column


# What follows is made once and stays on the device: a copy in each step would make the host wait.


@made_once(maxsize=256)
def _spread(numbers: tuple[int, ...], rows: int, device: torch.device) -> Tensor:
    """The number of each of so many rows, (rows,), where the numbers have equally many rows each."""
    return torch.tensor(numbers, device=device).repeat_interleave(rows // len(numbers))


@made_once(maxsize=64)
def _places(tokens: str, prefix: int, shape: torch.Size, device: torch.device) -> Tensor:
    places = torch.zeros(shape, dtype=torch.bool, device=device)
    places[token_slice(Layer("", "tokens", shape, prefix=prefix), tokens) if tokens else ...] = True
    return places[None]


@made_once(maxsize=64)
def _stacked(
    units: tuple[Unit, ...], written: tuple[object, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    del written
    return torch.stack([read_direction(unit) for unit in units]).to(device, dtype)


@made_once(maxsize=64)
def rows_of(slots: tuple[int, ...], of: int, rows: int, device: torch.device) -> Tensor | None:
    """The numbers of the images that belong to some of the slots, of `rows` images of all; None where that is all.

    It is made once and stays on the device, for a copy in each step would make the host wait.
    """
    if len(slots) == of:
        return None
    each = rows // of
    return torch.tensor([slot * each + i for slot in slots for i in range(each)], device=device)
