import numpy as np
import pytest
from scipy import stats

from vital.errors import InvalidValueError
from vital.metrics import interval
from vital.utils.random import seed_of


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    values = np.random.default_rng(0).normal(3, 1, 60)
    found = interval(values.tolist())
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=1
    ).confidence_interval
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_it_is_the_quantiles_of_the_means_of_2000_samples_of_its_seed() -> None:
    values = np.random.default_rng(0).normal(3, 1, 30)
    drawn = np.random.default_rng(seed_of("interval", 5, 30)).integers(0, 30, (2000, 30))
    wanted = np.quantile([values[rows].mean() for rows in drawn], [0.05, 0.95])
    found = interval(values.tolist(), 0.9, seed=5)
    assert (found.low, found.high) == pytest.approx(tuple(wanted), abs=1e-12)


def test_it_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [interval(rng.exponential(1, 40).tolist()) for _ in range(300)]
    assert 0.88 <= np.mean([f.low <= 1 <= f.high for f in found]) <= 0.98


def test_equal_values_give_equal_intervals_and_one_value_has_none() -> None:
    assert interval([1.0, 2.0, 4.0]) == interval([1.0, 2.0, 4.0])
    one = interval([2.5])
    assert (one.low, one.mean, one.high) == (2.5, 2.5, 2.5)


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_what_has_no_mean_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidValueError, match="finite numbers"):
        interval(values)


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.1, float("nan")])
def test_a_level_lies_between_0_and_1(level: float) -> None:
    with pytest.raises(InvalidValueError, match="level"):
        interval([1.0, 2.0], level)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.99])
def test_the_ends_are_the_quantiles_of_a_mean_at_any_level(level: float) -> None:
    values = np.random.default_rng(1).normal(0, 1, 400)
    found, reach = interval(values.tolist(), level), stats.norm.ppf((1 + level) / 2) / 400**0.5
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.02)
    assert found != interval(values.tolist(), level, seed=1)
    assert found.n == 400
