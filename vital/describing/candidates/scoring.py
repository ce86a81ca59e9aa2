"""How well a description fits a unit, told by the images that a generator makes of each candidate.

The published scores of Describe-and-Dissect (TMLR 2025) rank the images of all candidates by the unit's value and
ask how high those of a candidate come. They cannot tell "red" from "large red cube", whose images are red too: what
they make is as high. `auprc` can: it asks whether *all* images that show the candidate come before all that do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from vital.errors import UsageError
from vital.metrics.labels import auprc, correlation, count_below
from vital.utils.options import Names
from vital.utils.registry import Registry

BEST, TOP = 5, 10
"""How many best ranks count, and how many images of all candidates together are compared with real ones."""


@dataclass(frozen=True, eq=False)
class CandidateActivations:
    """What a unit says to images of C candidates, n of each, and to P images that no candidate made.

    `values` (C, n) are the unit's values on the candidates' images; `others` (P,) those on other images. `shown`
    (C, C · n + P) says which of all images, candidate by candidate and then the others, show each candidate.
    `made` (C, n, D) and `real` (R, D) are the embeddings, length 1, of the candidates' images and of the real
    images that were described; None without an encoder.
    """

    values: Tensor
    others: Tensor = field(default_factory=lambda: torch.zeros(0))
    shown: Tensor | None = None
    made: Tensor | None = None
    real: Tensor | None = None

    @property
    def ranks(self) -> Tensor:
        """Places of the candidates' images among them all, (C, n) float64: 0 is the highest value, equals share."""
        flat = self.values.double().flatten()
        return (len(flat) - 0.5 - count_below(flat)).view(self.values.shape)

    def among(self, top: int) -> Tensor:
        """How far each image is among the `top` highest, (C, n) float64: equals at the border share what is left."""
        flat = -self.values.double().flatten()
        ordered = flat.sort().values
        first, last = (torch.searchsorted(ordered, flat, right=right) for right in (False, True))
        return ((top - first) / (last - first)).clamp(0, 1).view(self.values.shape).double()


Scorer = Callable[[CandidateActivations], Tensor]
SCORERS: Registry[Scorer] = Registry("scoring function")
"""Functions of `CandidateActivations` that give each candidate a score, (C,) float64; higher is better."""
ScorerName = Annotated[str, Names(SCORERS)]
"""The name of a scoring function."""


def mean_rank(ranks: Tensor) -> Tensor:
    """Mean of the ranks (C, n): (C,), lower is better."""
    return ranks.mean(1)


def median_rank(ranks: Tensor) -> Tensor:
    """Median of the ranks (C, n), of an even number the mean of the middle two: (C,), lower is better."""
    return ranks.quantile(0.5, dim=1)


def squared_mean(ranks: Tensor) -> Tensor:
    """Mean of the squared ranks (C, n): (C,), lower is better."""
    return ranks.square().mean(1)


def topk_squared_mean(ranks: Tensor, best: int = BEST) -> Tensor:
    """Mean of the squares of the `best` best ranks (C, n), or of all where there are fewer: (C,), lower is better.

    With five it is the score of the release, whatever that is asked for.

    >>> topk_squared_mean(torch.tensor([[4.0, 0.0, 2.0]]), best=2)
    tensor([2.])
    """
    return ranks.sort(1).values[:, :best].square().mean(1)


def places(lower: Tensor) -> Tensor:
    """Places from the bottom of what is better the lower it is: C for the best, 1 for the worst; equals share.

    >>> places(torch.tensor([3.0, 1.0, 2.0]))
    tensor([1., 3., 2.], dtype=torch.float64)
    """
    return count_below(-lower) + 0.5


def compare_images(activations: CandidateActivations, top: int = TOP) -> Tensor:
    """Mean cosine between the real images and those of a candidate that are among the `top` of all: (C,).

    −1 for a candidate with none among them, as in the release. Raises `UsageError` without an encoder.
    """
    products = _products(activations)
    among = activations.among(top)
    count = among.sum(1)
    return torch.where(count > 0, (products.mean(2) * among).sum(1) / count, -1.0)


def _products(activations: CandidateActivations) -> Tensor:
    """Cosines of the candidates' images with the real ones, (C, n, R) float64."""
    if activations.made is None or activations.real is None:
        raise UsageError("scores that compare images need an image-text encoder; name one, or score by auprc")
    return activations.made.double() @ activations.real.double().T


def _register_ranking(name: str, lower: Callable[[Tensor], Tensor]) -> None:
    """File minus a number of the ranks, which is the better the lower it is, as a score."""
    SCORERS.register(name)(lambda activations: -lower(activations.ranks))


_register_ranking("mean", mean_rank)
_register_ranking("median", median_rank)
_register_ranking("sq-mean", squared_mean)
_register_ranking("topk-sq-mean", topk_squared_mean)


@SCORERS.register("topk-compare")
def by_topk_compare(activations: CandidateActivations) -> Tensor:
    """Place by the five best squared ranks × mean cosine of the images among the top ten with the real ones.

    The release's last step. A candidate with no image among the top ten gets a negative score, lower the better its
    place is; that is the release's too.
    """
    return places(topk_squared_mean(activations.ranks)) * compare_images(activations)


@SCORERS.register("mean-compare")
def by_mean_compare(activations: CandidateActivations) -> Tensor:
    """Place by the mean rank × mean cosine, as `topk-compare`: the release's "compare_images+mean"."""
    return places(mean_rank(activations.ranks)) * compare_images(activations)


@SCORERS.register("image-products")
def by_image_products(activations: CandidateActivations) -> Tensor:
    """Mean product of the embeddings of all images of a candidate with those of the real images.

    Raters preferred a score of this name, which the release does not hold; this is the comparison of images that it
    does hold, without ranks.
    """
    return _products(activations).mean((1, 2))


@SCORERS.register("auprc")
def by_auprc(activations: CandidateActivations) -> Tensor:
    """Area under the precision-recall curve of the unit's value as a score for what shows the candidate.

    Formula: Σₙ (Rₙ − Rₙ₋₁) Pₙ over all images, those of all candidates and the others; 1 is the best
    """
    return auprc(*_pool(activations))[0]


@SCORERS.register("correlation")
def by_correlation(activations: CandidateActivations) -> Tensor:
    """Pearson's correlation of the unit's value with whether an image shows the candidate."""
    return correlation(*_pool(activations))[0]


def _pool(activations: CandidateActivations) -> tuple[Tensor, Tensor]:
    """The unit's values on all images (N, 1), and which of them show each candidate (N, C), float64."""
    if activations.shown is None:
        raise UsageError("this score needs to know which images show what, and nobody said")
    values = torch.cat([activations.values.flatten(), activations.others.to(activations.values)])
    return values.double()[:, None], activations.shown.T.double()
