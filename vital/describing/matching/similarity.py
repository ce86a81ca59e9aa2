"""How alike a unit's values and a concept's cosines are, over images: the similarities of CLIP-Dissect (ICLR 2023).

Written for a unit: a its values at N images; for a concept m: P its cosines with the images. Higher is better.
`vital.describing.matching.search` goes through all concepts in blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vital.describing.matching.wpmi_sums import TILE, Ranks, exact, series
from vital.errors import InvalidValueError
from vital.utils.registry import Registry

SINGLE = 40.0
"""Up to this `a`, single precision holds exp(a P) for all cosines."""


SHARPEST = 350.0
"""Up to this `a`, double precision holds exp(a (P − 1))."""


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

    def floor(self, prepared: Any) -> float:
        """Give what is to be added to all that `block` returns."""
        del prepared
        return 0.0


SIMILARITIES: Registry[Similarity] = Registry("similarity")


@dataclass(frozen=True)
class Cosine(Similarity):
    """Cosine of values and cosines, not centered.

    Formula: Σ a P / (‖a‖ ‖P‖)
    """

    def prepared(self, values: Tensor) -> Tensor:
        """The values, of length 1."""
        return _unit(values)

    def block(self, prepared: Tensor, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Compare."""
        del total
        return (prepared.T @ cosines).div_(_lengths(cosines))


@dataclass(frozen=True)
class CosineCubed(Similarity):
    """Cosine of the cubes, both centered first: the strongest images count most.

    Formula: Σ (a − ā)³ (P − P̄)³ / (‖(a − ā)³‖ ‖(P − P̄)³‖), no length below `min_norm`
    """

    min_norm: float = 1e-3

    def prepared(self, values: Tensor) -> Tensor:
        """The centered and cubed values, of length 1."""
        return _unit((values - values.mean(0)) ** 3, self.min_norm)

    def block(self, prepared: Tensor, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Compare."""
        del total
        centered = cosines - cosines.mean(0)
        cubes = (centered * centered).mul_(centered)
        return (prepared.T @ cubes).div_(_lengths(cubes, self.min_norm))


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
            own = cosines[rows].T.contiguous()
            order = own.argsort(dim=1, descending=True, stable=True)
            moved = torch.empty_like(own).scatter_(1, order, values.to(own).expand_as(own))
            off = moved.sub_(values).abs_().pow_(self.p).mean(1)
            found.append(-off / apart.clamp(min=1e-12) / own.mean(1).clamp(min=1e-3) ** self.scale_p)
        return torch.stack(found)


@dataclass(frozen=True)
class Wpmi(Similarity):
    """Weighted pointwise mutual information; soft where the strongest images belong to the unit with a probability.

    Formula: Σᵢ log(1 + pᵢ (sᵢ − 1)) − lam · log(mean over the layer's units of exp of that sum), s = softmax of a·P

    over the `top_k` strongest images i = 0, 1, …, with pᵢ = p_start − (p_start − p_end) i / top_k: `p_end` is what the
    next image would have. The softmax runs over all concepts, `min_prob` is added within the logarithm. With p = 1 it
    is the hard form. With fewer images than `top_k` all of them count.
    """

    top_k: int = 100
    a: float = 10.0
    lam: float = 1.0
    p_start: float = 0.998
    p_end: float = 0.97
    min_prob: float = 1e-7

    def __post_init__(self) -> None:
        """Raise `InvalidValueError` for an `a` with which exp(a (P − 1)) is no number in double."""
        if not 0 < self.a <= SHARPEST:
            raise InvalidValueError(f"a is {self.a:g}; allowed are numbers above 0, up to {SHARPEST:g}")

    def prepared(self, values: Tensor) -> Ranks:
        """The strongest images of each unit, strongest first."""
        return Ranks(values.T.contiguous().topk(min(self.top_k, len(values))).indices.T.contiguous())

    def odds(self, scaled: Tensor) -> Tensor:
        """What shares are in proportion to, in place of a P: its exponential; in double where a is large."""
        return scaled.exp_() if self.a <= SINGLE else scaled.double().sub_(self.a).exp_()

    def total(self, odds: Tensor, before: Tensor | None) -> Tensor:
        """The softmax's divisor, with what the blocks before gave: (N,)."""
        own = odds.sum(1).double()
        return own if before is None else own + before

    def added(self, count: int) -> Tensor:
        """Give c = (1 − p + min_prob) / p of the first `count` ranks."""
        p = self.belonging(count)
        return (1 - p + self.min_prob) / p

    def belonging(self, count: int) -> Tensor:
        """Give p of the first `count` ranks, which counts as at least 10⁻⁶.

        >>> round(float(Wpmi().belonging(100)[-1]), 5)
        0.97028
        """
        falling = torch.arange(count, dtype=torch.float64) / self.top_k * (self.p_start - self.p_end)
        return (self.p_start - falling).clamp_(min=1e-6)

    def floor(self, prepared: Ranks) -> float:
        """Give Σ log(1 − p + min_prob), the sum of a concept without any share; Σ log p where that is no number."""
        added = self.added(len(prepared.rows))
        whole = self.belonging(len(prepared.rows)).log().sum()
        return float(whole + added.log().sum() if added.min() > 0 else whole)

    def block(self, prepared: Ranks, cosines: Tensor, total: Tensor | None) -> Tensor:
        """Sum log(1 + s / c) over ranks, which with `floor` is the formula; `cosines` are odds already.

        Where all shares are small, which they are among thousands of concepts, a series does (`series`). Elsewhere
        sums are double: where a unit has a concept to itself, what decides lies far below single precision (`exact`).
        """
        whole = cosines.new_ones(len(cosines), 1) if total is None else total.to(cosines.dtype)[:, None]
        added = self.added(len(prepared.rows))
        if self.a <= SINGLE and added.min() > 0:
            tiles = (tile / whole for tile in torch.split(cosines, TILE, 1))
            sums = series(prepared, tiles, tuple(added.tolist()))
            if sums is not None:
                return sums
        found = exact(prepared.rows, cosines / whole, added.tolist())
        return found.sub_(added.log().sum()) if added.min() > 0 else found


SIMILARITIES.register("cos")(Cosine())
SIMILARITIES.register("cos-cubed")(CosineCubed())
SIMILARITIES.register("rank-reorder")(RankReorder())
SIMILARITIES.register("wpmi")(Wpmi(28, 2.0, 0.6, 1.0, 1.0))
SIMILARITIES.register("soft-wpmi")(Wpmi())


def _unit(columns: Tensor, least: float = 1e-12) -> Tensor:
    lengths: Tensor = columns.norm(dim=0)
    return columns / lengths.clamp(min=least)


def _lengths(cosines: Tensor, least: float = 1e-12) -> Tensor:
    """Lengths of columns without large numbers, several times as fast as norms."""
    squares: Tensor = torch.linalg.vecdot(cosines, cosines, dim=0)
    return squares.sqrt_().clamp_(min=least)
