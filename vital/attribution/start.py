"""Where relevance starts: at a unit or a direction, with its activation or at its most exclusive place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.tracing import Trace
from vital.tracing.readout import channels_of, mask, vector_of, vectors_of
from vital.units import Unit

STARTS = ("activation", "waking", "one", "restricted")


def start_at(trace: Trace, units: str | Unit | Sequence[Unit], start: str = "activation") -> Tensor:
    """The relevance with which a unit starts, shaped like its layer's activations.

    "activation": the unit's activation at all of its places, 0 elsewhere. "waking": the same where it is positive; an
    image in which it is positive nowhere starts as with "one", so that a silent unit has something to follow too.
    "one": 1 at all of its places, whatever its value. "restricted": 1 at the one of its places where the unit is most
    exclusive, that is, where the cosine between all channels and the unit's axis is largest (the restricted start of
    the published VITAL code).

    A direction v has no channel of its own: its value at a place p is Σ_c v_c a_c(p), and each channel starts with
    what it adds to it. "activation": v_c a_c(p), of either sign, which sums to the direction's value. The others are
    those of a unit with that value, times max(v_c, 0): relevance that starts negative would take from what the other
    channels bring. A direction without negative entries, as NMF makes them, is not changed by it, and one without
    positive entries is refused. The cosine of "restricted" is that between all channels and v.

    Several units of one layer share the images, as in `Trace.read`. Raises `InvalidValueError` for another start.
    """
    if start not in STARTS:
        raise InvalidValueError(f"start is {start!r}; allowed are {', '.join(STARTS)}")
    found = trace.found(units)
    act = trace[found[0].layer].detach()
    places = mask(found, act)
    if found[0].source:
        return _along(act, found, places, start)
    index = channels_of(found, act)
    own = _of_channel(act.gather(1, index)[:, 0], act, places, start)
    return torch.zeros_like(act).scatter_(1, index, own[:, None])


def _of_channel(own: Tensor, act: Tensor, places: Tensor, start: str) -> Tensor:
    """The start of one channel, shaped like it: (B, ...)."""
    ones = places.to(act.dtype).expand_as(own)
    if start == "activation":
        return own.where(places, 0)
    if start == "waking":
        positive = own.where(places, 0).clamp(min=0)
        silent = positive.reshape(len(own), -1).amax(1) == 0
        return torch.where(silent.view(-1, *[1] * (own.ndim - 1)), ones, positive)
    return ones if start == "one" else _most_exclusive(own, act, places)


def _along(act: Tensor, units: Sequence[Unit], places: Tensor, start: str) -> Tensor:
    """The start of directions, shaped like act."""
    vectors = vectors_of(units, act).repeat_interleave(len(act) // len(units), 0)
    columns = vectors.view(*vectors.shape, *[1] * (act.ndim - 2))
    if start == "activation":
        return (act * columns).where(places[:, None], 0)
    for unit in units:
        if not bool((vector_of(unit) > 0).any()):
            allowed = "a direction with a positive entry, or start='activation'"
            raise InvalidValueError(
                f"{unit} has no entry above 0 for relevance to start with; allowed is {allowed}"
            )
    where = _of_channel((act * columns).sum(1), act, places, start)
    return where[:, None] * columns.clamp(min=0)


def _most_exclusive(value: Tensor, act: Tensor, places: Tensor) -> Tensor:
    """1 at the place where value / |act| is largest, 0 elsewhere: of the shape of one channel, with the batch."""
    cosine = value / act.norm(dim=1).clamp_min(torch.finfo(act.dtype).tiny)
    best = cosine.where(places, -torch.inf).reshape(len(act), -1).argmax(1)
    return torch.zeros_like(cosine).view(len(act), -1).scatter_(1, best[:, None], 1.0).view_as(cosine)
