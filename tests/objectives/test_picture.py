from __future__ import annotations

import pytest
import torch

from tests import toy
from vital.errors import InvalidValueError, UnknownNameError
from vital.objectives import ActivationDifference, Caricature, FeatureMatch

MODEL = toy.model(double=True)
PICTURE = toy.images(1, seed=5)


def features(image: torch.Tensor) -> torch.Tensor:
    return toy.trace(MODEL, ["layer2"], image)["layer2"]


def test_a_caricature_follows_its_formula() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    target = features(PICTURE)
    for row, loss in enumerate(Caricature.of(MODEL, "layer2", PICTURE, power=2, floor=0.05)(trace)):
        act = trace["layer2"][row]
        dot = (act * target[0]).sum()
        cosine = dot / act.norm() / target.norm()
        torch.testing.assert_close(loss, -dot / 64 * max(0.05, cosine) ** 2)


def test_a_layer_of_one_channel_has_a_caricature_too() -> None:
    model = toy.wrap(torch.nn.Conv2d(3, 1, 3, padding=1), double=True, size=8)
    picture = toy.images(1, size=8)
    trace = toy.trace(model, ["class"], picture)
    assert Caricature.of(model, "class", picture)(trace) < 0


def test_a_picture_with_or_without_a_batch_axis_makes_the_same_term() -> None:
    assert Caricature.of(MODEL, "layer2", PICTURE) == Caricature.of(MODEL, "layer2", PICTURE[0])
    assert Caricature.of(MODEL, "layer2", PICTURE) != Caricature.of(MODEL, "layer2", PICTURE.flip(3))


def test_an_activation_difference_points_from_the_first_picture_to_the_second() -> None:
    after = PICTURE.flip(3)
    term = ActivationDifference.of(MODEL, "layer2", PICTURE, after)
    trace = toy.trace(MODEL, ["layer2"], torch.cat([PICTURE, after]))
    difference = features(after) - features(PICTURE)
    torch.testing.assert_close(term(trace), -(trace["layer2"] * difference).sum((1, 2, 3)) / 64)
    assert term(trace)[1] < term(trace)[0]


@pytest.mark.parametrize("power", [1, 2])
def test_feature_matching_is_the_mean_distance(power: int) -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    expected = ((trace["layer2"] - features(PICTURE)).abs() ** power).mean((1, 2, 3))
    torch.testing.assert_close(FeatureMatch.of(MODEL, "layer2", PICTURE, power=power)(trace), expected)


def test_the_picture_itself_matches_exactly() -> None:
    trace = toy.trace(MODEL, ["layer2"], PICTURE)
    assert FeatureMatch.of(MODEL, "layer2", PICTURE)(trace).tolist() == [0]


def test_gram_matching_forgets_where_things_are_and_how_large_the_picture_was() -> None:
    act = features(PICTURE)
    shuffled = act.flatten(2)[:, :, torch.randperm(64, generator=torch.Generator().manual_seed(0))].view_as(
        act
    )
    trace = toy.trace(MODEL, ["layer2"], PICTURE)
    assert FeatureMatch("layer2", shuffled, gram=True)(trace) < 1e-24
    assert FeatureMatch("layer2", torch.cat([act, act], 3), gram=True)(trace) < 1e-24
    assert FeatureMatch("layer2", shuffled)(trace) > 1e-2


def test_units_are_matched_with_pictures_of_two_sizes_each_with_its_own() -> None:
    terms = [
        FeatureMatch.of(MODEL, "layer2", picture, gram=True)
        for picture in (PICTURE, toy.images(1, size=48, seed=6))
    ]
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    expected = torch.stack([term(trace)[row] for row, term in enumerate(terms)])
    torch.testing.assert_close(FeatureMatch.stack(terms)(trace), expected)


def test_a_picture_of_another_size_is_an_error() -> None:
    term = Caricature.of(MODEL, "layer2", toy.images(1, size=40))
    with pytest.raises(
        InvalidValueError,
        match=r"shape \(16, 10, 10\), the image's \(16, 8, 8\); give a picture of the image",
    ):
        term(toy.trace(MODEL, ["layer2"], PICTURE))


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (32, 32)])
def test_something_that_is_not_one_picture_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match=r"a picture is \(C, H, W\) or \(1, C, H, W\); this one is"):
        FeatureMatch.of(MODEL, "layer2", torch.zeros(shape))


def test_an_unknown_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="the network has no layer 'layr2'; did you mean 'layer2'"):
        Caricature.of(MODEL, "layr2", PICTURE)


def test_an_unknown_power_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="power is 3; allowed are 1 and 2"):
        FeatureMatch("layer2", PICTURE, power=3)
