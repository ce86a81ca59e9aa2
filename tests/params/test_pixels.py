from __future__ import annotations

import pytest
import torch

from vital.errors import InvalidValueError
from vital.params import LowRes, Pixels, color

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_published_start_is_standard_normal_in_normalized_space_and_not_clamped() -> None:
    made = Pixels(64, mean=MEAN, std=STD)
    start = made.init(generator())
    ours = torch.randn(1, 3, 64, 64, generator=generator())
    assert torch.equal(start["pixels"], ours)
    image = made.decode(start)
    wanted = ours * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)
    assert torch.equal(image, wanted)
    assert image.min() < 0
    assert image.max() > 1


def test_projecting_clamps_each_channel_to_its_own_bounds() -> None:
    made = Pixels(2, mean=MEAN, std=STD)
    for value, bounds in ((-9.0, [-m / s for m, s in zip(MEAN, STD, strict=True)]),
                          (9.0, [(1 - m) / s for m, s in zip(MEAN, STD, strict=True)])):  # fmt: skip
        parameters = {"pixels": torch.full((2, 3, 2, 2), value)}
        made.project(parameters)
        torch.testing.assert_close(parameters["pixels"][1, :, 0, 1], torch.tensor(bounds))


def test_projecting_leaves_what_is_allowed_and_writes_in_place() -> None:
    inside = Pixels(4).encode(torch.rand(1, 3, 4, 4, generator=generator()))["pixels"]
    parameters = {"pixels": inside.clone()}
    held = parameters["pixels"]
    Pixels(4).project(parameters)
    assert torch.equal(held, inside)
    held[0, 0, 0, 0] = 99
    Pixels(4).project(parameters)
    assert held[0, 0, 0, 0] == 2


def test_without_clamp_nothing_is_projected() -> None:
    parameters = {"pixels": torch.full((1, 3, 2, 2), 9.0)}
    Pixels(2, clamp=False).project(parameters)
    assert bool((parameters["pixels"] == 9).all())


def test_no_spread_starts_at_the_mean() -> None:
    made = Pixels(2, sd=0.0, mean=MEAN, std=STD)
    torch.testing.assert_close(made.decode(made.init(generator()))[0, :, 1, 1], torch.tensor(MEAN))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mean": (0.1, 0.2)}, "mean has 2 entries; allowed are 1 or 3, one per channel"),
        ({"channels": 1, "std": STD}, "std has 3 entries; allowed are 1 or 1, one per channel"),
        ({"std": (0.0,)}, "std is (0.0,); allowed are numbers above 0"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Pixels(4, **options)  # type: ignore[arg-type]
    assert str(caught.value) == sentence


def test_decorrelated_pixels_lie_along_the_axes_of_natural_colors() -> None:
    made = Pixels(4, mean=MEAN, std=STD, decorrelate=True)
    start = made.init(generator())
    assert torch.equal(start["pixels"], Pixels(4).init(generator())["pixels"])
    colors = torch.einsum("bchw,cd->bdhw", start["pixels"], color.matrix(start["pixels"]))
    wanted = colors * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)
    torch.testing.assert_close(made.decode(start), wanted)
    assert torch.equal(
        Pixels(4, 1, decorrelate=True).decode({"pixels": torch.ones(1, 1, 4, 4)}).unique(),
        torch.tensor([0.75]),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_decorrelated_pixels_are_clamped_as_colors(dtype: torch.dtype) -> None:
    made = Pixels(16, mean=MEAN, std=STD, sd=9.0, decorrelate=True)
    parameters = {k: v.to(dtype) for k, v in made.init(generator()).items()}
    before = made.decode(parameters)
    held = parameters["pixels"]
    made.project(parameters)
    assert parameters["pixels"] is held
    torch.testing.assert_close(made.decode(parameters), before.clamp(0, 1), rtol=0, atol=2e-6)
    once = held.clone()
    made.project(parameters)
    assert torch.equal(held, once)


@pytest.mark.parametrize("count", [2, 3])
def test_decorrelated_pixels_of_several_slots_are_projected_as_each_alone(count: int) -> None:
    made = Pixels((4, 5), mean=MEAN, std=STD, sd=3.0, decorrelate=True)
    each = [made.init(torch.Generator().manual_seed(seed)) for seed in range(count)]
    together = {"pixels": torch.cat([one["pixels"] for one in each])}
    made.project(together)
    for one, found in zip(each, together["pixels"], strict=True):
        made.project(one)
        assert torch.equal(one["pixels"][0], found)


def test_decorrelated_pixels_that_are_allowed_are_left_as_they_are() -> None:
    made = Pixels(8, mean=MEAN, std=STD, decorrelate=True)
    image = torch.rand(1, 3, 8, 8, generator=generator(), dtype=torch.float64)
    image[0, 1, 2, 5] = 1.5
    parameters = made.encode(image)
    before = parameters["pixels"].clone()
    made.project(parameters)
    torch.testing.assert_close(made.decode(parameters), image.clamp(0, 1))
    changed = (parameters["pixels"] != before).any(1)[0]
    assert changed.nonzero().tolist() == [[2, 5]]


def test_an_encoded_image_decodes_to_itself_in_decorrelated_colors() -> None:
    made, image = (
        Pixels(4, mean=MEAN, std=STD, decorrelate=True),
        torch.rand(1, 3, 4, 4, generator=generator()),
    )
    torch.testing.assert_close(made.decode(made.encode(image)), image)


def test_decorrelated_pixels_show_brightness_before_color() -> None:
    gradient = torch.randn(1, 3, 32, 32, generator=generator())
    moved = {}
    for decorrelate in (False, True):
        image = Pixels(32, decorrelate=decorrelate).decode({"pixels": gradient.sign()})
        grey = image.mean(1, keepdim=True)
        moved[decorrelate] = float((image - grey).var() / grey.var())
    assert moved[True] < moved[False] / 2


def test_lucents_pixels_are_one_grid_under_a_sigmoid() -> None:
    made = LowRes(8, factors=(1,))
    start = made.init(generator())
    canvas = torch.randn(1, 3, 8, 8, generator=generator()) * 0.01
    assert torch.equal(start["by 1"], canvas)
    rows = color.matrix(canvas)
    torch.testing.assert_close(made.decode(start), torch.sigmoid(torch.einsum("bchw,cd->bdhw", canvas, rows)))
