"""Relevance as a mask: what of an image's activations takes part in what a unit responds to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vital.attribution.composites import Relevance, composite
from vital.attribution.gradients import gradients_of
from vital.attribution.propagation import check_reach, propagate
from vital.attribution.start import start_at
from vital.models import Model
from vital.terms import GRADIENT, RelevanceRequest
from vital.tracing import NoRuleError, Trace, Tracer
from vital.tracing.readout import kind_of, rows_of
from vital.types import Images
from vital.units import Unit

FLOOR = 1e-6


def followed(trace: Trace, requests: Sequence[RelevanceRequest | None]) -> dict[str, Tensor]:
    """Answer the requests of slots, which share the images of a recorded trace evenly, in order.

    Returns layer -> relevance shaped like its activations, 0 for slots that ask for none there. Slots that ask for the
    same rule share one sweep: relevance is linear in its start, and no image sees another. With the rule `GRADIENT` it
    is the positive part of gradient × activation, which is not relevance.
    """
    found: dict[str, Tensor] = {}
    starts: dict[str, dict[str, Tensor]] = {}
    for slots in _alike(trace, requests):
        units, request = [unit for _, unit, _ in slots], slots[0][2]
        rows = rows_of(tuple(slot for slot, _, _ in slots), len(requests), len(trace), trace.seen.device)
        own = trace if rows is None else trace.take(rows, [units[0].layer])
        if not request.recorded:
            slopes = gradients_of(trace, own.read(units), units[0].layer, request.layers)
            _add(found, {name: (g * trace[name].detach()).clamp(min=0) for name, g in slopes.items()})
            continue
        start = start_at(own, units, request.start)
        if rows is not None:
            start = torch.zeros_like(trace[units[0].layer]).index_copy_(0, rows, start)
        _add(starts.setdefault(request.rule, {}), {units[0].layer: start})
    if sum(map(len, starts.values())) > 1:
        _check_each(trace, requests)
    for rule, begun in starts.items():
        layers = dict.fromkeys(layer for r in requests if r and r.rule == rule for layer in r.layers)
        _add(found, propagate(trace, begun, layers, rule))
    return found


def _check_each(trace: Trace, requests: Sequence[RelevanceRequest | None]) -> None:
    """Raise `InvalidValueError` for a request for layers before which its unit lies: others may lead there."""
    for layer, layers in dict.fromkeys((r.unit.layer, r.layers) for r in requests if r and r.recorded):
        check_reach(trace, [layer], layers)


def _alike(
    trace: Trace, requests: Sequence[RelevanceRequest | None]
) -> list[list[tuple[int, Unit, RelevanceRequest]]]:
    """The slots with their units, those together whose relevance starts in one go."""
    groups: dict[object, list[tuple[int, Unit, RelevanceRequest]]] = {}
    for slot, request in enumerate(requests):
        if request:
            unit = trace.model.unit(request.unit)
            key = (request.rule, request.start, request.layers, kind_of(unit))
            groups.setdefault(key, []).append((slot, unit, request))
    return list(groups.values())


def _add(found: dict[str, Tensor], parts: Mapping[str, Tensor]) -> None:
    for layer, part in parts.items():
        found[layer] = found[layer] + part if layer in found else part


def followable(model: Model, request: RelevanceRequest, images: Images) -> tuple[str, str]:
    """Try a rule on images (B, C, H, W): the rule, or `GRADIENT` and in words why relevance cannot be followed."""
    try:
        with torch.enable_grad(), Tracer(model, [*request.layers, request.unit.layer], record=True) as tracer:
            trace = tracer(images.detach().to(model.device, model.image_dtype).requires_grad_())
            followed(trace, [request])
    except NoRuleError as error:
        return GRADIENT, f"{error}; masked by gradient × activation, which is not relevance"
    return request.rule, ""


def mask(relevance: Tensor, rule: str | Relevance = "zplus") -> Tensor:
    """Bring relevance (B, C, N) to [0, 1] per image and channel: (r − min r) / (max r − min r + floor).

    Source: VITAL, ICCV 2025. The floor is 1e-6 of the image's largest range in the layer, or what the rule says
    (`Relevance.floor`). A channel with one place has nothing to be compared with, and is not masked.

    >>> mask(torch.tensor([[[1.0, 2.0, 3.0]]])).numpy().round(2)
    array([[[0. , 0.5, 1. ]]], dtype=float32)
    """
    if relevance.shape[2] == 1:
        return torch.ones_like(relevance)
    low, high = relevance.amin(2, keepdim=True), relevance.amax(2, keepdim=True)
    floor = _floor((high - low).amax(1, keepdim=True), rule)
    return (relevance - low).div_(high - low + floor)


def importance(relevance: Tensor, rule: str | Relevance = "zplus") -> Tensor:
    """Say how much each channel of (B, C, N) takes part: its strongest place, brought to [0, 1] over channels: (B, C).

    Source: VITAL, ICCV 2025; the floor as in `mask`.
    """
    peak = relevance.amax(2)
    low, high = peak.amin(1, keepdim=True), peak.amax(1, keepdim=True)
    return (peak - low) / (high - low + _floor(high - low, rule))


def _floor(scale: Tensor, rule: str | Relevance) -> Tensor:
    """What is added to a range before it divides."""
    if rule != GRADIENT and composite(rule).floor == "absolute":
        return torch.full_like(scale, FLOOR)
    return FLOOR * scale.clamp_min(torch.finfo(scale.dtype).tiny / FLOOR)
