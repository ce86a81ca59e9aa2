from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.errors import InvalidValueError, ModelError, WeightsError
from vital.models import Model
from vital.objectives import Channel, Direction, Diversity, Logit
from vital.optim import Optimizer, Rendering, Step, checkpoints, optimize
from vital.params import Fourier
from vital.regularizers import L2, BatchNormStatistics, TotalVariation
from vital.terms import Term
from vital.tracing import Trace
from vital.transforms import Jitter, Lambda
from vital.types import PerImage, Transform
from vital.units import Unit
from vital.utils.random import Random

UNITS = ("layer2:1", "layer3:7", "class:3", "class:0")
STEADY = Optimizer(lr=0.02)


@dataclass(frozen=True)
class Roll(Transform):
    """A random shift of up to eight pixels."""

    def __call__(self, images: Tensor, random: Random) -> Tensor:
        """Draw two shifts for each image and wrap around."""
        shifts = random.integers(-8, 8, 2).tolist()
        return torch.stack([image.roll(own, (1, 2)) for image, own in zip(images, shifts, strict=True)])


def terms(model: Model, units: tuple[str, ...] = UNITS) -> list[Term]:
    """A different sum for each unit, with parts of several kinds."""
    norms = BatchNormStatistics.of(model)
    return [Channel(u) + (0.1 * i) * TotalVariation() + 0.01 * norms for i, u in enumerate(units)]


def render(model: Model, units: tuple[str, ...] = UNITS, **settings: Any) -> Rendering:
    """A few steps with random transforms, keyed by unit."""
    given = {"steps": 5, "optimizer": STEADY, "transforms": [Roll()], "keys": units} | settings
    wanted = dict(zip(UNITS, terms(model), strict=True))
    return optimize(model, [wanted[u] for u in units], toy.Canvas(), **given)


@pytest.mark.parametrize("n_transforms", [1, 2])
def test_a_units_image_does_not_depend_on_its_company(n_transforms: int) -> None:
    model = toy.model(double=True)
    together = render(model, n_transforms=n_transforms)
    shuffled = render(model, UNITS[2:] + UNITS[:2], n_transforms=n_transforms)
    for i, unit in enumerate(UNITS):
        alone = render(model, (unit,), n_transforms=n_transforms)
        assert torch.equal(together.images[i], alone.images[0])
        assert torch.equal(shuffled.images[(i + 2) % 4], alone.images[0])
        assert torch.equal(together.alpha[i], alone.alpha[0])
        assert torch.equal(together.losses["total"][i], alone.losses["total"][0])


def test_in_single_precision_company_matters_less_than_one_in_ten_thousand() -> None:
    model = toy.model()
    together = render(model)
    for i, unit in enumerate(UNITS):
        torch.testing.assert_close(together.images[i], render(model, (unit,)).images[0], rtol=0, atol=1e-4)


def test_a_token_networks_images_do_not_depend_on_their_company() -> None:
    model = toy.token_model(double=True)
    units = ("block1:3#cls", "block2:4#patches", "class:2")
    together = optimize(
        model, [Channel(u) for u in units], toy.Canvas(), steps=3, optimizer=STEADY, keys=units
    )
    for i, unit in enumerate(units):
        alone = optimize(model, Channel(unit), toy.Canvas(), steps=3, optimizer=STEADY, keys=[unit])
        assert torch.equal(together.images[i], alone.images[0])


def test_a_coupling_term_compares_the_images_of_its_own_unit_alone() -> None:
    model = toy.model(double=True)
    units = ("layer2:1", "layer2:2")
    parts = [Channel(u) + Diversity("act2") for u in units]
    together = optimize(model, parts, toy.Canvas(images=3), steps=3, optimizer=STEADY, keys=units)
    for i, unit in enumerate(units):
        alone = optimize(model, parts[i], toy.Canvas(images=3), steps=3, optimizer=STEADY, keys=[unit])
        assert torch.equal(together.images[3 * i : 3 * i + 3], alone.images)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    first, second = (render(toy.model()) for _ in range(2))
    assert first.images.numpy().tobytes() == second.images.numpy().tobytes()
    assert first.losses["total"].numpy().tobytes() == second.losses["total"].numpy().tobytes()
    assert not torch.equal(first.images, render(toy.model(), seed=1).images)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    model = toy.model()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = render(model)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert torch.equal(render(model).images, first.images)


class Bomb(nn.Module):
    """Lets a number of batches through and then fails."""

    def __init__(self, fuse: int) -> None:
        nn.Module.__init__(self)
        self.fuse = fuse

    def forward(self, x: Tensor) -> Tensor:
        """Pass x on, or fail."""
        self.fuse -= 1
        if self.fuse < 0:
            raise KeyError("out of fuse")
        return x


def state(module: nn.Module) -> Iterator[Any]:
    """Everything of a module that a caller could see changed."""
    for part in module.modules():
        yield part.training, len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)
    for name, value in module.state_dict().items():
        yield name, value.numpy().tobytes()
    for name, parameter in module.named_parameters():
        yield name, parameter.requires_grad, None if parameter.grad is None else parameter.grad.tolist()


def lived_in(module: nn.Module) -> nn.Module:
    """The module in a state that a careless borrower would spoil."""
    module.train()
    parts = list(module.modules())
    parts[2].eval()
    parameters = list(module.parameters())
    parameters[0].requires_grad_(False)
    parameters[2].grad = torch.ones_like(parameters[2])
    return module


class Adrift(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach().mean((2, 3))


def test_a_network_that_passes_no_gradient_on_is_one_sentence() -> None:
    with pytest.raises(ModelError, match=r"^adrift cannot be differentiated: "):
        optimize(toy.wrap(Adrift(), name="adrift"), Logit("class:1"), toy.Canvas(), steps=2)


def test_the_network_comes_back_as_it_was() -> None:
    model = toy.wrap(lived_in(toy.network()))
    before = list(state(model.module))
    render(model)
    assert list(state(model.module)) == before


def test_the_network_comes_back_as_it_was_after_an_error_in_the_middle() -> None:
    module = nn.Sequential(
        OrderedDict([*toy.network()[:6].named_children(), ("bomb", Bomb(4)), ("flat", nn.Flatten())])
    )
    model = toy.wrap(lived_in(module))
    before = list(state(module))
    with pytest.raises(
        ModelError,
        match=r"^toy cannot run on an input of shape \(1, 3, 32, 32\): KeyError: 'out of fuse' \(test_loop\.py",
    ):
        optimize(model, Channel("layer1:1") + Channel("flat:1"), toy.Canvas(), steps=9)
    assert list(state(module)) == before


@dataclass(frozen=True, repr=False)
class Root(Term):
    """The square root of how far the mean lies above a floor: falls off the edge of the real numbers."""

    floor: float = 0.45

    def __call__(self, trace: Trace) -> PerImage:
        """The root, (B,)."""
        return (trace.image.mean((1, 2, 3)) - self.floor).sqrt()


def test_a_diverging_image_is_stopped_and_the_others_go_on() -> None:
    model = toy.model(double=True)
    made = optimize(
        model, [Channel("layer2:1"), Root(), Logit("class:2")], toy.Canvas(), steps=8, optimizer=STEADY
    )
    assert made.status[0] == made.status[2] == "done"
    assert made.status[1].startswith("diverged at step ")
    step = int(made.status[1].split()[-1])
    assert 1 < step < 8
    assert torch.isfinite(made.images).all()
    assert made.losses["total"][1, : step - 1].isfinite().all()
    assert not made.losses["total"][1, step - 1 :].isfinite().any()
    short = optimize(model, Root(), toy.Canvas(), steps=step - 1, optimizer=STEADY, keys=["1"])
    assert torch.equal(made.images[1], short.images[0])
    alone = optimize(model, Logit("class:2"), toy.Canvas(), steps=8, optimizer=STEADY, keys=["2"])
    assert torch.equal(made.images[2], alone.images[0])


def dead_model(rectifier: nn.Module) -> Model:
    """A network in which the rectifier is off everywhere on any image in [0, 1]."""
    conv = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        conv.weight.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
        conv.bias.fill_(-3.0)  # type: ignore[union-attr]
    return Model(nn.Sequential(OrderedDict(conv=conv, relu=rectifier)).double(), size=(8, 8))


@pytest.mark.parametrize("rectifier", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.ReLU6(inplace=True)])
def test_a_dead_unit_is_woken_by_redirected_gradients(rectifier: nn.Module) -> None:
    model = dead_model(rectifier)
    start = toy.Canvas(8)
    woken = optimize(model, Channel("relu:1"), start, steps=16, optimizer=Optimizer(lr=0.5), redirect=16)
    assert woken.losses["total"][0, 0] == 0
    assert woken.losses["total"][0, -1] < -0.1
    asleep = optimize(model, Channel("relu:1"), start, steps=16, optimizer=Optimizer(lr=0.5), redirect=0)
    assert asleep.losses["total"].abs().max() == 0
    assert asleep.alpha.abs().max() == 0


def test_redirecting_changes_nothing_where_units_are_alive() -> None:
    model = toy.model(double=True)
    with_it = optimize(model, Channel("act2:1"), toy.Canvas(), steps=4, redirect=4)
    without = optimize(model, Channel("act2:1"), toy.Canvas(), steps=4, redirect=0)
    assert torch.equal(with_it.images, without.images)


@pytest.mark.parametrize("name", ["layer2.weight", "norm1.running_var"])
def test_weights_that_are_not_finite_are_named(name: str) -> None:
    model = toy.model()
    model.module.state_dict()[name].view(-1)[:3] = math.nan
    with pytest.raises(WeightsError, match=f"toy: 3 of the [0-9]+ weights in '{name}' are not finite"):
        optimize(model, Channel("layer2:1"), toy.Canvas(), steps=1)


def test_an_infinite_attention_mask_is_no_bad_weight() -> None:
    model = toy.model()
    model.module.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    assert optimize(model, Channel("layer2:1"), toy.Canvas(), steps=1).status == ("done",)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"term": []}, "there is no term to optimize; give at least one"),
        ({"steps": 0}, "steps is 0; allowed are whole numbers from 1"),
        ({"n_transforms": 0}, "n_transforms is 0; allowed are whole numbers from 1"),
        ({"keys": ["a", "b"]}, "there are 2 keys for 1 terms; give one each"),
        ({"keys": "a"}, "keys is 'a'; give a list with one key for each term"),
        ({"steps": 2.5}, "steps is 2.5; allowed are whole numbers from 1"),
        ({"steps": "8"}, "steps is '8'; allowed are whole numbers from 1"),
        ({"steps": True}, "steps is True; allowed are whole numbers from 1"),
        ({"redirect": -1}, "redirect is -1; allowed are whole numbers from 0"),
        ({"seed": "a"}, "seed is 'a'; allowed are whole numbers"),
        ({"seed": None}, "seed is None; allowed are whole numbers"),
        ({"frames": 4}, r"frames is 4; give the steps at which to keep a picture, such as \[0, 512\]"),
        ({"frames": "0,4"}, "frames is '0,4'; give the steps at which to keep a picture"),
        ({"frames": [0.5]}, "a step in frames is 0.5; allowed are whole numbers from 0"),
        ({"frames": [9], "steps": 8}, "a step in frames is 9; allowed are whole numbers from 0 to 8"),
        (
            {"term": "layer2:3"},
            r"the term is 'layer2:3'; give vital.objectives.Channel\('layer2:3'\), or call vital.render",
        ),
        (
            {"term": [L2(), "class:hen"]},
            r"the term is 'class:hen'; give vital.objectives.Logit\('class:hen'\)",
        ),
        ({"term": "d.safetensors:3@layer2"}, r"give vital.objectives.Direction\('d.safetensors:3@layer2'\)"),
        ({"term": Unit("layer2", 3)}, r"give vital.objectives.Channel\('layer2:3'\)"),
        ({"term": L2}, "the term is <class 'vital.regularizers.norms.L2'>; it is a class; call it"),
        (
            {"term": torch.mean},
            "the term is .*; a function does not say which layers it reads; make a subclass",
        ),
        ({"term": 3}, r"the term is 3; give a vital.Term, such as vital.objectives.Channel\('layer4:3'\)"),
        ({"term": [torch.zeros(99)]}, "the term is something of the type Tensor; give a vital.Term"),
        (
            {"transforms": torch.nn.ReLU()},
            r"ReLU\(\) is not a transform of vital; wrap .* vital.transforms.Lambda",
        ),
        (
            {"transforms": [Roll(), abs]},
            "<built-in function abs> is not a transform of vital; wrap a function",
        ),
        ({"transforms": [Roll]}, "Roll'> is not a transform of vital; it is a class; call it first"),
        (
            {"transforms": 4},
            r"4 is not a transform of vital; give transforms, such as vital.transforms.Jitter\(4\)",
        ),
        (
            {"parameterization": 224},
            r"the parameterization is 224; give one, such as vital.params.Fourier\(224\)",
        ),
        ({"optimizer": "adam"}, r"the optimizer is 'adam'; give one, such as vital.Optimizer\(lr=0.05\)"),
    ],
)
def test_impossible_settings_fail_with_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    given = {"term": Channel("layer2:1"), "parameterization": toy.Canvas()} | settings
    with pytest.raises(InvalidValueError, match=sentence):
        optimize(toy.model(), **given)


def test_a_bare_network_is_answered_with_how_to_wrap_it() -> None:
    with pytest.raises(InvalidValueError, match=r"the network is .*; give vital.Model\(network, size=...\)"):
        optimize(toy.network(), Channel("layer2:1"), toy.Canvas())  # type: ignore[arg-type]


def test_the_names_in_the_sentences_are_there() -> None:
    for text in (
        "vital.objectives.Channel('layer4:3')",
        "vital.objectives.Logit('class:hen')",
        "vital.objectives.Direction",
        "vital.objectives.FromLucent(abs)",
        "vital.transforms.Lambda(abs)",
        "vital.transforms.Jitter(4)",
        "vital.params.Fourier(224)",
        "vital.Optimizer(lr=0.05)",
    ):
        assert eval(text, {"vital": vital}) is not None


def test_one_transform_needs_no_list() -> None:
    model = toy.model(double=True)
    alone, listed = (
        optimize(model, Channel("layer2:1"), toy.Canvas(), given, steps=3) for given in (Roll(), [Roll()])
    )
    assert torch.equal(alone.images, listed.images)
    plain = optimize(model, Channel("layer2:1"), toy.Canvas(), steps=3)
    assert not torch.equal(alone.images, plain.images)


def test_a_function_in_lambda_leaves_a_units_image_independent_of_its_company() -> None:
    model, transform = toy.model(double=True), Lambda(lambda x: x + 0.1 * torch.randn_like(x))
    together = render(model, transforms=[transform])
    for i, unit in enumerate(UNITS):
        assert torch.equal(together.images[i], render(model, (unit,), transforms=[transform]).images[0])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0}, "the learning rate is 0; allowed are numbers above 0"),
        ({"lr": math.nan}, "the learning rate is nan"),
        ({"schedule": "linear"}, "schedule 'linear' is unknown; allowed are constant, cosine, warmup-cosine"),
        ({"kind": "lbfgs"}, "optimizer 'lbfgs' is unknown; allowed are adam, nadam"),
    ],
)
def test_an_impossible_optimizer_fails_with_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        Optimizer(**settings)


def test_an_image_that_the_network_cannot_take_is_explained() -> None:
    with pytest.raises(ModelError, match=r"toy cannot run on an input of shape \(1, 3, 4, 4\)"):
        optimize(toy.token_model(), Channel("class:1"), toy.Canvas(4), steps=1)


def test_losses_are_kept_weighted_under_their_own_names() -> None:
    model = toy.model(double=True)
    term = 2 * Channel("layer2:1") + 0.5 * L2() + Channel("layer3:4")
    made = optimize(model, [term, Logit("class:1")], toy.Canvas(), steps=3)
    assert set(made.losses) == {"Channel", "L2", "Channel 2", "total", "Logit"}
    parts = made.losses["Channel"] + made.losses["L2"] + made.losses["Channel 2"]
    torch.testing.assert_close(parts[0], made.losses["total"][0])
    assert made.losses["L2"][1].isnan().all()
    trace = toy.trace(
        model, term.layers, optimize(model, term, toy.Canvas(), steps=1, frames=[0]).frames[0][1]
    )
    torch.testing.assert_close(made.losses["Channel"][0, :1], 2 * Channel("layer2:1")(trace))
    torch.testing.assert_close(made.losses["L2"][0, :1], 0.5 * L2()(trace))


def test_alpha_adds_up_the_gradient_at_the_image() -> None:
    model = toy.model(double=True)
    made = optimize(model, Channel("layer2:1@2,2"), toy.Canvas(), steps=1, transforms=[Roll()])
    start = optimize(
        model, Channel("layer2:1@2,2"), toy.Canvas(), steps=1, transforms=[Roll()], frames=[0]
    ).frames[0][1]
    assert made.alpha.shape == (1, 32, 32)
    assert (made.alpha > 0).sum() == 7 * 7
    twice = optimize(model, 2 * Channel("layer2:1@2,2"), toy.Canvas(), steps=1, transforms=[Roll()])
    torch.testing.assert_close(twice.alpha, 2 * made.alpha)
    assert start.shape == made.images.shape


def test_frames_are_the_images_at_the_wanted_steps() -> None:
    model = toy.model(double=True)
    made = optimize(model, Channel("layer2:1"), toy.Canvas(), steps=4, frames=[0, 2, 4])
    assert [step for step, _ in made.frames] == [0, 2, 4]
    assert torch.equal(made.frames[2][1], made.images)
    two = optimize(model, Channel("layer2:1"), toy.Canvas(), steps=2)
    assert torch.equal(made.frames[1][1], two.images)


def test_each_step_is_reported_with_the_losses_of_all_images() -> None:
    seen: list[Step] = []
    optimize(toy.model(), terms(toy.model()), toy.Canvas(), steps=3, callback=seen.append)
    assert [(s.number, s.of, tuple(s.losses.shape)) for s in seen] == [
        (1, 3, (4,)),
        (2, 3, (4,)),
        (3, 3, (4,)),
    ]


def test_a_penalty_on_the_image_alone_needs_no_layer() -> None:
    made = optimize(toy.model(), L2(0.2), toy.Canvas(), steps=100, optimizer=Optimizer(lr=0.05))
    torch.testing.assert_close(made.images, torch.full((1, 3, 32, 32), 0.2), atol=0.02, rtol=0)


def test_several_transforms_average_the_loss() -> None:
    model = toy.model(double=True)
    one = optimize(model, Direction("layer2", torch.ones(16)), toy.Canvas(), steps=3)
    four = optimize(model, Direction("layer2", torch.ones(16)), toy.Canvas(), steps=3, n_transforms=4)
    torch.testing.assert_close(one.losses["total"], four.losses["total"])
    assert four.images.shape == (1, 3, 32, 32)


def test_a_canvas_that_grows_is_shown_small_and_then_whole() -> None:
    sides: list[int] = []

    @dataclass(frozen=True, repr=False)
    class Side(Term):
        def __call__(self, trace: Trace) -> Tensor:
            sides.append(trace.image.shape[-1])
            return trace.image.flatten(1).mean(1)

    made = optimize(toy.model(), Side(), Fourier(32, coarse=0.5), steps=8)
    assert sides == [16] * 4 + [32] * 4
    assert made.images.shape == (1, 3, 32, 32)
    assert made.alpha.shape == (1, 32, 32)
    assert bool((made.alpha > 0).all())
    assert optimize(toy.model(), Side(), Fourier(32, coarse=0.5), steps=1).alpha.shape == (1, 32, 32)


def test_the_published_schedule_warms_up_and_falls_as_a_cosine() -> None:
    rate = Optimizer(1.0, schedule="warmup-cosine", warmup=100)
    for e in (0, 1, 50, 99):
        assert rate.factor(e, 2000) == pytest.approx((e + 1) / 100)
    for e in (100, 101, 1000, 1999):
        assert rate.factor(e, 2000) == pytest.approx(0.5 * (1 + math.cos(math.pi * (e - 100) / 1900)))


def test_checkpoints_rise_from_the_start_to_the_end() -> None:
    for steps in (1, 2, 7, 512):
        found = list(checkpoints(steps))
        assert found[0] == 0
        assert found[-1] == steps
        assert found == sorted(set(found))


def test_progress_is_quiet_where_the_output_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    optimize(toy.model(), L2(), toy.Canvas(), steps=2, progress=True)
    assert capfd.readouterr() == ("", "")


def test_redirecting_ends_when_every_image_is_awake() -> None:
    model, steps = toy.model(), []
    optimize(
        model,
        Channel("act2:1"),
        toy.Canvas(),
        steps=8,
        redirect=8,
        callback=lambda s: steps.append(s.redirect),
    )
    assert steps == [True] * 4 + [False] * 4
    asleep: list[bool] = []
    optimize(dead_model(nn.ReLU()), Channel("relu:1"), toy.Canvas(8), steps=8, redirect=6,
             optimizer=Optimizer(lr=1e-6), callback=lambda s: asleep.append(s.redirect))  # fmt: skip
    assert asleep == [True] * 6 + [False] * 2


def test_who_needs_no_redirected_gradients_is_not_changed_by_who_does() -> None:
    class Both(nn.Module):
        """Two rectifiers, of which the second is off everywhere at the start."""

        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.alive, self.asleep = toy.seeded(nn.Conv2d(3, 4, 3)), nn.Conv2d(3, 4, 3)
            self.asleep.load_state_dict(self.alive.state_dict())
            with torch.no_grad():
                self.asleep.bias.fill_(-9.0)  # type: ignore[union-attr]
            self.one, self.two = nn.ReLU(), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            """Read both."""
            return self.one(self.alive(x)).mean((2, 3)) + self.two(self.asleep(x)).mean((2, 3))

    model = toy.wrap(Both(), size=8)
    terms = [Channel("one:1"), Channel("two:1")]
    given: dict[str, Any] = {"steps": 12, "redirect": 12, "optimizer": Optimizer(lr=0.1)}
    together = optimize(model, terms, toy.Canvas(8), keys=["a", "b"], **given)
    alone = optimize(model, terms[0], toy.Canvas(8), keys=["a"], **given)
    torch.testing.assert_close(together.images[0], alone.images[0], rtol=0, atol=1e-5)
    assert together.losses["total"][1, 0] == 0
    assert (together.images[1] - toy_start(model)).abs().amax() > 0.1


def toy_start(model: Model) -> Tensor:
    """The picture that the second unit starts from."""
    return optimize(model, Channel("two:1"), toy.Canvas(8), keys=["b"], steps=1, frames=[0]).frames[0][1][0]


@dataclass(frozen=True, repr=False)
class Vast(Term):
    """A loss near the largest number there is, with small gradients."""

    def __call__(self, trace: Trace) -> PerImage:
        """The mean, far away."""
        return trace.image.mean((1, 2, 3)) + 3e38


def test_vast_numbers_are_finite() -> None:
    made = optimize(toy.model(), Vast() + 0 * L2(), toy.Canvas(images=2), steps=2)
    assert made.status == ("done", "done")


def test_each_term_may_have_a_seed_of_its_own() -> None:
    model, term = toy.model(double=True), Channel("layer2:1")
    both = optimize(model, [term, term], Fourier(16), [Jitter(2)], steps=2, seed=[3, 5], keys=["a", "a"])
    for i, seed in enumerate((3, 5)):
        alone = optimize(model, term, Fourier(16), [Jitter(2)], steps=2, seed=seed, keys=["a"])
        assert torch.equal(both.images[i], alone.images[0])


def test_as_many_seeds_as_terms_are_needed() -> None:
    with pytest.raises(
        InvalidValueError, match="there are 2 seeds for 1 terms; give one for all, or one each"
    ):
        optimize(toy.model(), Channel("layer2:1"), Fourier(16), seed=[1, 2])
