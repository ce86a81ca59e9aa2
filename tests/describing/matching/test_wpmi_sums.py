from __future__ import annotations

import pytest
import torch

from vital.describing.matching.wpmi_sums import ERROR, Ranks, exact, series, weights_of

C = tuple(((1 - p) / p) for p in torch.linspace(0.998, 0.97, 100, dtype=torch.float64).tolist())


@pytest.mark.parametrize("largest", [0.0, 1e-5, 3e-4, 1e-3, 2e-3])
def test_a_series_misses_the_logarithms_by_less_than_it_says(largest: float) -> None:
    draw = torch.Generator().manual_seed(1)
    shares = torch.rand(500, 40, generator=draw) * largest
    shares[:3, :3] = largest
    rows = torch.randint(500, (100, 30), generator=draw)
    rows[:3, 0] = torch.arange(3)  # the strongest images show a concept as much as can be
    found = series(Ranks(rows), [shares[:, :7], shares[:, 7:]], C)
    if found is None:
        assert largest > 1e-3
        return
    wanted = (shares.double()[rows] / torch.tensor(C, dtype=torch.float64)[:, None, None]).log1p().sum(0)
    assert (found - wanted).abs().amax() < ERROR


def test_a_series_has_as_few_powers_as_hold_the_error() -> None:
    counts = [len(weights_of(C, largest) or ()) for largest in (1e-9, 3e-4, 1e-3)]
    assert counts[0] == 1 < counts[1] < counts[2]


def test_sums_by_logarithms_are_their_formula() -> None:
    shares = torch.rand(50, 9, generator=torch.Generator().manual_seed(2))
    rows = torch.randint(50, (100, 300), generator=torch.Generator().manual_seed(3))
    wanted = (shares.double()[rows] + torch.tensor(C, dtype=torch.float64)[:, None, None]).log().sum(0)
    assert torch.allclose(exact(rows, shares, list(C)), wanted, rtol=0, atol=1e-4)


def test_a_constant_of_nothing_is_summed_too() -> None:
    shares = torch.rand(50, 9, generator=torch.Generator().manual_seed(2))
    rows = torch.randint(50, (3, 20), generator=torch.Generator().manual_seed(3))
    wanted = shares.double()[rows].log().sum(0)
    assert torch.allclose(exact(rows, shares, [0.0, 0.0, 0.0]), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("added", [1e-6, 0.5, 1.0, 1e6])
def test_products_neither_vanish_nor_overflow(added: float) -> None:
    shares = torch.rand(50, 9, generator=torch.Generator().manual_seed(2))
    rows = torch.randint(50, (100, 20), generator=torch.Generator().manual_seed(3))
    wanted = (shares.double()[rows] + added).log().sum(0)
    torch.testing.assert_close(exact(rows, shares, [added] * 100), wanted, rtol=1e-5, atol=1e-3)
