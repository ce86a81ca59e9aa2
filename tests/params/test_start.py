from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params import CPPN, Fourier, From, Invertible, LowRes, Phase, Pixels, Shared
from vital.types import Parameterization, Parameters


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photo(height: int = 16, width: int = 13) -> Tensor:
    """A smooth image with some noise, (3, H, W)."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 3, width), indexing="ij")
    noise = 0.02 * torch.randn(3, height, width, generator=generator(5))
    return (0.5 + 0.3 * torch.stack([x.sin(), y.cos(), (x + y).sin()]) + noise).clamp(0, 1)


SIZE = (16, 13)


@pytest.mark.parametrize(
    ("base", "within"),
    [
        (Pixels(SIZE), 1e-5),
        (Pixels(SIZE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)), 1e-5),
        (Fourier(SIZE), 2e-3),
        (Fourier(SIZE, decorrelate=False), 2e-3),
        (Phase(SIZE), 2e-3),
        (Phase(SIZE, standard_phase=True), 2e-3),
        (LowRes(SIZE, factors=(1, 2, 4)), 2e-3),
        (LowRes(SIZE, factors=(2, 4)), 0.12),
        (CPPN(SIZE, layers=3), 0.12),
        (Shared(Fourier(SIZE), images=2), 2e-3),
    ],
)
def test_the_search_starts_at_the_image(base: Invertible, within: float) -> None:
    made = From(base, photo())
    image = made.decode(made.init(generator()))
    assert image.shape == (made.images, 3, *SIZE)
    assert float((image - photo()).abs().max()) < within


def test_a_start_without_noise_is_the_same_for_every_generator() -> None:
    made = From(Fourier(SIZE), photo())
    first, second = made.init(generator(0)), made.init(generator(1))
    assert torch.equal(first["spectrum"], second["spectrum"])


def test_noise_adds_a_share_of_the_bases_own_start() -> None:
    base = Fourier(SIZE, sd=0.5)
    plain, noisy = From(base, photo()), From(base, photo(), noise=0.3)
    moved = noisy.init(generator(2))["spectrum"] - plain.init(generator(2))["spectrum"]
    torch.testing.assert_close(moved, 0.3 * base.init(generator(2))["spectrum"])


def test_what_the_optimizer_does_to_one_start_does_not_reach_the_next() -> None:
    made = From(Pixels(SIZE), photo())
    made.init(generator())["pixels"].zero_()
    assert float(made.decode(made.init(generator())).std()) > 0.1


def test_an_image_of_another_size_is_resized() -> None:
    made = From(Pixels(8), torch.full((1, 3, 20, 31), 0.3))
    torch.testing.assert_close(made.decode(made.init(generator())), torch.full((1, 3, 8, 8), 0.3))


def test_an_image_is_resized_as_pillow_does() -> None:
    given = photo(40, 29)
    made = From(Pixels(SIZE), given)
    for plane, seen in zip(given, made.decode(made.init(generator()))[0], strict=True):
        wanted = Image.fromarray(plane.numpy()).resize(SIZE[::-1], Image.Resampling.BILINEAR)
        torch.testing.assert_close(seen, torch.from_numpy(np.array(wanted)), rtol=0, atol=1e-5)


def test_black_and_white_are_taken() -> None:
    given = torch.tensor([0.0, 1.0]).view(1, 1, 2).expand(3, 2, 2)
    made = From(Pixels(2), given)
    torch.testing.assert_close(made.decode(made.init(generator()))[0], given)


def test_grey_images_and_half_precision_are_taken() -> None:
    made = From(Fourier(SIZE, channels=1), photo()[:1].half())
    torch.testing.assert_close(made.decode(made.init(generator()))[0], photo()[:1], rtol=0, atol=3e-3)


def test_project_is_the_bases() -> None:
    made = From(Pixels(SIZE), photo())
    parameters = {"pixels": torch.full((1, 3, *SIZE), 9.0)}
    made.project(parameters)
    assert bool((parameters["pixels"] == 2).all())


class Blind(Parameterization):
    def init(self, generator: torch.Generator) -> Parameters:
        return {}

    def decode(self, parameters: Parameters) -> Tensor:
        return torch.zeros(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"base": Blind(), "image": photo()},
            "the base is Blind; allowed are parameterizations that can encode an image",
        ),
        ({"base": Pixels(4), "image": photo(), "noise": -1}, "the noise is -1; allowed are numbers from 0"),
        (
            {"base": Pixels(4, channels=1), "image": photo()},
            "the image has the shape (3, 16, 13); allowed are (1, H, W) and (1, 1, H, W)",
        ),
        (
            {"base": Pixels(4), "image": torch.zeros(2, 3, 4, 4)},
            "the image has the shape (2, 3, 4, 4); allowed are (3, H, W) and (1, 3, H, W)",
        ),
        (
            {"base": Pixels(4), "image": torch.zeros(3, 4, 4, dtype=torch.uint8)},
            "the image has values that are no numbers from 0 to 1; scale it to [0, 1] first",
        ),
        (
            {"base": Pixels(4), "image": torch.full((3, 4, 4), float("nan"))},
            "the image has values that are no numbers from 0 to 1; scale it to [0, 1] first",
        ),
        (
            {"base": Pixels(4), "image": torch.full((3, 4, 4), 1.01)},
            "the image has values that are no numbers from 0 to 1; scale it to [0, 1] first",
        ),
    ],
)
def test_what_cannot_be_started_from_is_refused_in_one_sentence(
    options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        From(**options)  # type: ignore[arg-type]
    assert str(caught.value) == sentence
