"""Relevance as a mask: what of an image's activations takes part in what a unit responds to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vital.relevance.propagate import propagate
from vital.relevance.start import start_at
from vital.terms import Relevant
from vital.trace import Trace


def followed(trace: Trace, wishes: Sequence[tuple[slice, Relevant]]) -> dict[str, Tensor]:
    """Answer wishes for rows of a recorded trace: layer -> relevance shaped like its activations, else 0.

    Rows that wish for the same rule share one sweep: relevance is linear in its start, and no image sees another.
    """
    found: dict[str, Tensor] = {}
    for rule in dict.fromkeys(wish.rule for _, wish in wishes):
        starts: dict[str, Tensor] = {}
        layers: dict[str, None] = {}
        for rows, wish in wishes:
            if wish.rule == rule:
                layers |= dict.fromkeys(wish.layers)
                start = starts.setdefault(wish.unit.layer, torch.zeros_like(trace[wish.unit.layer]))
                start[rows] = start_at(trace.rows(rows.start, rows.stop), wish.unit, wish.start)
        for layer, part in propagate(trace, starts, layers, rule).items():
            found[layer] = found[layer] + part if layer in found else part
    return found


def mask(relevance: Tensor, floor: float = 1e-6) -> Tensor:
    """Bring relevance (B, C, N) to [0, 1] per image and channel: (r − min r) / (max r − min r + floor).

    Source: VITAL, ICCV 2025. A channel with one place has nothing to be compared with, and is not masked.

    >>> mask(torch.tensor([[[1.0, 2.0, 3.0]]])).numpy().round(2)
    array([[[0. , 0.5, 1. ]]], dtype=float32)
    """
    if relevance.shape[2] == 1:
        return torch.ones_like(relevance)
    low, high = relevance.amin(2, keepdim=True), relevance.amax(2, keepdim=True)
    scale = (high - low).amax(1, keepdim=True)
    return (relevance - low) / (high - low + floor * scale.clamp_min(torch.finfo(scale.dtype).tiny))


def importance(relevance: Tensor) -> Tensor:
    """Say how much each channel of (B, C, N) takes part: its strongest place, brought to [0, 1] over channels: (B, C).

    Source: VITAL, ICCV 2025.
    """
    peak = relevance.amax(2)
    low, high = peak.amin(1, keepdim=True), peak.amax(1, keepdim=True)
    return (peak - low) / (high - low).clamp_min(torch.finfo(peak.dtype).tiny)
