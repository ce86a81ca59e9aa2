from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from tests import toy
from vital.errors import InvalidValueError, UnknownNameError
from vital.objectives import Channel, Diversity, FromLucent, Interpolate
from vital.optim import Optimizer, optimize

MODEL = toy.model(double=True)


def test_layers_are_found_by_calling_the_objective_once() -> None:
    term = FromLucent.of(MODEL, lambda T: -T("layer2")[:, 1].mean() + T("layer3").mean() + T("input").mean())
    assert term.layers == ("layer2", "layer3")
    assert FromLucent.of(MODEL, lambda T: -T("labels")[:, 1].mean()).layers == ("class",)


def test_an_underscore_name_means_a_nested_module() -> None:
    model = toy.wrap(nn.Sequential(OrderedDict(body=toy.network()[:3])).double())
    names = [name for name, _ in model.module.named_modules() if name.startswith("body.")]
    term = FromLucent.of(model, lambda T: -T(names[0].replace(".", "_"))[:, 1].mean())
    assert term.layers == (names[0],)
    trace = toy.trace(model, term.layers, toy.images(2))
    torch.testing.assert_close(term(trace), Channel(f"{names[0]}:1")(trace))


def test_an_unknown_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown Lucent layer 'layr2'; did you mean 'layer2'"):
        FromLucent.of(MODEL, lambda T: T("layr2").mean())


def test_the_image_is_the_picture_before_the_views_and_the_normalization() -> None:
    image = toy.images(2)
    trace = toy.trace(MODEL, ["layer1"], image, image.roll(3, 3) * 0.5)
    torch.testing.assert_close(FromLucent(lambda T: T("input").mean())(trace), image.mean((1, 2, 3)))


def test_an_objective_that_returns_more_than_a_number_is_an_error() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    with pytest.raises(
        InvalidValueError, match=r"a Lucent objective returns one number; this one returned \(1, 8, 8\)"
    ):
        FromLucent(lambda T: T("layer2")[:, 1], ("layer2",))(trace)


def test_something_that_is_not_a_function_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="a Lucent objective is a function of T; given is 'layer2:1'"):
        FromLucent("layer2:1")  # type: ignore[arg-type]


def test_a_coupling_objective_sees_all_images_and_its_loss_is_shared() -> None:
    image = toy.images(3)
    trace = toy.trace(MODEL, ["layer2"], image)
    term = FromLucent.of(MODEL, lambda T: T("layer2")[0].mean() * len(T("layer2")), couples=True)
    assert term.couples
    torch.testing.assert_close(term(trace), trace["layer2"][0].mean().expand(3))


@pytest.fixture
def lucent() -> Any:
    return pytest.importorskip("lucent.optvis.objectives", reason="torch-lucent is not installed")


@pytest.mark.parametrize(
    ("make", "ours"),
    [
        (lambda o: o.channel("layer2", 3), Channel("layer2:3")),
        (lambda o: o.neuron("layer2", 3, x=1, y=6), lambda x: -x["layer2"][:, 3, 6, 1]),
        (lambda o: 2 * o.channel("layer2", 3) + o.channel("layer3", 1), 2 * Channel("layer2:3") + Channel("layer3:1")),
        (lambda o: o.as_objective("layer2:3"), Channel("layer2:3")),
    ],
)  # fmt: skip
def test_a_real_lucent_objective_gives_each_image_its_loss(lucent: Any, make: Any, ours: Any) -> None:
    term = FromLucent.of(MODEL, make(lucent))
    trace = toy.trace(MODEL, ["layer2", "layer3"], toy.images(3))
    torch.testing.assert_close(term(trace), ours(trace))


def test_lucents_diversity_and_interpolation_are_ours(lucent: Any) -> None:
    trace = toy.trace(MODEL, ["layer2", "layer3"], toy.images(3))
    diversity = FromLucent.of(MODEL, -1 * lucent.diversity("layer2"), couples=True)
    torch.testing.assert_close(diversity(trace).sum() / 2, Diversity("layer2")(trace).mean())
    way = FromLucent.of(MODEL, lucent.channel_interpolate("layer2", 1, "layer3", 4), couples=True)
    torch.testing.assert_close(way(trace).sum(), Interpolate("layer2:1", "layer3:4")(trace).sum())


def test_a_real_lucent_objective_drives_the_loop(lucent: Any) -> None:
    term = FromLucent.of(MODEL, lucent.channel("layer2", 3))
    lucents = optimize(MODEL, term, toy.Canvas(), steps=3, optimizer=Optimizer(lr=0.01))
    ours = optimize(MODEL, Channel("layer2:3"), toy.Canvas(), steps=3, optimizer=Optimizer(lr=0.01))
    torch.testing.assert_close(lucents.images, ours.images)
