from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from tests import toy
from vital.errors import InvalidValueError, UnknownNameError
from vital.objectives import Channel, Diversity, FromLucent, Interpolate
from vital.optim import Optimizer, optimize
from vital.tracing import Trace

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


def test_the_image_is_the_picture_before_the_transforms_and_the_normalization() -> None:
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


def test_the_loss_of_a_coupling_objective_is_shared_among_pictures_whatever_their_transforms() -> None:
    image = toy.images(3)
    trace = toy.trace(MODEL, ["layer2"], image, image.repeat_interleave(2, 0), n_transforms=2)
    term = FromLucent(lambda T: T("layer2").square().sum(), ("layer2",), couples=True)
    torch.testing.assert_close(term(trace), trace["layer2"].square().sum().expand(6) / 3)


def gram(T: Any, image: int) -> torch.Tensor:
    act = T("layer2")[image].flatten(1)
    return act @ act.T


COMPARING = {
    "similarity": lambda T: (gram(T, 0) * gram(T, -1)).mean() if len(T("layer2")) > 1 else 0,
    "neighbors": lambda T: sum((a - b).square().mean() for a, b in pairwise(T("layer2"))),
    "a little of it": lambda T: -T("layer2")[:, 3].mean() + 1e-2 * T("layer2").var(0, unbiased=False).mean(),
    "the second": lambda T: -T("layer2")[1, 3].mean(),
    "a late channel": lambda T: -T("layer2")[1, 12].mean(),
    "an empty mean": lambda T: -T("layer2")[1:, 3].mean(),
}
SEPARATE = {
    "mean": lambda T: -T("layer2")[:, 3].mean(),
    "sum": lambda T: -T("layer2")[:, 3].sum() + 0.1 * T("input").square().mean(),
    "a late channel": lambda T: -T("layer2")[:, 12].mean(),
    "first": lambda T: -T("layer2")[0, 3].mean(),
    "one per image": lambda T: -T("layer2")[:, 3].mean((1, 2)),
    "squeezed": lambda T: -T("layer2").squeeze(0)[3, 2, 2],
    "logarithm": lambda T: -T("layer2").abs().log().mean(),
    "norms": lambda T: -T("layer2").flatten(1).norm(dim=1).mean(),
    "noise": lambda T: -(T("layer2") * torch.rand_like(T("layer2"))).mean(),
    "nothing": lambda T: 0 * T("layer2").mean(),
    "cosine": lambda T: -torch.cosine_similarity(torch.ones(1, 16, 1, 1), T("layer2")).mean(),
}
REFUSED = "the Lucent objective compares images or picks one of several, .* pass couples=True"


@pytest.mark.parametrize("name", COMPARING)
def test_an_objective_that_compares_images_is_refused_unless_it_couples(name: str) -> None:
    objective: Any = COMPARING[name]
    trace = toy.trace(MODEL, ["layer2"], toy.images(3))
    with pytest.raises(InvalidValueError, match=REFUSED):
        FromLucent.of(MODEL, objective)
    with pytest.raises(InvalidValueError, match=REFUSED):
        FromLucent(objective, ("layer2",))(trace)
    assert FromLucent.of(MODEL, objective, couples=True)(trace).isfinite().all()


@pytest.mark.parametrize("name", SEPARATE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_an_objective_that_sees_each_image_alone_is_taken(name: str, dtype: torch.dtype) -> None:
    objective: Any = SEPARATE[name]
    image = toy.images(3).to(dtype)
    act = torch.rand(3, 16, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    trace = Trace(image, image, image, {"layer2": act}, MODEL)
    assert FromLucent(objective, ("layer2",))(trace).shape == (3,)
    if name != "squeezed" and dtype == torch.float64:
        assert FromLucent.of(MODEL, objective).layers == ("layer2",)


def test_the_trial_is_made_once_and_draws_nothing_from_torch() -> None:
    calls: list[int] = []

    def objective(T: Any) -> Any:
        calls.append(len(T("layer2")))
        return -T("layer2").mean()

    trace, term = toy.trace(MODEL, ["layer2"], toy.images(2)), FromLucent(objective, ("layer2",))
    before = torch.get_rng_state()
    term(trace)
    assert torch.equal(before, torch.get_rng_state())
    assert sorted(calls) == [1, 1, 1, 1, 2, 2, 2, 2]
    term(trace)
    assert calls[8:] == [1, 1]


def test_a_comparing_objective_wants_images_to_compare() -> None:
    term = FromLucent.of(MODEL, COMPARING["neighbors"], couples=True)
    with pytest.raises(InvalidValueError, match=r"FromLucent compares the images of a unit, but .* makes 1"):
        optimize(MODEL, term, toy.Canvas(), steps=1)
    assert optimize(MODEL, term, toy.Canvas(images=2), steps=1).status == ("done", "done")
    content = FromLucent.of(MODEL, SEPARATE["mean"], couples=True)
    assert optimize(MODEL, content, toy.Canvas(), steps=1).status == ("done",)


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


@pytest.mark.parametrize(
    "make",
    [
        lambda o: o.diversity("layer2"),
        lambda o: o.alignment("layer2"),
        lambda o: o.channel("layer2", 3) - 1e-2 * o.diversity("layer2"),
        lambda o: o.channel("layer2", 3) + 1e-2 * o.alignment("layer3"),
        lambda o: o.channel_interpolate("layer2", 1, "layer3", 4),
        lambda o: o.channel("layer2", 3, batch=0) + o.channel("layer2", 4, batch=1),
        lambda o: o.neuron("layer2", 3, batch=1),
    ],
)
def test_lucents_objectives_that_compare_images_are_refused_unless_they_couple(
    lucent: Any, make: Any
) -> None:
    with pytest.raises(InvalidValueError, match=REFUSED):
        FromLucent.of(MODEL, make(lucent))
    trace = toy.trace(MODEL, ["layer2", "layer3"], toy.images(3))
    with pytest.raises(InvalidValueError, match=REFUSED):
        FromLucent(make(lucent), ("layer2", "layer3"))(trace)
    assert FromLucent.of(MODEL, make(lucent), couples=True)(trace).isfinite().all()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: o.channel("layer2", 3),
        lambda o: o.channel("layer2", 3, batch=0),
        lambda o: o.neuron_weight("layer2", torch.ones(16)),
        lambda o: o.channel_weight("layer2", torch.ones(16)),
        lambda o: o.localgroup_weight("layer2", torch.ones(16), 1, 1),
        lambda o: o.direction("layer2", torch.ones(16)),
        lambda o: o.direction_neuron("layer2", torch.ones(16)),
        lambda o: o.blur_input_each_step(),
    ],
)
def test_lucents_other_objectives_are_taken(lucent: Any, make: Any) -> None:
    model = toy.model()
    term = FromLucent.of(model, make(lucent))
    assert term(toy.trace(model, term.layers, toy.images(3).float())).isfinite().all()


def test_a_real_lucent_objective_drives_the_loop(lucent: Any) -> None:
    term = FromLucent.of(MODEL, lucent.channel("layer2", 3))
    lucents = optimize(MODEL, term, toy.Canvas(), steps=3, optimizer=Optimizer(lr=0.01))
    ours = optimize(MODEL, Channel("layer2:3"), toy.Canvas(), steps=3, optimizer=Optimizer(lr=0.01))
    torch.testing.assert_close(lucents.images, ours.images)
