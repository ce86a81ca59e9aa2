"""How alike a unit's values and a concept's cosines are, over images: the similarities of CLIP-Dissect (ICLR 2023).

Written for a unit: a its values at N images; for a concept m: P its cosines with the images. Higher is better.
`vital.describe.retrieval` goes through all concepts in blocks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vital.registry import Registry

UNITS = 128
"""Units that a thread works on at once: with a block of concepts, few enough for the cache of its core."""


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
        """Compare all units with some concepts: `cosines` (N, k) -> (U, k); `total` is that of `Sharp.total`."""


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

    def total(self, cosines: Tensor, before: Tensor | None) -> Tensor:
        """The softmax's divisor, in logarithm, with what the blocks before gave: (N,)."""
        own = (self.a * cosines).logsumexp(1)
        return own if before is None else torch.logaddexp(own, before)

    def block(self, prepared: Tensor, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Sum log p + log(s + (1 − p) / p), which is the formula, over ranks: see `_sums`.

        Sums are double: where a unit has a concept to itself, what decides lies far below single precision.
        """
        scaled = self.a * cosines
        shares = (scaled if total is None else scaled.sub_(total[:, None])).exp_().numpy()
        p = torch.linspace(self.p_start, self.p_end, self.top_k, dtype=torch.float64)[: len(prepared)]
        p.clamp_(min=1e-6)
        added = ((1 - p + self.min_prob) / p).tolist()
        tiles = [rows.numpy() for rows in torch.split(prepared, UNITS, 1)]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            sums = list(pool.map(lambda rows: _sums(rows, shares, added), tiles))
        return torch.from_numpy(np.concatenate(sums)).add_(p.log().sum())


SIMILARITIES.register("cos")(Cosine())
SIMILARITIES.register("cos-cubed")(CosineCubed())
SIMILARITIES.register("rank-reorder")(RankReorder())
SIMILARITIES.register("wpmi")(Wpmi(28, 2.0, 0.6, 1.0, 1.0))
SIMILARITIES.register("soft-wpmi")(Wpmi())


def _unit(columns: Tensor, least: float = 1e-12) -> Tensor:
    lengths: Tensor = columns.norm(dim=0)
    return columns / lengths.clamp(min=least)


def _sums(rows: NDArray[Any], shares: NDArray[Any], added: list[float]) -> NDArray[Any]:
    """Σ log(share + added) over ranks: `rows` (R, u) into `shares` (N, k) -> (u, k), in double.

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
