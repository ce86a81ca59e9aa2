import math

import numpy as np
import pytest
import torch

from vital.errors import InvalidValueError
from vital.metrics import (
    STATISTICS,
    clipped,
    contrast,
    natural_statistics,
    picture_statistics,
    saturation,
    spectral_slope,
)


def power_noise(slope: float, height: int = 128, width: int = 128, count: int = 8) -> torch.Tensor:
    """Grey noise whose amplitude spectrum is f ** slope."""
    draw = torch.Generator().manual_seed(0)
    white = torch.fft.fft2(torch.randn(count, 1, height, width, generator=draw, dtype=torch.float64))
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)
    radius = (down**2 + across**2).sqrt().double()
    radius[0, 0] = 1
    found = torch.fft.ifft2(white * radius**slope).real
    found = found - found.mean((1, 2, 3), keepdim=True)
    return (0.5 + 0.5 * found / found.abs().amax((1, 2, 3), keepdim=True)).expand(-1, 3, -1, -1)


def pictures(count: int = 4, channels: int = 3, side: int = 24) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("slope", [0.0, -0.5, -1.0, -1.5, -2.0])
@pytest.mark.parametrize("size", [(128, 128), (96, 160)])
def test_the_slope_of_noise_is_the_one_that_it_was_made_with(slope, size) -> None:
    found = spectral_slope(power_noise(slope, *size))
    assert float(found.mean()) == pytest.approx(slope, abs=0.1)
    assert float((found - slope).abs().max()) < 0.3


def slope_by_hand(x: np.ndarray) -> float:
    """The slope of one picture's luminance (H, W), ring by ring, at the mean frequency of each ring."""
    height, width = x.shape
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side) for side in (height, width)]
    window = np.outer(*hann)
    amplitude = np.abs(np.fft.fft2((x - (x * window).sum() / window.sum()) * window))
    side = min(height, width)
    cycles = side * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    points = []
    for number in range(2, side // 4 + 1):
        ring = (cycles > number - 0.5) & (cycles < number + 0.5)
        points.append((np.log(cycles[ring].mean()), np.log(amplitude[ring].mean())))
    return float(np.polyfit(*zip(*points, strict=True), 1)[0])


@pytest.mark.parametrize("size", [(16, 16), (19, 17), (24, 40), (41, 23)])
def test_the_slope_is_its_formula_ring_by_ring(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    light = 0.2126 * x[:, 0] + 0.7152 * x[:, 1] + 0.0722 * x[:, 2]
    assert spectral_slope(x).tolist() == pytest.approx([slope_by_hand(one.numpy()) for one in light])
    assert spectral_slope(x[:, :2]).tolist() == pytest.approx(
        [slope_by_hand(one.numpy()) for one in x[:, :2].mean(1)]
    )


def test_the_slope_depends_neither_on_brightness_nor_on_contrast() -> None:
    noise = power_noise(-1.0)
    assert torch.allclose(spectral_slope(0.3 * noise + 0.6), spectral_slope(noise), atol=1e-9)


def test_flat_and_small_pictures_have_no_slope() -> None:
    assert torch.isnan(spectral_slope(torch.full((2, 3, 32, 32), 0.4))).all()
    assert torch.isnan(spectral_slope(pictures(side=15))).all()
    assert torch.isfinite(spectral_slope(pictures(side=16))).all()
    both = torch.cat([torch.full((1, 3, 24, 24), 0.4), pictures(1)])
    assert torch.isnan(spectral_slope(both)).tolist() == [True, False]


@pytest.mark.parametrize("size", [(16, 16), (16, 40)])
def test_a_picture_is_flat_below_a_standard_deviation_of_a_millionth(size: tuple[int, int]) -> None:
    noise = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    noise = (noise - noise.mean()) / noise.std(correction=0)
    found = spectral_slope(0.5 + 1e-6 * torch.cat([0.9995 * noise, 1.0005 * noise]))
    assert found.isnan().tolist() == [True, False]


def test_contrast_by_hand() -> None:
    red = torch.tensor([[0.0, 1.0], [0.0, 1.0]])  # standard deviation 0.5
    green = torch.tensor([[0.2, 0.2], [0.2, 0.6]])  # of 0.3: √(3 · 0.01 + 0.09) / 2
    x = torch.stack([red, green, torch.full((2, 2), 0.9)])[None]
    assert contrast(x).tolist() == pytest.approx([(0.5 + math.sqrt(0.12) / 2) / 3])


def test_saturation_by_hand() -> None:
    pixels = torch.tensor([[0.8, 0.4, 0.2], [0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.1]])
    x = pixels.T.reshape(1, 3, 2, 2)  # 0.75, 0 for black, 0 for grey, 1 for the darkest blue
    assert saturation(x).tolist() == pytest.approx([1.75 / 4])
    assert saturation(pictures(channels=1)).tolist() == [0.0] * 4


def test_clipped_counts_what_an_8_bit_picture_has_at_its_ends() -> None:
    levels = torch.tensor([0.0, 0.49, 0.51, 100.0, 254.49, 254.51, 255.0, 255.0]) / 255
    assert clipped(levels.view(1, 1, 2, 4)).tolist() == [5 / 8]
    ends = torch.tensor([0.5 / 255, 1 - 0.5 / 255], dtype=torch.float64)
    assert clipped(ends.view(1, 1, 1, 2)).tolist() == [1.0]
    x = pictures() * 1.2 - 0.1
    as_bytes = (x.clamp(0, 1) * 255).round()
    counted = ((as_bytes == 0) | (as_bytes == 255)).flatten(1).double().mean(1)
    assert clipped(x.clamp(0, 1)).tolist() == pytest.approx(counted.tolist())


@pytest.mark.parametrize("name", STATISTICS)
def test_a_number_is_one_per_picture_and_the_same_in_any_company(name: str) -> None:
    x = pictures(5)
    whole = STATISTICS[name](x)
    assert whole.shape == (5,)
    alone = torch.cat([STATISTICS[name](part) for part in x.split(1)])
    assert torch.allclose(whole, alone, atol=1e-12)
    assert torch.allclose(whole.flip(0), STATISTICS[name](x.flip(0)), atol=1e-12)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (torch.rand(3, 8, 8), "shape"),
        (torch.rand(0, 3, 8, 8), "shape"),
        (torch.full((1, 3, 8, 8), 1.5), "1.5"),
        (torch.full((1, 3, 8, 8), -0.5), "-0.5"),
        (torch.full((1, 3, 8, 8), math.nan), "nan"),
    ],
)
def test_what_is_no_picture_is_refused(name, wrong, says) -> None:
    with pytest.raises(InvalidValueError, match=says):
        STATISTICS[name](wrong)


def test_natural_images_are_natural() -> None:
    real = pictures(6)
    found = natural_statistics(real, real)
    for name, usual in (("contrast", 1), ("saturation", 1), ("spectral slope", 0), ("clipped", 0)):
        assert float(found[name].mean()) == pytest.approx(usual, abs=1e-9)


def test_a_ratio_and_a_difference_by_hand() -> None:
    x, real = pictures(2), 0.5 + 0.25 * (pictures(3) - 0.5)
    found, own, usual = natural_statistics(x, real), picture_statistics(x), picture_statistics(real)
    for name in ("contrast", "saturation"):
        assert torch.allclose(found[name], own[name] / usual[name].mean())
    for name in ("spectral slope", "clipped"):
        assert torch.allclose(found[name], own[name] - usual[name].mean())
    again = natural_statistics(x, usual)
    assert all(torch.equal(found[name], again[name]) for name in found)


def test_color_against_grey_images_has_no_ratio() -> None:
    grey = pictures(3, channels=1).expand(-1, 3, -1, -1)
    found = natural_statistics(pictures(2), grey)
    assert torch.isnan(found["saturation"]).all()
    assert torch.isfinite(found["contrast"]).all()


def test_natural_images_without_a_slope_do_not_count() -> None:
    real = torch.cat([pictures(3), torch.full((1, 3, 24, 24), 0.5)])
    found = natural_statistics(pictures(2), real)["spectral slope"]
    assert torch.allclose(found, natural_statistics(pictures(2), pictures(3))["spectral slope"])


def test_edges_that_do_not_meet_leave_the_slope_as_it_is() -> None:
    """A cut-out has a step where its right side meets its left, which alone falls as 1 / f."""
    cut = power_noise(-2.5, 256, 256)[:, :, :100, :100]
    assert float(spectral_slope(cut).mean()) == pytest.approx(-2.5, abs=0.2)
