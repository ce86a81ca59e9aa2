"""Relevance as a mask: what of an image's activations takes part in what a unit responds to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vital.attribution.composites import Relevance, composite
from vital.attribution.gradients import gradient_times_activation_of
from vital.attribution.propagation import propagate
from vital.attribution.start import start_at
from vital.models import Model
from vital.terms import GRADIENT, RelevanceRequest
from vital.tracing import NoRuleError, Trace, Tracer
from vital.types import Images

FLOOR = 1e-6


def followed(trace: Trace, requests: Sequence[tuple[slice, RelevanceRequest]]) -> dict[str, Tensor]:
    """Answer requests for rows of a recorded trace: layer -> relevance shaped like its activations, else 0.

    Rows that ask for the same rule share one sweep: relevance is linear in its start, and no image sees another.
    With the rule `GRADIENT` it is the positive part of gradient × activation, which is not relevance.
    """
    found: dict[str, Tensor] = {}
    for rows, request in requests:
        if not request.recorded:
            _add(found, _sloped(trace, rows, request))
    for rule in dict.fromkeys(request.rule for _, request in requests if request.recorded):
        starts: dict[str, Tensor] = {}
        layers: dict[str, None] = {}
        for rows, request in requests:
            if request.rule == rule:
                layers |= dict.fromkeys(request.layers)
                start = starts.setdefault(request.unit.layer, torch.zeros_like(trace[request.unit.layer]))
                start[rows] = start_at(trace.rows(rows.start, rows.stop), request.unit, request.start)
        _add(found, propagate(trace, starts, layers, rule))
    return found


def _add(found: dict[str, Tensor], parts: Mapping[str, Tensor]) -> None:
    for layer, part in parts.items():
        found[layer] = found[layer] + part if layer in found else part


def _sloped(trace: Trace, rows: slice, request: RelevanceRequest) -> dict[str, Tensor]:
    """Gradient × activation for some rows, 0 for the others."""
    parts = gradient_times_activation_of(trace.rows(rows.start, rows.stop), request.unit, request.layers)
    found = {layer: torch.zeros_like(trace[layer]) for layer in parts}
    for layer, part in parts.items():
        found[layer][rows] = part.clamp(min=0)
    return found


def followable(model: Model, request: RelevanceRequest, images: Images) -> tuple[str, str]:
    """Try a rule on images (B, C, H, W): the rule, or `GRADIENT` and in words why relevance cannot be followed."""
    try:
        with torch.enable_grad(), Tracer(model, [*request.layers, request.unit.layer], record=True) as tracer:
            trace = tracer(images.detach().to(model.device, model.dtype).requires_grad_())
            followed(trace, [(slice(0, len(trace)), request)])
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
