from __future__ import annotations

import numpy as np
import pytest
import torch

from vital import params as par
from vital.errors import InvalidValueError
from vital.params.base import falloff, fit, normal

SIZED = (par.Pixels, par.Fourier, par.Phase, par.LowRes, par.CPPN)


@pytest.mark.parametrize("kind", SIZED)
@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0"), ((4, -1), "(4, -1)"), ((1, 2, 3), "(1, 2, 3)"), (2.5, "2.5"), ("8", "'8'")]
)
def test_an_impossible_size_is_refused_in_one_sentence(kind: type, size: object, shown: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        kind(size)
    wanted = f"the image size is {shown}; allowed are a whole number from 1, or a pair (height, width)"
    assert str(caught.value) == wanted


@pytest.mark.parametrize("kind", SIZED)
def test_no_channels_are_refused_in_one_sentence(kind: type) -> None:
    with pytest.raises(InvalidValueError) as caught:
        kind(4, channels=0)
    assert str(caught.value) == "the number of channels is 0; allowed are whole numbers from 1"


@pytest.mark.parametrize("kind", [par.Pixels, par.Fourier, par.LowRes])
def test_an_impossible_spread_is_refused_in_one_sentence(kind: type) -> None:
    with pytest.raises(InvalidValueError) as caught:
        kind(4, sd=-1.0)
    assert str(caught.value) == "the spread sd of the start is -1.0; allowed are numbers from 0"


@pytest.mark.parametrize("kind", SIZED)
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_number_of_channels_decodes(kind: type, channels: int) -> None:
    made = kind((5, 6), channels=channels)
    start = made.init(torch.Generator().manual_seed(0))
    assert made.decode(start).shape == (1, channels, 5, 6)


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 7), (1, 1), (6, 1)])
def test_falloff_is_the_power_of_the_frequency(height: int, width: int) -> None:
    lengths = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2)
    wanted = np.maximum(lengths, 1 / max(height, width)) ** -1.5
    made = falloff(height, width, 1.5, torch.float64, torch.device("cpu"))
    np.testing.assert_allclose(made.numpy(), wanted)


def test_a_falloff_made_in_inference_mode_serves_the_gradient_later() -> None:
    made = par.Fourier((3, 11))
    with torch.inference_mode():
        made.decode(made.init(torch.Generator().manual_seed(0)))
    spectrum = made.init(torch.Generator().manual_seed(0))["spectrum"].requires_grad_()
    made.decode({"spectrum": spectrum}).sum().backward()
    assert spectrum.grad is not None


def test_normal_draws_the_spread_asked_for_whatever_the_default_type() -> None:
    before = torch.get_default_dtype()
    first = normal(torch.Generator().manual_seed(0), (1, 10_000), 0.3)
    torch.set_default_dtype(torch.float64)
    try:
        second = normal(torch.Generator().manual_seed(0), (1, 10_000), 0.3)
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(first, second)
    assert abs(float(first.std()) - 0.3) < 0.01


def test_fit_leaves_the_start_alone_and_works_under_no_grad() -> None:
    start = {"x": torch.zeros(1, 3)}
    with torch.no_grad():
        made = fit(lambda p: p["x"], start, torch.tensor([[0.1, 0.2, -0.3]]))
    assert bool((start["x"] == 0).all())
    torch.testing.assert_close(made["x"], torch.tensor([[0.1, 0.2, -0.3]]), rtol=0, atol=1e-3)


def test_fit_is_adam_whose_rate_falls_along_a_cosine() -> None:
    target = torch.tensor([[3.0, -1.0]], dtype=torch.float64)
    moved = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([moved], lr=0.2)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=7)
    for _ in range(7):
        adam.zero_grad()
        (moved - target).square().mean().backward()
        adam.step()
        rates.step()
    made = fit(lambda p: p["x"], {"x": torch.zeros(1, 2)}, target, steps=7, lr=0.2)
    torch.testing.assert_close(made["x"], moved.detach())


def test_fit_takes_400_steps_of_at_most_a_twentieth() -> None:
    target, calls = torch.full((1, 1), 1e6, dtype=torch.float64), []
    made = fit(lambda p: calls.append(1) or p["x"], {"x": torch.zeros(1, 1)}, target)  # type: ignore[func-returns-value]
    assert len(calls) == 400
    mean_rate = sum(
        0.025 * (1 + np.cos(np.pi * step / 400)) for step in range(400)
    )  # a far target: whole steps
    assert float(made["x"]) == pytest.approx(mean_rate, rel=1e-3)


def test_public_names_are_sorted_and_exist() -> None:
    assert all(hasattr(par, name) for name in par.__all__)
    files = {"base", "color", "cppn", "fourier", "lowres", "phase", "pixels", "shared", "start"}
    assert {n for n in vars(par) if not n.startswith("_")} - files == set(par.__all__)
