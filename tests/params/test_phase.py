from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from vital.errors import DataError, InvalidValueError
from vital.params import Phase, color, spectrum


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(count: int = 5, height: int = 8, width: int = 7) -> Tensor:
    return torch.rand(count, 3, height, width, generator=generator(1))


def test_the_phase_starts_uniform_on_the_circle() -> None:
    phase = Phase(64).init(generator())["phase"]
    assert -math.pi <= phase.min() < -3.1
    assert 3.1 < phase.max() <= math.pi
    assert abs(float(phase.std()) - math.pi / math.sqrt(3)) < 0.03


def test_the_magnitudes_stay_whatever_the_phase() -> None:
    magnitude = spectrum(photos())
    made = Phase((8, 7), magnitude=magnitude, standardize=False)
    canvas = made.paint({"phase": made.init(generator())["phase"].double()})
    inner = torch.fft.rfft2(canvas).abs()[0, :, :, 1:]
    torch.testing.assert_close(inner, magnitude[:, :, 1:].double())


def test_the_canvas_is_standardized_per_image() -> None:
    made = Phase((16, 15), magnitude=1000 * spectrum(photos(3, 16, 15)))
    canvas = made.paint({"phase": torch.cat([made.init(generator(s))["phase"].double() for s in range(3)])})
    torch.testing.assert_close(canvas.mean((1, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(canvas.std((1, 2, 3), correction=0), torch.ones(3).double())


def test_a_canvas_without_contrast_is_grey() -> None:
    made = Phase((4, 5), magnitude=torch.zeros(3, 4, 3))
    parameters = {k: v.requires_grad_() for k, v in made.init(generator()).items()}
    image = made.decode(parameters)
    assert bool((image == 0.5).all())
    image.sum().backward()
    assert bool(parameters["phase"].grad.isfinite().all())


def test_without_a_magnitude_the_spectrum_falls_as_one_over_f() -> None:
    made = Phase(32, standardize=False)
    power = torch.fft.rfft2(made.paint(made.init(generator()))).abs()[0, 0]
    torch.testing.assert_close(
        power[0, 1:16] * torch.arange(1, 16), torch.full((15,), 32.0), rtol=1e-3, atol=0
    )


def test_a_magnitude_of_another_resolution_is_resized() -> None:
    ramp = torch.linspace(1, 2, 17).expand(3, 32, 17)
    made = Phase((16, 17), magnitude=ramp, standardize=False)
    canvas = made.paint(made.init(generator()))
    assert canvas.shape == (1, 3, 16, 17)
    row = torch.fft.rfft2(canvas).abs()[0, 0, 3, 1:]
    wanted = torch.nn.functional.interpolate(ramp[None], (16, 9), mode="bilinear")[0, 0, 3, 1:]
    torch.testing.assert_close(row, wanted)


def test_a_standard_phase_has_a_spread_of_one_radian() -> None:
    made = Phase(16, standard_phase=True, standardize=False)
    start = made.init(generator())
    given = start["phase"]
    standard = (given - given.mean()) / given.std(correction=0)
    torch.testing.assert_close(made.paint(start), Phase(16, standardize=False).paint({"phase": standard}))


def test_an_adopted_image_comes_back_with_its_contrast() -> None:
    image = photos(1)
    made = Phase((8, 7)).adopt(image)
    torch.testing.assert_close(made.decode(made.encode(image)), image, rtol=0, atol=2e-3)


def test_spectrum_is_the_mean_magnitude_of_the_decorrelated_images() -> None:
    images = photos()
    flat = np.einsum(
        "bchw,cd->bdhw", images.double().numpy(), np.linalg.inv(color.matrix(images.double()).numpy())
    )
    np.testing.assert_allclose(spectrum(images).numpy(), np.abs(np.fft.rfft2(flat)).mean(0), rtol=1e-5)
    plain = np.abs(np.fft.rfft2(images.double().numpy())).mean(0)
    np.testing.assert_allclose(spectrum(images, decorrelate=False).numpy(), plain, rtol=1e-5)


def test_spectrum_of_batches_is_the_spectrum_of_all() -> None:
    def stream() -> Iterator[Tensor]:
        yield from photos().split(2)

    torch.testing.assert_close(spectrum(stream()), spectrum(photos()))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([], "there are no images to take a spectrum from; give at least one"),
        (torch.zeros(0, 3, 4, 4), "there are no images to take a spectrum from; give at least one"),
        (torch.zeros(3, 4, 4), "a batch of images has the shape (3, 4, 4); allowed is (B, C, H, W)"),
        (
            [torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 5, 4)],
            "the images have several sizes; bring them to one size before taking their spectrum",
        ),
    ],
)
def test_unusable_images_are_refused_in_one_sentence(images: object, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        spectrum(images)  # type: ignore[arg-type]
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("magnitude", "sentence"),
    [
        (torch.ones(1, 4, 3), "the magnitude has the shape (1, 4, 3); allowed is (3, H, W // 2 + 1)"),
        (torch.ones(4, 3), "the magnitude has the shape (4, 3); allowed is (3, H, W // 2 + 1)"),
        (
            -torch.ones(3, 4, 3),
            "the magnitude has entries that are negative or not finite; allowed are numbers from 0",
        ),
        (
            torch.full((3, 4, 3), float("nan")),
            "the magnitude has entries that are negative or not finite; allowed are numbers from 0",
        ),
    ],
)
def test_an_impossible_magnitude_is_refused_in_one_sentence(magnitude: Tensor, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Phase(4, magnitude=magnitude)
    assert str(caught.value) == sentence
