from __future__ import annotations

import pytest
import torch

from vital.errors import InvalidValueError
from vital.params import LowRes


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_canvas_is_the_sum_of_the_upsampled_grids() -> None:
    made = LowRes((8, 8), 1, factors=(8, 1), sd=1.0)
    start = made.init(generator())
    torch.testing.assert_close(made.paint(start), start["by 8"] + start["by 1"])


def test_a_coarse_grid_has_no_fine_detail() -> None:
    made = LowRes(32, factors=(8,), sd=1.0)
    power = torch.fft.rfft2(made.paint(made.init(generator()))).abs().square()[0, 0]
    assert float(power[12:20, 12:].sum()) < 1e-3 * float(power[:3, :3].sum())


def test_factors_down_to_one_reach_every_canvas() -> None:
    canvas = torch.randn(1, 3, 9, 7, generator=generator(), dtype=torch.float64)
    made = LowRes((9, 7), factors=(4, 2, 1))
    torch.testing.assert_close(made.paint(made.unpaint(canvas)), canvas)


def test_the_fit_is_the_best_on_the_finest_grid() -> None:
    canvas = torch.randn(1, 1, 9, 8, generator=generator(), dtype=torch.float64)
    made = LowRes((9, 8), 1, factors=(3, 6))
    fitted = made.unpaint(canvas)["by 3"].requires_grad_()
    loss = (made.paint({"by 3": fitted, "by 6": canvas.new_zeros(1, 1, 2, 2)}) - canvas).square().sum()
    (gradient,) = torch.autograd.grad(loss, fitted)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-10)


@pytest.mark.parametrize("factors", [(), (2, 2), (4, 0)])
def test_impossible_factors_are_refused_in_one_sentence(factors: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError) as caught:
        LowRes(8, factors=factors)
    wanted = f"the factors are {factors}; allowed are different whole numbers from 1, at least one"
    assert str(caught.value) == wanted
