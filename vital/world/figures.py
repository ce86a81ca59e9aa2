"""What the world's networks are measured by."""

from __future__ import annotations

import torch
from torch import Tensor

Figures = dict[str, float]


def average_precision(scores: Tensor, truth: Tensor) -> float:
    """Area under the precision-recall curve, as the mean precision at the rank of each true one; ties in any order.

    >>> average_precision(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([True, False, True]))
    0.8333333730697632
    """
    ranked = truth[scores.argsort(descending=True, stable=True)].float()
    precision = ranked.cumsum(0) / torch.arange(1, len(ranked) + 1)
    return float((precision * ranked).sum() / ranked.sum().clamp(min=1))


def share(hits: Tensor) -> float:
    """The share of True."""
    return float(hits.float().mean())
