import math

import numpy as np
import pytest
from scipy import stats

from vital.errors import InvalidValueError
from vital.metrics import agreement
from vital.utils.random import seed_of


def pairs(count: int = 60, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    right = rng.integers(0, 2, count)
    return gain * right + rng.normal(0, 1, count), right


def test_it_is_scipys_point_biserial_correlation_with_its_bootstrap() -> None:
    values, right = pairs()
    found = agreement(values.tolist(), right.tolist())
    assert found.mean == pytest.approx(stats.pointbiserialr(right, values).statistic)

    def correlation(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(x, y)[0, 1])

    theirs = stats.bootstrap(
        (values, right), correlation, method="percentile", paired=True, vectorized=False, rng=1, n_resamples=4000
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.04)
    assert found.n == 60


def test_its_ends_are_the_quantiles_of_2000_samples_of_its_seed() -> None:
    values, right = pairs(30)
    drawn = np.random.default_rng(seed_of("agreement", 5, 30)).integers(0, 30, (2000, 30))
    wanted = np.quantile([np.corrcoef(values[rows], right[rows])[0, 1] for rows in drawn], [0.1, 0.9])
    found = agreement(values.tolist(), right.tolist(), 0.8, seed=5)
    assert (found.low, found.high) == pytest.approx(tuple(wanted), abs=1e-12)


def test_rounding_leads_to_no_correlation_beyond_one() -> None:
    for count in range(2, 30):
        right = [i % 2 for i in range(count)]
        for gain in (0.1, -0.3):
            found = agreement([gain * r + 0.3 for r in right], right)
            assert -1 <= found.low <= found.mean <= found.high <= 1


def test_it_has_a_sign_and_ends_at_one() -> None:
    right = [0, 1, 1, 0, 1]
    assert agreement(right, right).mean == pytest.approx(1)
    assert agreement([-r for r in right], right).mean == pytest.approx(-1)
    assert agreement(right, right).low == pytest.approx(1)


@pytest.mark.parametrize(("values", "right"), [([0.5, 0.5, 0.5], [0, 1, 1]), ([0.1, 0.2, 0.3], [1, 1, 1])])
def test_where_one_of_them_is_constant_it_is_not_a_number(values, right) -> None:
    found = agreement(values, right)
    assert all(math.isnan(number) for number in (found.mean, found.low, found.high))
    assert found.n == 3


def test_equal_pairs_give_equal_intervals_and_few_pairs_have_finite_ends() -> None:
    values, right = pairs(8)
    assert agreement(values.tolist(), right.tolist()) == agreement(values.tolist(), right.tolist())
    assert math.isfinite(agreement([0.1, 0.9], [0, 1]).low)


@pytest.mark.parametrize(
    ("values", "right", "level", "says"),
    [
        ([0.1], [1], 0.95, "two or more"),
        ([0.1, 0.2], [1, 0, 1], 0.95, "two or more"),
        ([0.1, math.nan], [1, 0], 0.95, "finite"),
        ([0.1, 0.2], [1, 0.5], 0.95, "allowed are 0 and 1"),
        ([0.1, 0.2], [1, 0], 1.0, "level"),
        ([0.1, 0.2], [1, 0], 0.0, "level"),
        ([0.1, 0.2], [1, 0], math.nan, "level"),
    ],
)
def test_what_does_not_correlate_is_refused(values, right, level, says) -> None:
    with pytest.raises(InvalidValueError, match=says):
        agreement(values, right, level)
