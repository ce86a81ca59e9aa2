from __future__ import annotations

import pytest
import torch

from vital.errors import InvalidValueError
from vital.params import CPPN, Canvas, Fourier, LowRes, Pixels, Shared, color
from vital.types import Parameterization, Parameters


def start(made: Parameterization, count: int = 2) -> Parameters:
    drawn = [made.init(torch.Generator().manual_seed(s)) for s in range(count)]
    return {k: torch.cat([d[k] for d in drawn]).double() for k in drawn[0]}


def test_each_image_is_its_own_canvas_plus_the_common_one() -> None:
    base, common = Fourier(8, sd=1.0), LowRes(8, factors=(4,), sd=1.0)
    made = Shared(base, 3, common)
    parameters = start(made)
    assert parameters["own spectrum"].shape == (2, 3, 3, 8, 5, 2)
    images = made.decode(parameters)
    for slot in range(2):
        grid = common.paint({"by 4": parameters["common by 4"][slot : slot + 1]})
        for i in range(3):
            own = base.paint({"spectrum": parameters["own spectrum"][slot, i : i + 1]})
            torch.testing.assert_close(images[3 * slot + i : 3 * slot + i + 1], color.to_image(own + grid))


def test_one_image_may_share_with_nobody() -> None:
    made = Shared(Fourier(8, sd=1.0), 1)
    parameters = start(made)
    assert parameters["own spectrum"].shape == (2, 1, 3, 8, 5, 2)
    assert made.decode(parameters).shape == (2, 3, 8, 8)


def test_without_a_common_part_grids_of_factor_4_and_8_are_shared() -> None:
    parameters = start(Shared(Fourier((16, 24)), images=2), count=1)
    shapes = {name: tuple(value.shape) for name, value in parameters.items() if name.startswith("common ")}
    assert shapes == {"common by 4": (1, 3, 4, 6), "common by 8": (1, 3, 2, 3)}


def test_the_common_part_moves_all_images_of_a_slot_and_an_own_part_only_one() -> None:
    made = Shared(Fourier(8), images=3)
    parameters = {k: v.requires_grad_() for k, v in start(made).items()}
    made.decode(parameters)[1].sum().backward()
    own, common = parameters["own spectrum"].grad, parameters["common by 4"].grad
    assert own is not None
    assert common is not None
    assert [bool((own[0, i] != 0).any()) for i in range(3)] == [False, True, False]
    assert bool((common[0] != 0).any())
    assert not bool((common[1] != 0).any())


def test_an_image_is_split_between_the_parts() -> None:
    image = 0.1 + 0.8 * torch.rand(
        1, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    made = Shared(Fourier(8), images=2)
    parameters = made.encode(image)
    torch.testing.assert_close(made.decode(parameters), image.repeat(2, 1, 1, 1))
    assert float(parameters["common by 4"].abs().max()) > 0.1


def test_projecting_reaches_both_parts_in_place() -> None:
    class Bounded(Canvas):
        mixed, shape = False, (3, 2, 2)

        def init(self, generator: torch.Generator) -> Parameters:
            return {"x": torch.full((1, 3, 2, 2), 5.0)}

        def paint(self, parameters: Parameters) -> torch.Tensor:
            return parameters["x"]

        def project(self, parameters: Parameters) -> None:
            parameters["x"].clamp_(-1, 1)

    made = Shared(Bounded(), 2, Bounded())
    parameters = made.init(torch.Generator())
    made.project(parameters)
    assert all(bool((v == 1).all()) for v in parameters.values())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"base": Pixels(8)},
            "the base is Pixels; allowed are Fourier, Phase, LowRes, CPPN and other canvases",
        ),
        (
            {"base": Shared(Fourier(8))},
            "the base is Shared; allowed are Fourier, Phase, LowRes, CPPN and other canvases",
        ),
        (
            {"base": Fourier(8), "common": Pixels(8)},
            "the common part is Pixels; allowed are Fourier, Phase, LowRes, CPPN and other canvases",
        ),
        (
            {"base": Fourier(8), "common": CPPN(9)},
            "the common part has the shape (3, 9, 9); allowed is (3, 8, 8), the base's",
        ),
        ({"base": Fourier(8), "images": 0}, "images is 0; allowed are whole numbers from 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused_in_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Shared(**options)  # type: ignore[arg-type]
    assert str(caught.value) == sentence
