"""Conditions: the units of inner layers through which relevance is to pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.tracing import Trace
from vital.tracing.readout import mask
from vital.units import Unit


def passed_in_turn(
    trace: Trace, starts: Collection[str], conditions: Sequence[Unit]
) -> dict[str, list[Unit]]:
    """The conditions by their layer, in the order in which relevance that starts at some layers meets them.

    Raises `InvalidValueError` for a direction, and for a unit of a layer that was not watched or where relevance
    starts.
    """
    found: dict[str, list[Unit]] = {}
    for unit in conditions:
        if unit.source:
            raise InvalidValueError(f"the condition {unit} is a direction; allowed are channels")
        if unit.layer in starts:
            raise InvalidValueError(
                f"the condition {unit} is of the layer where relevance starts; give units of layers before it"
            )
        if unit.layer not in trace.acts:
            known = ", ".join(trace.acts)
            raise InvalidValueError(f"the layer of {unit} was not watched in this pass; there are {known}")
        found.setdefault(unit.layer, []).append(unit)
    if trace.run is not None and trace.run.tape is not None:
        made, raw = trace.run.tape.makers, trace.run.raw
        return dict(sorted(found.items(), key=lambda each: -made.get(id(raw[each[0]]), 0)))
    return found


def only_of(units: Sequence[Unit], r: Tensor) -> Tensor:
    """The relevance of a layer at the channels and places of these units, 0 elsewhere."""
    kept = torch.zeros_like(r[:1], dtype=torch.bool)
    for unit in units:
        kept[:, unit.channel] |= mask(unit, r[:1])
    return r.where(kept, 0)
