"""Whether a number says what a reader sees: how it goes with what was read right, picture by picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vital.errors import InvalidValueError
from vital.metrics.bootstrap import DRAWS, Interval
from vital.utils.random import seed_of


def agreement(
    values: Sequence[float], right: Sequence[float], level: float = 0.95, seed: int = 0
) -> Interval:
    """How a number of pictures goes with whether a reader named them right (1) or wrong (0), from −1 to 1.

    Formula: Pearson's correlation of values and right over pictures (point-biserial); ends: the (1 ± level) / 2
        quantiles of that of 2000 samples of as many pairs, drawn with replacement
    Source: Lev, Annals of Mathematical Statistics 1949; Efron, Bootstrap Methods, 1979

    `mean` of the interval is the correlation, which is positive where higher values go with right readings. Where one
    of the two is constant, it is not a number, nor are its ends; samples in which one is do not count. Pictures count
    as independent. Raises `InvalidValueError` for other than two or more pairs of a finite number with 0 or 1, and for
    a level outside (0, 1).

    >>> found = agreement([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    >>> round(found.mean, 2), found.n
    (0.99, 4)
    """
    x, y = (np.asarray(side, dtype=np.float64) for side in (values, right))
    _check(x, y, level)
    whole = _correlations(x[None], y[None])[0]
    if math.isnan(whole):
        return Interval(math.nan, math.nan, math.nan, len(x))
    drawn = np.random.default_rng(seed_of("agreement", seed, len(x))).integers(0, len(x), (DRAWS, len(x)))
    low, high = np.nanquantile(_correlations(x[drawn], y[drawn]), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(whole), float(low), float(high), len(x))


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the rows of two arrays (R, N): (R,), not a number where a row is constant."""
    varied = (np.ptp(x, axis=1) > 0) & (np.ptp(y, axis=1) > 0)
    x, y = (side - side.mean(1, keepdims=True) for side in (x, y))
    lengths = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    found: np.ndarray = np.where(varied, (x * y).sum(1) / np.where(varied, lengths, 1.0), math.nan)
    return found.clip(-1, 1)


def _check(x: np.ndarray, y: np.ndarray, level: float) -> None:
    if not 0 < level < 1:
        raise InvalidValueError(f"the level is {level}; allowed are numbers between 0 and 1")
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise InvalidValueError(
            f"values of the shape {x.shape} and readings of {y.shape} are given; allowed are two or more pairs"
        )
    if not np.isfinite(x).all():
        raise InvalidValueError("the values are not all finite; allowed are numbers")
    if not np.isin(y, (0, 1)).all():
        raise InvalidValueError(f"the readings hold {sorted(set(y.tolist()))[:8]}; allowed are 0 and 1")
