from __future__ import annotations

import numpy as np
import pytest
import torch

from vital.errors import InvalidValueError
from vital.params import Fourier


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (6, 5), (1, 4), (1, 1)])
def test_the_canvas_is_lucids_formula(height: int, width: int) -> None:
    made = Fourier((height, width), sd=1.0, decay=1.3)
    spectrum = made.init(generator())["spectrum"].double()
    z = spectrum[..., 0].numpy() + 1j * spectrum[..., 1].numpy()
    lengths = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2)
    scale = np.sqrt(width * height) / np.maximum(lengths, 1 / max(width, height)) ** 1.3
    wanted = np.fft.irfft2(z * scale, s=(height, width)) / 4
    np.testing.assert_allclose(made.paint({"spectrum": spectrum}).numpy(), wanted, atol=1e-12)


def test_the_start_is_nearly_grey_with_the_spread_asked_for() -> None:
    made = Fourier(64)
    start = made.init(generator())
    assert start["spectrum"].shape == (1, 3, 64, 33, 2)
    assert abs(float(start["spectrum"].std()) - 0.01) < 0.0005
    assert float((made.decode(start) - 0.5).abs().max()) < 0.1


def test_a_larger_decay_gives_smoother_images() -> None:
    def roughness(decay: float) -> float:
        canvas = Fourier(32, decay=decay).paint(Fourier(32, decay=decay).init(generator()))
        return float(canvas.diff(dim=3).square().mean() / canvas.square().mean())

    assert roughness(0.0) > 2 * roughness(1.0) > 4 * roughness(2.0)


def test_without_decorrelation_the_channels_are_independent() -> None:
    start = Fourier(16, sd=1.0).init(generator())
    plain, mixed = Fourier(16, decorrelate=False), Fourier(16)
    torch.testing.assert_close(plain.decode(start), plain.paint(start).sigmoid())
    assert not torch.allclose(plain.decode(start), mixed.decode(start))


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 6), (1, 1)])
def test_any_canvas_comes_back_exactly(size: tuple[int, int]) -> None:
    canvas = torch.randn(1, 3, *size, generator=generator(), dtype=torch.float64)
    made = Fourier(size, decay=2.0)
    torch.testing.assert_close(made.paint(made.unpaint(canvas)), canvas)


def test_an_impossible_decay_is_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidValueError) as caught:
        Fourier(4, decay=-1)
    assert str(caught.value) == "decay is -1; allowed are numbers from 0 to 8"


def one_wave(height: int, width: int) -> torch.Tensor:
    """A wave of one cycle along the diagonal, which small canvases hold too, on a ground of 0.3."""
    y, x = (torch.arange(n, dtype=torch.float64) / n for n in (height, width))
    return torch.cos(2 * torch.pi * (y[:, None] + x[None])) + 0.3


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (12, 10), (7, 6)])
def test_the_half_canvas_is_the_low_frequencies_of_the_whole(size: tuple[int, int]) -> None:
    height, width = size
    whole = Fourier(size, sd=1.0, coarse=0.5)
    wave = one_wave(height, width)
    half = whole.at(0.0)
    coarse = half.paint(whole.unpaint(wave.expand(1, 3, -1, -1)))
    down, right = -(-height // 2), -(-width // 2)
    assert half.shape == (3, down, right)
    torch.testing.assert_close(coarse, one_wave(down, right).expand(1, 3, -1, -1))


@pytest.mark.parametrize("size", [(8, 8), (12, 10), (6, 14)])
def test_the_half_canvas_is_every_other_pixel_of_one_without_fine_waves(size: tuple[int, int]) -> None:
    height, width = size
    canvas = torch.randn(2, 3, height, width, generator=generator(), dtype=torch.float64)
    waves = torch.fft.fft2(canvas)
    for axis, side in ((2, height), (3, width)):
        fine = torch.fft.fftfreq(side).abs() * side >= side // 2 / 2
        waves.index_fill_(axis, fine.nonzero().flatten(), 0)
    smooth = torch.fft.ifft2(waves).real
    whole = Fourier(size, coarse=0.5)
    torch.testing.assert_close(whole.at(0.0).paint(whole.unpaint(smooth)), smooth[..., ::2, ::2])


def test_while_it_is_coarse_the_fine_waves_get_no_gradient() -> None:
    made = Fourier((12, 12), coarse=0.5)
    start = {k: v.double().requires_grad_() for k, v in made.init(generator()).items()}
    image = made.at(0.25).decode(start)
    image.square().sum().backward()
    moved = start["spectrum"].grad.abs().sum((0, 1, 4)) > 0
    assert image.shape == (1, 3, 6, 6)
    assert not moved[3:9].any()
    assert not moved[:, 4:].any()
    assert moved[:3, :3].all()
    assert made.at(0.5) is made


def test_coarse_is_a_share_of_the_run() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^coarse is 1.0; allowed are shares of the run, from 0 to below 1$"
    ):
        Fourier(4, coarse=1.0)
