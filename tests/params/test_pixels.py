from __future__ import annotations

import pytest
import torch

from vital.errors import InvalidValueError
from vital.params import Pixels

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
