from __future__ import annotations

import math

import pytest
import torch
from scipy.ndimage import gaussian_filter

from vital.errors import InvalidValueError
from vital.transforms import Blur, ColorShift, Noise
from vital.utils.random import Random, seed_of


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(seed: int = 0) -> Random:
    return Random([seed_of(seed)])


def test_noise_has_the_spread_asked_for() -> None:
    seen = Noise(0.08)(torch.full((1, 3, 64, 64), 0.5), numbers())
    assert abs(seen.mean() - 0.5) < 0.005
    assert abs(seen.std() - 0.08) < 0.002


def test_uniform_noise_reaches_its_bounds_and_no_further() -> None:
    seen = Noise(0.0, uniform=0.04)(torch.zeros(1, 3, 64, 64), numbers())
    assert 0.0399 < seen.max() <= 0.04
    assert -0.04 <= seen.min() < -0.0399


def test_noise_is_the_same_in_both_precisions() -> None:
    single = Noise(0.1, 0.1)(torch.zeros(1, 3, 5, 5), numbers())
    double = Noise(0.1, 0.1)(torch.zeros(1, 3, 5, 5, dtype=torch.float64), numbers())
    assert torch.equal(single.double(), double)


def test_noise_is_the_sum_of_what_is_drawn_from_both_distributions() -> None:
    images, ours = torch.rand(2, 3, 4, 5, generator=generator()), Random(range(2))
    wanted = images + 0.1 * ours.normal(3, 4, 5) + ours.uniform(-0.3, 0.3, 3, 4, 5)
    torch.testing.assert_close(Noise(0.1, 0.3)(images, Random(range(2))), wanted.to(images.dtype))


def test_color_shift_subtracts_and_divides_by_what_is_drawn() -> None:
    images = torch.rand(2, 3, 4, 5, generator=generator(), dtype=torch.float64)
    drawn = Random(range(2)).uniform(-1, 1, 2, 3, 1, 1, dtype=images.dtype)
    wanted = (images - 0.5 * drawn[:, 0]) / torch.exp(0.7 * drawn[:, 1])
    torch.testing.assert_close(ColorShift(0.5, 0.7)(images, Random(range(2))), wanted)


def test_color_shift_is_one_line_per_channel() -> None:
    image = torch.rand(1, 3, 8, 8, generator=generator(1), dtype=torch.float64)
    seen = ColorShift(0.5, 0.7)(image, numbers(2))
    for before, after in zip(image[0], seen[0], strict=True):
        slope = (after.max() - after.min()) / (before.max() - before.min())
        torch.testing.assert_close(after, after.mean() + slope * (before - before.mean()))


def test_color_shift_stays_within_its_ranges_and_fills_them() -> None:
    zero, one = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    low = torch.cat([ColorShift(0.5, 0.7)(zero, numbers(s)).flatten() for s in range(200)])
    high = torch.cat([ColorShift(0.5, 0.7)(one, numbers(s)).flatten() for s in range(200)])
    std = 1 / (high - low)
    mean = -low * std
    assert -0.5 <= mean.min() < -0.48
    assert 0.48 < mean.max() <= 0.5
    assert math.exp(-0.7) <= std.min() + 1e-5
    assert std.min() < 0.52
    assert std.max() > 1.9
    assert std.max() - 1e-5 <= math.exp(0.7)


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_blur_is_a_gaussian_filter(sigma: float) -> None:
    image = torch.rand(1, 2, 12, 9, generator=generator(), dtype=torch.float64)
    radius = math.ceil(3 * sigma)
    wanted = gaussian_filter(image.numpy(), sigma, axes=(2, 3), mode="nearest", radius=radius)
    torch.testing.assert_close(Blur(sigma, sigma)(image, numbers()), torch.from_numpy(wanted))


def test_each_image_is_blurred_by_its_own_sigma() -> None:
    images = torch.rand(4, 3, 12, 9, generator=generator(), dtype=torch.float64)
    seen = Blur(0.5, 2)(images, Random(range(4)))
    sigmas = Random(range(4)).uniform(0.5, 2, 1, dtype=torch.float64).flatten().tolist()
    for image, one, sigma in zip(images.numpy(), seen, sigmas, strict=True):
        wanted = gaussian_filter(image, sigma, axes=(1, 2), mode="nearest", radius=6)
        torch.testing.assert_close(one, torch.from_numpy(wanted))


def test_no_blur_no_noise_and_no_shift_give_the_image() -> None:
    image = torch.rand(1, 3, 4, 5, generator=generator())
    for transform in (Blur(0, 0), Noise(0), ColorShift(0, 0)):
        assert torch.equal(transform(image, numbers()), image)


def test_blur_works_on_images_smaller_than_its_kernel() -> None:
    assert Blur(2, 2)(torch.ones(1, 3, 1, 2), numbers()).allclose(torch.ones(()))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Noise(-0.1), "Noise is given the sd -0.1; allowed are numbers from 0"),
        (lambda: Noise(0, float("inf")), "Noise is given the uniform inf; allowed are numbers from 0"),
        (lambda: ColorShift(-1), "ColorShift is given the mean -1; allowed are numbers from 0"),
        (lambda: ColorShift(1, -1), "ColorShift is given the std -1; allowed are numbers from 0"),
        (lambda: Blur(-1, 1), "Blur is given the sigmas -1, 1; allowed are numbers from 0"),
        (lambda: Blur(2, 1), "Blur is given the sigmas 2 to 1; allowed is the lower one first"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(make: object, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value) == sentence
