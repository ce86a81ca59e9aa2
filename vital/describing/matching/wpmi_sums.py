"""Sums of log(share + constant) over the strongest images of units, which soft-WPMI is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

UNITS = 128
"""Units that a thread works on at once: with a block of concepts, few enough for the cache of its core."""

TILE = 32
"""Concepts whose powers are summed at once: the shares of ten thousand images with them stay near a core."""

ERROR = 2e-5
"""The most by which a series may miss the sum over a unit's images, where all its shares are as far off as can be."""

STEPS = 4
"""Series are worked out for largest shares of 2 to the power of a multiple of one over this."""

POWERS = 6
"""Series have at most so many; more take longer than logarithms."""


class Ranks:
    """The strongest images of units, strongest first, as `rows` (R, U), in the forms that sums of powers take them."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self._images: dict[int, Tensor] = {}
        self._weights: dict[tuple[float, ...], list[Tensor]] = {}

    def images(self, count: int) -> Tensor:
        """The first ranks of each unit: (U, count)."""
        if count not in self._images:
            self._images[count] = self.rows[:count].T.to(torch.int32, copy=True).contiguous()
        return self._images[count]

    def weights(self, added: tuple[float, ...], largest: float) -> list[Tensor] | None:
        """What `weights_of` gives, for each of the units: tensors (U, count)."""
        found = weights_of(added, largest)
        if found is None:
            return None
        if (key := (largest, *added)) not in self._weights:
            self._weights[key] = [one.expand(self.rows.shape[1], len(one)).contiguous() for one in found]
        return self._weights[key]


def series(ranks: Ranks, tiles: Iterable[Tensor], added: tuple[float, ...]) -> Tensor | None:
    """Σ log(1 + share / added) over ranks by powers of the shares: tiles (N, k) -> (U, Σ k); None where too large.

    Formula: Σᵢ log(1 + sᵢ / cᵢ) ≈ Σₖ Σᵢ wₖ(cᵢ) sᵢᵏ
    """
    weighed = []
    for tile in tiles:
        weights = ranks.weights(added, _step(float(tile.amax())))
        if weights is None:
            return None
        weighed.append((tile, weights))
    found = []
    for tile, own in weighed:
        sums, power = torch.zeros(ranks.rows.shape[1], tile.shape[1]), tile
        for number, weight in enumerate(own):
            power = tile * tile if number == 1 else power.mul_(tile) if number else tile
            sums += embedding_bag(ranks.images(weight.shape[1]), power, mode="sum", per_sample_weights=weight)
        found.append(sums)
    return torch.cat(found, 1)


def _step(largest: float) -> float:
    """Round a largest share up to one of those that series are worked out for."""
    return float(2 ** (math.ceil(STEPS * math.log2(max(largest, 1e-12))) / STEPS))


@lru_cache(maxsize=256)
def weights_of(added: tuple[float, ...], largest: float) -> tuple[Tensor, ...] | None:
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


def exact(prepared: Tensor, shares: Tensor, added: list[float]) -> Tensor:
    """Σ log(share + added) over ranks: images (R, U) of `shares` (N, k) -> (U, k), in double; by threads."""
    tiles, values = [rows.numpy() for rows in torch.split(prepared, UNITS, 1)], shares.numpy()
    if len(tiles) == 1:
        return torch.from_numpy(_tile(tiles[0], values, added))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = list(pool.map(lambda rows: _tile(rows, values, added), tiles))
    return torch.from_numpy(np.concatenate(found))


def _tile(rows: NDArray[Any], shares: NDArray[Any], added: list[float]) -> NDArray[Any]:
    """`exact` for few units.

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
    least = max(min(added), float(np.finfo(dtype).tiny))
    widest = max(-math.log10(least), math.log10(1 + max(added)))
    return max(1, int(-math.log10(np.finfo(dtype).tiny) / widest))
