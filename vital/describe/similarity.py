"""How alike a unit's values and a concept's cosines are, over images: the similarities of CLIP-Dissect (ICLR 2023).

Written for a unit: a its values at N images; for a concept m: P its cosines with the images. Higher is better.
`vital.describe.retrieval` goes through all concepts in blocks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from vital.registry import Registry

UNITS = 128
"""Units that a thread works on at once: with a block of concepts, few enough for the cache of its core."""

ERROR = 2e-5
"""The most by which a series may miss the sum over a unit's images, where all its shares are as far off as can be."""

SINGLE = 40.0
"""Up to this `a`, single precision holds exp(a (P − 1)) for all cosines."""

STEPS = 4
"""Series are worked out for largest shares of 2 to the power of a multiple of one over this."""

POWERS = 6
"""Series have at most so many; more take longer than logarithms."""


class Similarity(ABC):
    """A way to compare units and concepts; a frozen dataclass whose defaults are the published ones.

    `lam` weighs the prior of a concept, which is what the whole layer says of it; 0 where there is none.
    """

    lam: float = 0.0

    @abstractmethod
    def prepared(self, values: Tensor) -> Any:
        """What is worked out once for the units with `values` (N, U)."""

    @abstractmethod
    def block(self, prepared: Any, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Compare all units with some concepts: `cosines` (N, k) -> (U, k); `total` is that of `Wpmi.total`."""


SIMILARITIES: Registry[Similarity] = Registry("similarity")


@dataclass(frozen=True)
class Cosine(Similarity):
    """Cosine of values and cosines, not centred.

    Formula: Σ a P / (‖a‖ ‖P‖)
    """

    def prepared(self, values: Tensor) -> Tensor:
        """The values, of length 1."""
        return _unit(values)

    def block(self, prepared: Tensor, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Compare."""
        del total
        return prepared.T @ _unit(cosines)


@dataclass(frozen=True)
class CosineCubed(Similarity):
    """Cosine of the cubes, both centred first: the strongest images count most.

    Formula: Σ (a − ā)³ (P − P̄)³ / (‖(a − ā)³‖ ‖(P − P̄)³‖), no length below `min_norm`
    """

    min_norm: float = 1e-3

    def prepared(self, values: Tensor) -> Tensor:
        """The centred and cubed values, of length 1."""
        return _unit((values - values.mean(0)) ** 3, self.min_norm)

    def block(self, prepared: Tensor, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Compare."""
        del total
        return prepared.T @ _unit((cosines - cosines.mean(0)) ** 3, self.min_norm)


@dataclass(frozen=True)
class RankReorder(Similarity):
    """How little the strongest values change when they are put into the order of the cosines.

    Formula: −[mean |a_i − a_r(i)|^p / mean over all i, j |a_i − a_j|^p] / (mean P)^scale_p

    over the `top_fraction` strongest images, a_r(i) being the value whose rank is that of P_i. The divisor is what a
    random order gives on average, worked out exactly rather than from five draws; the mean cosine counts as at least
    10⁻³.
    """

    top_fraction: float = 0.05
    p: float = 3.0
    scale_p: float = 0.5

    def prepared(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The strongest images (n, U), their values, and what a random order gives (U,)."""
        count = min(len(values), max(2, int(self.top_fraction * len(values))))
        top = values.T.contiguous().topk(count)
        apart = torch.stack([(v[:, None] - v).abs().pow(self.p).mean() for v in top.values])
        return top.indices.T, top.values.T, apart

    def block(self, prepared: tuple[Tensor, Tensor, Tensor], cosines: Tensor, total: Tensor | None) -> Tensor:
        """Compare, unit by unit."""
        del total
        found = []
        for rows, values, apart in zip(prepared[0].T, prepared[1].T, prepared[2], strict=True):
            own = cosines[rows]
            ranks = own.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
            off = (values[:, None] - values[ranks]).abs().pow(self.p).mean(0)
            found.append(-off / apart.clamp(min=1e-12) / own.mean(0).clamp(min=1e-3) ** self.scale_p)
        return torch.stack(found)


@dataclass(frozen=True)
class Wpmi(Similarity):
    """Weighted pointwise mutual information; soft where the strongest images belong to the unit with a probability.

    Formula: Σᵢ log(1 + pᵢ (sᵢ − 1)) − lam · log(mean over the layer's units of exp of that sum), s = softmax of a·P

    over the `top_k` strongest images i, pᵢ falling in a line from `p_start` to `p_end`, the softmax running over all
    concepts. `min_prob` is added within the logarithm. With p = 1 it is the hard form. With fewer images than `top_k`
    all of them count.
    """

    top_k: int = 100
    a: float = 10.0
    lam: float = 1.0
    p_start: float = 0.998
    p_end: float = 0.97
    min_prob: float = 1e-7

    def prepared(self, values: Tensor) -> Tensor:
        """The strongest images of each unit, strongest first: (top_k, U)."""
        return values.T.contiguous().topk(min(self.top_k, len(values))).indices.T.contiguous()

    def odds(self, cosines: Tensor) -> Tensor:
        """What shares are in proportion to, in place of the cosines: exp(a (P − 1)); in double where a is large."""
        scaled = cosines.sub_(1).mul_(self.a) if self.a <= SINGLE else self.a * (cosines.double() - 1)
        return scaled.exp_()

    def total(self, odds: Tensor, before: Tensor | None) -> Tensor:
        """The softmax's divisor, with what the blocks before gave: (N,)."""
        own = odds.sum(1).double()
        return own if before is None else own + before

    def block(self, prepared: Tensor, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Sum log p + log(s + (1 − p) / p), which is the formula, over ranks; `cosines` are odds already.

        Where all shares are small, which they are among thousands of concepts, a series does (`_series`). Elsewhere
        sums are double: where a unit has a concept to itself, what decides lies far below single precision (`_sums`).
        """
        shares = cosines if total is None else cosines / total.to(cosines.dtype)[:, None]
        p = torch.linspace(self.p_start, self.p_end, self.top_k, dtype=torch.float64)[: len(prepared)]
        p.clamp_(min=1e-6)
        added = (1 - p + self.min_prob) / p
        small = self.a <= SINGLE and bool(added.min() > 0)
        sums = _series(prepared, shares, tuple(added.tolist())) if small else None
        return (_sums(prepared, shares, added.tolist()) if sums is None else sums).add_(p.log().sum())


SIMILARITIES.register("cos")(Cosine())
SIMILARITIES.register("cos-cubed")(CosineCubed())
SIMILARITIES.register("rank-reorder")(RankReorder())
SIMILARITIES.register("wpmi")(Wpmi(28, 2.0, 0.6, 1.0, 1.0))
SIMILARITIES.register("soft-wpmi")(Wpmi())


def _unit(columns: Tensor, least: float = 1e-12) -> Tensor:
    lengths: Tensor = columns.norm(dim=0)
    return columns / lengths.clamp(min=least)


def _series(rows: Tensor, shares: Tensor, added: tuple[float, ...]) -> Tensor | None:
    """Σ log(share + added) over ranks by powers of the shares: as `_sums`; None where shares are too large for it.

    Formula: Σᵢ log(cᵢ + sᵢ) ≈ Σᵢ log cᵢ + Σₖ Σᵢ wₖ(cᵢ) sᵢᵏ
    """
    largest = max(float(shares.amax()), 1e-12)
    weights = _weights(added, 2 ** (math.ceil(STEPS * math.log2(largest)) / STEPS))
    if weights is None:
        return None
    images, power = rows.T.contiguous(), shares
    sums = torch.zeros(len(images), shares.shape[1])
    for number, weight in enumerate(weights):
        power = shares * shares if number == 1 else power.mul_(shares) if number else shares
        own = images[:, : len(weight)].contiguous()
        sums += embedding_bag(own, power, mode="sum", per_sample_weights=weight.expand_as(own))
    return sums.double().add_(sum(map(math.log, added)))


@lru_cache(maxsize=256)
def _weights(added: tuple[float, ...], largest: float) -> tuple[Tensor, ...] | None:
    """Weights of the powers of s, from the first on, that sum up to log(1 + s / c) for each c of `added`.

    They are least squares over s up to `largest`. Each c has as few powers as hold its part of `ERROR`; those of a
    power end with the last c that has it. None where `POWERS` do not hold it.
    """
    part = torch.logspace(-4, 0, 200, dtype=torch.float64)[:, None]
    wanted = torch.log1p(part * largest / torch.tensor(added, dtype=torch.float64))
    found = torch.zeros(POWERS, len(added), dtype=torch.float64)
    left = torch.ones(len(added), dtype=torch.bool)
    for count in range(1, POWERS + 1):
        powers = part ** torch.arange(1, count + 1)
        own = torch.linalg.lstsq(powers, wanted).solution
        found[:count, left] = (own / largest ** torch.arange(1, count + 1)[:, None])[:, left]
        left = left & ((powers @ own - wanted).abs().amax(0) > ERROR / len(added))
    if left.any():
        return None
    ends = [int(row.nonzero().amax()) + 1 for row in found if row.any()]
    return tuple(row[:end].float() for row, end in zip(found, ends, strict=False))


def _sums(prepared: Tensor, shares: Tensor, added: list[float]) -> Tensor:
    """Σ log(share + added) over ranks: images (R, U) of `shares` (N, k) -> (U, k), in double; by threads."""
    tiles, values = [rows.numpy() for rows in torch.split(prepared, UNITS, 1)], shares.numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = list(pool.map(lambda rows: _tile(rows, values, added), tiles))
    return torch.from_numpy(np.concatenate(found))


def _tile(rows: NDArray[Any], shares: NDArray[Any], added: list[float]) -> NDArray[Any]:
    """`_sums` for few units.

    A logarithm is taken of the product of as many factors as the precision of `shares` holds. The arrays worked in
    stay in a core's cache, and numpy lets other threads work meanwhile.
    """
    found = np.zeros((rows.shape[1], shares.shape[1]))
    factor = np.empty(found.shape, shares.dtype)
    product = np.empty_like(factor)
    together = _together(added, shares.dtype)
    for first in range(0, len(rows), together):
        product.fill(1.0)
        for row, one in zip(rows[first : first + together], added[first : first + together], strict=True):
            np.take(shares, row, axis=0, out=factor, mode="clip")  # other modes copy `out`
            np.add(factor, one, out=factor)
            np.multiply(product, factor, out=product)
        found += np.log(product, out=product)
    return found


def _together(added: list[float], dtype: np.dtype[Any]) -> int:
    """Factors from min(added) to 1 + max(added) whose product neither vanishes nor overflows."""
    widest = max(-math.log10(min(added)), math.log10(1 + max(added)))
    return max(1, int(-math.log10(np.finfo(dtype).tiny) / widest))
