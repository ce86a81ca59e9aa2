"""Reading a unit out of what its layer gave: the only logic of tokens, positions and directions.

`act` is what a layer gave, (B, C), (B, C, H, W) or (B, C, T), and the unit one that `vital.Model.unit` found.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vital.errors import UnitError
from vital.types import Layer, PerImage
from vital.units import Unit
from vital.units.direction import check_fit, read_direction


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


def along(unit: Unit, act: Tensor) -> Tensor:
    """The unit's value at every place of its layer, (B, ...): its channel, or Σ_c v_c a_c for a direction v."""
    if not unit.source:
        return act[:, unit.channel]
    return torch.einsum("bc...,c->b...", act, vector_of(unit).to(act))


def at_places(unit: Unit, x: Tensor, axes: int = 1) -> Tensor:
    """The unit's own places of a tensor that has those of the layer behind its first `axes`: (..., places)."""
    if unit.position is not None:
        row, column = unit.position
        return x[..., row, column][..., None]
    if x.ndim == axes:
        return x[..., None]
    if unit.tokens:
        x = x[..., token_slice(layout_of(unit), unit.tokens)]
    return x.flatten(axes)


def values(unit: Unit, act: Tensor) -> Tensor:
    """The unit's value at each of its places: (B, places)."""
    return at_places(unit, along(unit, act))


def read(unit: Unit, act: Tensor) -> PerImage:
    """The unit's value: the mean over its places, (B,)."""
    return values(unit, act).mean(1)


def vectors(unit: Unit, act: Tensor) -> Tensor:
    """All channels at the unit's places: (B, C, places)."""
    return at_places(unit, act, 2)


def mask(unit: Unit, act: Tensor) -> Tensor:
    """True at the unit's places: of the shape of one channel, without the batch."""
    places = torch.zeros(act.shape[2:], dtype=torch.bool, device=act.device)
    if unit.position is not None:
        places[unit.position] = True
    else:
        places[token_slice(layout_of(unit), unit.tokens) if places.ndim else ...] = True
    return places


def layout_of(unit: Unit) -> Layer:
    """The layer that the unit was found in; `UnitError` for a unit that no network was asked for."""
    if unit.layout is None:
        raise UnitError(f"{unit} was not found in a network yet; model.unit({str(unit)!r}) does it")
    return unit.layout
