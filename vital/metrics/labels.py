"""Metrics of words: how well a unit's activation, over all images, goes with the presence of a concept.

Written a for a unit's value at an image and c in [0, 1] for how far the image shows the concept; sums run over images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vital.metrics.base import metric

SHARE = 0.05
"""Of a unit's images, the share with the highest values counts as active where a metric wants yes or no.

It is the unit's own quantile and does not look at the concept: a threshold that followed the concept's frequency would
move with the very labels that a sanity test takes away or adds, and could hide the harm.
"""

TOP = 10
"""How many of a unit's strongest images `top-recall` and `wpmi` look at."""

CELLS = 2**20
"""How many numbers are ranked at once."""

TINY = 1e-12


@metric("correlation", trusted=True)
def correlation(values: Tensor, presence: Tensor) -> Tensor:
    """Pearson's correlation, in [−1, 1]; 0 where either side is constant.

    Formula: Σ(a − ā)(c − c̄) / (‖a − ā‖ ‖c − c̄‖)
    """
    return cosine(_centered(values), _centered(presence))


@metric("cosine", trusted=True)
def cosine(values: Tensor, presence: Tensor) -> Tensor:
    """The cosine, in [−1, 1]; 0 where either side is 0 throughout.

    Formula: Σ a c / (‖a‖ ‖c‖)
    """
    lengths = (values.square().sum(0)[:, None] * presence.square().sum(0)).sqrt()
    found: Tensor = values.T @ presence / lengths.clamp(min=TINY)
    return found


@metric("auprc", trusted=True)
def auprc(values: Tensor, presence: Tensor) -> Tensor:
    """Area under the precision-recall curve of the value as a score for the concept, in [0, 1].

    Formula: Σₙ (Rₙ − Rₙ₋₁) Pₙ over the distinct values n from the highest on

    P is the mean presence of the images from there up, R their share of all presence: for 0 and 1 the average precision
    of scikit-learn. A concept that is never there gets 0; a unit that knows nothing gets the mean presence, so the
    areas of concepts of other frequencies do not compare.
    """
    found = values.new_zeros(values.shape[1], presence.shape[1])
    parts = torch.split(torch.arange(presence.shape[1]), max(1, CELLS // len(values)))
    for unit, column in enumerate(values.T):
        ranked, order = column.sort(descending=True, stable=True)
        ends = torch.cat([ranked[1:] != ranked[:-1], torch.ones(1, dtype=torch.bool)]).nonzero().view(-1)
        for part in parts:
            found[unit, part] = _area(presence[:, part][order], ends)
    return found


def _area(ranked: Tensor, ends: Tensor) -> Tensor:
    """The areas of columns of presence, highest value first; `ends` are the last rows of equal values."""
    hits = ranked.cumsum(0)[ends]
    gained = torch.diff(hits, dim=0, prepend=hits.new_zeros(1, hits.shape[1]))
    return (gained * hits / (ends + 1)[:, None]).sum(0) / hits[-1].clamp(min=TINY)


@metric("f1", trusted=True)
def f1(values: Tensor, presence: Tensor) -> Tensor:
    """The harmonic mean of precision and recall of the unit being active (`SHARE`), in [0, 1].

    Formula: 2 Σ t c / (Σ t + Σ c), t = 1 for active
    """
    both, either = _overlap(values, presence)
    return 2 * both / either.clamp(min=TINY)


@metric("iou", trusted=True)
def iou(values: Tensor, presence: Tensor) -> Tensor:
    """Intersection over union of the images where the unit is active (`SHARE`) and those with the concept, in [0, 1].

    Formula: Σ t c / (Σ t + Σ c − Σ t c), t = 1 for active. It ranks as F1 does: F1 = 2 IoU / (1 + IoU).
    """
    both, either = _overlap(values, presence)
    return both / (either - both).clamp(min=TINY)


@metric("auc", trusted=False)
def auc(values: Tensor, presence: Tensor) -> Tensor:
    """The chance that an image with the concept excites the unit more than one without (INVERT, CoSy), in [0, 1].

    Formula: Σᵢⱼ cᵢ (1 − cⱼ) ([aᵢ > aⱼ] + ½ [aᵢ = aⱼ]) / (Σ c Σ (1 − c)); ½ where either sum is 0

    Not trusted: of a rare concept, half of the labels can go and it hardly moves.
    """
    below = torch.stack([count_below(column) for column in values.T], 1)
    held = presence.sum(0)
    pairs = held * (len(values) - held)
    won = below.T @ presence - held**2 / 2
    return torch.where(pairs > TINY, won / pairs.clamp(min=TINY), 0.5)


def count_below(column: Tensor) -> Tensor:
    """For each number of a column how many lie below, itself and equal ones counted by half: float64.

    >>> count_below(torch.tensor([1.0, 2.0, 2.0]))
    tensor([0.5000, 2.0000, 2.0000], dtype=torch.float64)
    """
    column = column.contiguous()  # searchsorted warns otherwise
    ordered = column.sort().values
    below = torch.searchsorted(ordered, column)
    return (below + torch.searchsorted(ordered, column, right=True)).double() / 2


@metric("mad", trusted=False)
def mad(values: Tensor, presence: Tensor) -> Tensor:
    """How far images with the concept lie above those without, in standard deviations of the latter (CoSy).

    Formula: (mean of a with the concept − mean of a without) / (standard deviation of a without, over n − 1)

    0 without either, and where those without all have the same value. Of a graded presence c the weights are w = 1 − c,
    and Σ w − Σ w² / Σ w stands for n − 1.

    Not trusted: of a rare concept, half of the labels can go and both means stay where they are.
    """
    here, without = presence.sum(0), 1 - presence
    there = without.sum(0)
    shifted = _centered(values)
    low = shifted.T @ without / there.clamp(min=TINY)
    spread = _spread(shifted, without, low)
    apart = shifted.T @ presence / here.clamp(min=TINY) - low
    known = (here > TINY) & (there > TINY) & (spread > 0)
    return torch.where(known, apart / spread.where(known, 1), 0.0)


def _spread(values: Tensor, weights: Tensor, means: Tensor) -> Tensor:
    """Standard deviations of values (N, U) with weights (N, K): (U, K); 0 exactly where they are all the same."""
    total = weights.sum(0)
    squares = (values**2).T @ weights
    off = squares - total * means**2
    close = (
        (off < 1e-6 * squares).nonzero().T
    )  # two large numbers that are nearly the same: once more, from a value
    for unit, concept in zip(*(part.split(max(1, CELLS // len(values))) for part in close), strict=True):
        own = weights[:, concept]
        apart = values[:, unit] - values[own.argmax(0), unit]
        off[unit, concept] = (own * (apart - (own * apart).sum(0) / total[concept].clamp(min=TINY)) ** 2).sum(
            0
        )
    degrees = total - (weights**2).sum(0) / total.clamp(min=TINY)
    return (off / degrees.clamp(min=TINY)).where(degrees > TINY, 0).clamp(min=0).sqrt()


@metric("wpmi", trusted=False)
def wpmi(values: Tensor, presence: Tensor) -> Tensor:
    """Weighted pointwise mutual information of the strongest images and the concept (CLIP-Dissect), at most 0.6 log N.

    Formula: mean of log c over the `TOP` strongest images − 0.6 log (mean of c over all), c at least 10⁻³

    Not trusted: it looks at the top alone, where labels added at random to a unit that is not clean help it.
    """
    top = values.topk(min(TOP, len(values)), dim=0).indices
    logs = presence.clamp(min=1e-3).log()
    return logs[top].mean(0) - 0.6 * presence.mean(0).clamp(min=1e-3).log()


@metric("top-recall", trusted=False)
def top_recall(values: Tensor, presence: Tensor) -> Tensor:
    """The share of the `TOP` strongest images that show the concept, in [0, 1]: what a look at top images tells.

    Formula: mean of c over the strongest images

    Not trusted: labels that are added can only raise it; "image" would be the best label of every unit.
    """
    top = values.topk(min(TOP, len(values)), dim=0).indices
    return presence[top].mean(0)


def active(values: Tensor) -> Tensor:
    """Say where each unit is active: 1 for the `SHARE` of images with its highest values, ties with the last included.

    A value that all images share is no activity.

    >>> active(torch.arange(40.0)[:, None]).sum()
    tensor(2.)
    """
    count = max(1, round(SHARE * len(values)))
    bar = values.topk(count, dim=0).values[-1]
    return ((values >= bar) & (values > values.amin(0))).to(values.dtype)


def _overlap(values: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
    """Σ t c and Σ t + Σ c."""
    on = active(values)
    return on.T @ presence, on.sum(0)[:, None] + presence.sum(0)


def _centered(x: Tensor) -> Tensor:
    """Take the mean away; what is constant becomes 0 exactly."""
    return torch.where(x.amax(0) > x.amin(0), x - x.mean(0), 0.0)
