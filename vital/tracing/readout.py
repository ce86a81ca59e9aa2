"""Reading a unit out of a layer: the only token and place logic."""

from __future__ import annotations

import torch
from torch import Tensor

from vital.errors import UnitError
from vital.models import Model
from vital.tracing import list_layers, read_direction
from vital.units import Unit


def vector_of(model: Model, unit: Unit) -> Tensor:
    """The vector of a direction, (C,); `UnitError` where it does not fit its layer."""
    vector, channels = read_direction(unit), list_layers(model)[unit.layer].channels
    if len(vector) != channels:
        raise UnitError(
            f"{unit} has {len(vector)} entries, and layer {unit.layer!r} has {channels} channels; "
            "a direction has one for each"
        )
    return vector.float()


def values_along(model: Model, unit: Unit, act: Tensor) -> Tensor:
    """The unit's value at every place: one of the channels (B, C, ...), or their product with its vector, (B, ...)."""
    if not unit.source:
        return act[:, unit.index]
    return torch.einsum("bc...,c->b...", act, vector_of(model, unit).to(act))
