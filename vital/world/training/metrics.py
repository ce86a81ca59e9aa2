"""What the world's networks are measured by."""

from __future__ import annotations

import torch
from torch import Tensor

Metrics = dict[str, float]

CELLS = 2**18
"""How many numbers are ranked at once: what a processor keeps close by is fastest."""


def average_precision(scores: Tensor, shown: Tensor) -> Tensor:
    """Measure how well scores rank what is true: Σₙ (Rₙ − Rₙ₋₁) Pₙ over the thresholds n, (U, K) float64.

    R is recall and P precision; equal scores share a threshold, as in scikit-learn's `average_precision_score`.
    `scores` (U, N), `shown` (K, N) bool; what is never true gets 0. Memory does not grow with U or K.

    >>> average_precision(torch.tensor([[3.0, 2.0, 2.0]]), torch.tensor([[False, True, True]])).numpy().round(3)
    array([[0.667]])
    """
    found = torch.zeros(len(scores), len(shown), dtype=torch.float64)
    parts = torch.split(torch.arange(len(shown)), max(1, CELLS // max(1, shown.shape[1])))
    for row, score in enumerate(scores):
        ranked, order = score.sort(descending=True, stable=True)
        ends = torch.cat([ranked[1:] != ranked[:-1], torch.ones(1, dtype=torch.bool)]).nonzero().view(-1)
        for part in parts:
            found[row, part] = _area(shown[part][:, order], ends)
    return found


def _area(ranked: Tensor, ends: Tensor) -> Tensor:
    """Area under the curve of rows of hits, best score first; `ends` are the last places of equal scores."""
    hits = ranked.cumsum(1, dtype=torch.float32)
    hits = hits if len(ends) == hits.shape[1] else hits[:, ends]
    gained = torch.diff(hits, prepend=torch.zeros(len(hits), 1))
    total = gained.mul_(hits).div_(ends + 1).sum(1, dtype=torch.float64)
    return total / hits[:, -1].clamp(min=1)


def share(hits: Tensor) -> float:
    """The share of True."""
    return float(hits.float().mean())
