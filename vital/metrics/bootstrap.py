"""How sure a mean is: confidence intervals by bootstrap over units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vital.errors import InvalidValueError
from vital.utils.random import seed_of

DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """A mean over `n` values, with the ends of its confidence interval; both ends are the mean where n is 1."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """The mean of values with its percentile bootstrap interval.

    Formula: the (1 ± level) / 2 quantiles of the means of 2000 samples of n values, drawn with replacement
    Source: Efron, Bootstrap Methods, 1979

    The draws depend on `seed` and n alone, so that equal values give equal intervals. Raises `InvalidValueError` for no
    values, for values that are not finite, and for a level outside (0, 1).

    >>> found = interval([0.0, 1.0, 1.0, 1.0])
    >>> found.mean, found.low <= 0.75 <= found.high
    (0.75, True)
    """
    if not 0 < level < 1:
        raise InvalidValueError(f"the level is {level}; allowed are numbers between 0 and 1")
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise InvalidValueError(
            f"an interval of {list(values)[:8]} is asked for; allowed are finite numbers, at least one"
        )
    rng = np.random.default_rng(seed_of("interval", seed, len(found)))
    means = found[rng.integers(0, len(found), (DRAWS, len(found)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(found.mean()), float(low), float(high), len(found))
