"""How like two sets of pictures are in the features of a network: Fréchet and kernel distance, paths, diversity."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vital.data.imageset import evenly
from vital.errors import InvalidValueError


class _AsTheyAre(nn.Module):
    """An extractor for torchmetrics that is given features and hands them on."""

    def __init__(self, width: int) -> None:
        nn.Module.__init__(self)
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        """Give the features."""
        return features


def frechet_distance(features: Tensor, real: Tensor) -> float:
    """The Fréchet distance between normal distributions fitted to two sets of features, (B, D) and (N, D).

    Formula: |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½)
    Source: Heusel et al., NeurIPS 2017; worked out by torchmetrics

    0 for equal sets, in squared units of the features. It depends on the extractor and on both numbers of pictures, and
    is biased upwards for few: name them with it. Raises `InvalidValueError` for fewer than two pictures.

    >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    >>> round(frechet_distance(x + 2, x), 3)
    16.0
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    _check(features, real)
    metric = FrechetInceptionDistance(_AsTheyAre(features.shape[1]))
    return _compared(metric, features, real)


def kernel_distance(features: Tensor, real: Tensor) -> float:
    """The squared maximum mean discrepancy of two sets of features under a polynomial kernel of degree 3.

    Formula: mean k(x, x') + mean k(y, y') − 2 mean k(x, y), pairs of one picture left out, k(x, y) = (x·y / D + 1)³
    Source: kernel inception distance, Bińkowski et al., ICLR 2018; worked out by torchmetrics

    Unbiased for any number of pictures, so that it may fall below 0. All of the smaller set are compared with as many
    of the other, spread evenly. Raises `InvalidValueError` for fewer than two pictures.

    >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    >>> kernel_distance(x + 2, x) > kernel_distance(x + 1, x) > 0
    True
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    _check(features, real)
    count = min(len(features), len(real))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it keeps features, which are here already
        metric = KernelInceptionDistance(_AsTheyAre(features.shape[1]), subsets=1, subset_size=count)
    return _compared(metric, *(one[evenly(len(one), count)] for one in (features, real)))


def _compared(metric: Any, features: Tensor, real: Tensor) -> float:
    with torch.random.fork_rng(devices=[]):
        metric.update(real.detach().cpu().double(), real=True)
        metric.update(features.detach().cpu().double(), real=False)
        found = metric.compute()
    return float(found[0] if isinstance(found, tuple) else found)


def _check(features: Tensor, real: Tensor) -> None:
    shapes = tuple(features.shape), tuple(real.shape)
    if features.ndim != 2 or real.ndim != 2 or shapes[0][1] != shapes[1][1]:
        raise InvalidValueError(
            f"features of the shapes {shapes[0]} and {shapes[1]} cannot be compared; allowed are (N, D)"
        )
    if min(shapes[0][0], shapes[1][0]) < 2:
        raise InvalidValueError(
            f"{shapes[0][0]} and {shapes[1][0]} pictures are compared; allowed are two or more of each"
        )


APART = 0.001
"""How much more alike natural images of a unit must be than those of others, at a layer on average, to tell paths."""
SPREAD = 1.0
"""How far natural images of a unit may lie from 1 on their own scale, as a standard deviation, to tell paths."""


def path_similarity(
    picture: Mapping[str, Tensor], natural: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> float:
    """Whether a picture takes the way of natural images of its unit through the layers.

    Formula: Σ (r(x, n) − r(n, o)) / Σ (r(n, n′) − r(n, o)) over layers, r the mean Pearson correlation over pairs
    Source: after Geirhos et al., Don't trust your eyes, 2023

    Each mapping goes from a layer to the activations of some images, one number per channel: x of the picture (1, C),
    n of natural images of the unit (N, C), n′ others of these, o of natural images of other units (M, C). 1 says that
    the picture is processed like a natural image of the unit, 0 like one of another unit; beyond both is possible. A
    layer counts by how far it tells units apart. Where all together do not (`APART`), or where natural images of the
    unit, each held against the others, spread too far around 1 (`SPREAD`), the answer is not a number.
    Raises `InvalidValueError` for fewer than two natural images, and for none of other units.

    >>> n = {"a": torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.1]])}
    >>> round(path_similarity({"a": n["a"][:1]}, n, {"a": torch.tensor([[3.0, 1.0, 0.0], [2.0, 1.0, 0.5]])}), 2)
    1.0
    """
    if empty := [layer for layer, acts in other.items() if not len(acts)]:
        raise InvalidValueError(f"no image of another unit is given at {empty[0]!r}; allowed are 1 and more")
    return similarity_to_way(
        picture, natural, {layer: way_sum(acts) / len(acts) for layer, acts in other.items()}
    )


def way_sum(acts: Tensor) -> Tensor:
    """The sum of activations (N, C), each brought to mean 0 and length 1: (C,).

    Over the number of images, and multiplied with such an activation, it is the mean Pearson correlation with them.
    Sums of several units add up, so that what is usual for all others is their sum without the unit's own.

    >>> way_sum(torch.tensor([[1.0, -1.0], [3.0, 1.0]])).numpy().round(3)
    array([ 1.414, -1.414])
    """
    return _standard(acts).sum(0)


def similarity_to_way(
    picture: Mapping[str, Tensor], natural: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> float:
    """Work out `path_similarity` where `other` holds the `way_sum` of natural images of other units over their number.

    Raises `InvalidValueError` for fewer than two natural images.
    """
    way, widths = 0.0, torch.zeros(1, dtype=torch.double)
    for layer, own in natural.items():
        if len(own) < 2:
            raise InvalidValueError(
                f"{len(own)} natural images are given at {layer!r}; allowed are 2 and more"
            )
        x, n = _standard(picture[layer]), _standard(own)
        between = n @ n.T
        alike, apart = (between.sum(1) - between.diagonal()) / (len(n) - 1), n @ other[layer]
        way, widths = way + float((x @ n.T).mean() - apart.mean()), widths + alike - apart
    width = float(widths.mean())
    told = width > APART * len(natural) and float(widths.std()) <= SPREAD * width
    return way / width if told else math.nan


def _standard(acts: Tensor) -> Tensor:
    """Rows of mean 0 and length 1, so that products are Pearson correlations; rows of equal numbers become 0."""
    centered = acts.double() - acts.double().mean(1, keepdim=True)
    length: Tensor = centered.norm(dim=1, keepdim=True)
    return centered / length.clamp_min(1e-12)


def diversity(features: Tensor) -> float:
    """How much pictures of one unit differ: the mean cosine distance between their features (S, D), from 0 to 2.

    >>> diversity(torch.eye(3))
    1.0
    """
    if len(features) < 2:
        raise InvalidValueError(
            f"the diversity of {len(features)} pictures is asked for; allowed are two or more"
        )
    unit = nn.functional.normalize(features.double(), dim=1)
    pairs = torch.combinations(torch.arange(len(unit)))
    return float((1 - (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(1)).mean())


def rank_of(scores: Tensor, wanted: Tensor) -> Tensor:
    """The rank of the wanted column among scores (B, K), 1 for the highest; ties count against it: (B,).

    >>> rank_of(torch.tensor([[0.1, 0.7, 0.2]]), torch.tensor([2])).tolist()
    [2]
    """
    own = scores.gather(1, wanted.to(scores.device)[:, None])
    ranks: Tensor = (scores >= own).sum(1)
    return ranks
