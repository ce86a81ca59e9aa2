"""Where relevance starts: at a unit, with its activation or at its most exclusive place."""

from __future__ import annotations

import torch
from torch import Tensor

from vital.errors import BadValue
from vital.trace import Trace, resolve_units, survey
from vital.units import Unit

STARTS = ("activation", "one", "restricted")


def start_at(trace: Trace, unit: str | Unit, start: str = "activation") -> Tensor:
    """The relevance with which a unit starts, shaped like its layer's activations.

    "activation": the unit's activation at all of its places, 0 elsewhere. "one": 1 at all of its places, also where
    the unit is silent or its value is negative, as a class's may be. "restricted": 1 at the one of its places
    where the unit is most exclusive, that is, where the cosine between all channels and the unit's axis is
    largest (the restricted start of the published VITAL code). Raises `BadValue` for another start.
    """
    if start not in STARTS:
        raise BadValue(f"start is {start!r}; allowed are {', '.join(STARTS)}")
    (unit,) = resolve_units(trace.model, unit)
    act = trace[unit.layer].detach()
    r = torch.zeros_like(act)
    places = _places(trace, unit, act)
    if start == "activation":
        r[:, unit.index] = act[:, unit.index].where(places, 0)
        return r
    if start == "one":
        r[:, unit.index] = places.to(act.dtype)
        return r
    cosine = act[:, unit.index] / act.norm(dim=1).clamp_min(torch.finfo(act.dtype).tiny)
    best = cosine.where(places, -torch.inf).flatten(1).argmax(1)
    r[:, unit.index].flatten(1).scatter_(1, best[:, None], 1.0)
    return r


def _places(trace: Trace, unit: Unit, act: Tensor) -> Tensor:
    """True at the unit's places: of the shape of one channel without the batch."""
    places = torch.ones(act.shape[2:], dtype=torch.bool, device=act.device)
    if unit.position is not None:
        places = torch.zeros_like(places)
        places[unit.position] = True
    prefix = survey(trace.model)[unit.layer].prefix
    if unit.tokens == "cls":
        places[1:] = False
    elif unit.tokens == "patches":
        places[:prefix] = False
    return places
