from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.cli.app import main
from vital.errors import ModelError, UnitError, UnknownNameError
from vital.models import Model
from vital.tracing import Tracer, list_layers


class Sequence(nn.Module):
    """Rows of pixels as a sequence with 6 channels, read by convolutions: (B, C, L)."""

    def __init__(self, pooled: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, stride=4)
        self.flat = nn.Flatten(2)
        self.conv, self.act = nn.Conv1d(6, 5, 3, padding=1), nn.ReLU()
        self.pool, self.fixed, self.head = nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(5, 4)
        if not pooled:
            self.pool, self.head = nn.Identity(), nn.Linear(5 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, 16, 16) to logits."""
        x = self.act(self.conv(self.flat(self.stem(x))))
        y: Tensor = self.head(self.fixed(self.pool(x)))
        return y


@pytest.mark.parametrize("pooled", [True, False])
def test_the_channels_of_a_sequence_are_those_of_its_convolution(pooled: bool) -> None:
    model = Model(toy.seeded(Sequence(pooled)), size=(16, 16))
    layers = list_layers(model)
    for name, channels in (("flat", 6), ("conv", 5), ("act", 5)):
        found = layers[name]
        assert (found.shape, found.channel_axis, found.prefix, found.problem) == ((channels, 16), 1, 0, "")
    images = torch.rand(3, 3, 16, 16)
    with Tracer(model, ["conv"]) as tracer:
        trace = tracer(images)
    expected = model.module.conv(model.module.flat(model.module.stem(images)))
    torch.testing.assert_close(trace["conv"], expected)
    torch.testing.assert_close(trace.read(model.unit("conv:2#all")), expected[:, 2].mean(1))
    with pytest.raises(UnitError, match="asks for the class token, but layer 'conv' has none"):
        model.unit("conv:2#cls")


def test_seventeen_places_of_a_sequence_are_no_class_token() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.conv = nn.Flatten(2), nn.Conv1d(3, 5, 2, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.flat(x)).mean(2)

    found = list_layers(Model(Padded(), size=(4, 4)))["conv"]
    assert (found.shape, found.channel_axis, found.prefix) == ((5, 17), 1, 0)


class Patches(nn.Module):
    """Patches as tokens behind so many others, which nothing names."""

    def __init__(self, others: int, strict: bool = False) -> None:
        super().__init__()
        self.patches, self.mix = nn.Conv2d(3, 4, 4, stride=4), nn.Linear(4, 4)
        self.others = nn.Parameter(torch.randn(1, others, 4))
        self.same, self.strict = nn.Identity(), strict

    def forward(self, x: Tensor) -> Tensor:
        """Images of 16 x 16 to the mean token."""
        if self.strict and x.shape[3] != 16:
            raise ValueError("images of 16 x 16 alone")
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.others.expand(len(x), -1, -1), tokens], 1)
        y: Tensor = self.same(self.mix(tokens)).mean(1)
        return y


@pytest.mark.parametrize("others", [0, 1, 4, 5])
def test_tokens_that_do_not_grow_with_the_image_stand_in_front(others: int) -> None:
    found = list_layers(Model(Patches(others), size=(16, 16)))["mix"]
    assert (found.shape, found.channel_axis, found.prefix) == ((4, 16 + others), 2, others)


def test_what_only_takes_one_size_is_read_by_its_operations() -> None:
    layers = list_layers(Model(Patches(1, strict=True), size=(16, 16)))
    assert [(layers[n].shape, layers[n].channel_axis) for n in ("mix", "same")] == [((4, 17), 2)] * 2


def test_three_axes_of_which_nothing_speaks_are_asked_for() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(2))
    problem = list_layers(Model(module, size=(16, 16)))["2"].problem
    assert problem == (
        "its output (2, 4, 6) does not say which axis holds the channels; "
        "name another layer, or let an nn.Identity behind it see it as (B, C, H, W)"
    )


class Fault(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.stem, self.between, self.head = nn.Conv2d(3, 4, 4, stride=4), between, nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        y: Tensor = self.head(self.between(self.stem(x))).mean((2, 3))
        return y


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.01 * torch.randn_like(x)


class AlwaysDropout(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Counting(nn.Module):
    count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count


class Centered(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


RANDOM = (
    "it gives other numbers each time, through {}, which draws at random or keeps a state in eval mode too; "
)
RANDOM += "let it do so only where self.training is true"
COMPANY = "its numbers for an image depend on the images beside it, through {}; {}"
STATISTICS = (
    "it has no running statistics; build it with track_running_stats=True, and load weights that hold them"
)
EACH = "write it so that each image stands for itself"


@pytest.mark.parametrize(
    ("between", "problem"),
    [
        (Noise(), RANDOM.format("'between' (Noise)")),
        (AlwaysDropout(), RANDOM.format("'between' (AlwaysDropout)")),
        (Counting(), RANDOM.format("'between' (Counting)")),
        (
            nn.BatchNorm2d(4, track_running_stats=False),
            COMPANY.format("'between' (BatchNorm2d)", STATISTICS),
        ),
        (Centered(), COMPANY.format("'between' (Centered)", EACH)),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_breaks_the_law_of_the_batch_is_named(between: nn.Module, problem: str, wrapped: bool) -> None:
    if wrapped:
        between, problem = Wrapped(between), problem.replace("'between'", "'between.inner'")
    model = Model(toy.seeded(Fault(between)), size=(16, 16))
    state = torch.get_rng_state()
    layers = list_layers(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert {n for n, layer in layers.items() if layer.problem} == set(layers) - {"stem"}
    assert layers["class"].problem == layers["head"].problem == problem
    with pytest.raises(UnitError, match="layer 'class' cannot be used: it"):
        model.unit("class:0")
    assert model.unit("stem:1").channel == 1


def test_noise_in_the_networks_own_forward_is_its_own() -> None:
    class Own(Fault):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.stem(x) + torch.rand(1)).mean((2, 3))

    layers = list_layers(Model(Own(nn.Identity()), size=(16, 16)))
    assert layers["head"].problem == RANDOM.format("the forward of Own")
    assert not layers["stem"].problem


def test_a_squeeze_that_takes_the_images_axis_is_named() -> None:
    class Squeezing(Fault):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.stem(x)).mean((2, 3)).squeeze()

    layers = list_layers(Model(Squeezing(nn.Identity()), size=(16, 16)))
    sentence = (
        "the forward of Squeezing gives (2, 5) for two images and (5,) for one; name the axis in squeeze"
    )
    assert layers["class"].problem == sentence
    assert not layers["head"].problem


def test_a_network_that_does_not_run_on_one_image_says_so() -> None:
    class Paired(Fault):
        def forward(self, x: Tensor) -> Tensor:
            made = self.stem(x)
            if len(made) == 1:
                raise ValueError("a pair is wanted")
            return self.head(made).mean((2, 3))

    layers = list_layers(Model(Paired(nn.Identity()), size=(16, 16)))
    why = "the network does not run on one image alone: ValueError: a pair is wanted (test_layers.py, line "
    assert layers["class"].problem.startswith(why)
    assert not layers["stem"].problem


@pytest.mark.parametrize(
    "part",
    [nn.BatchNorm2d(4), nn.Dropout(), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.LocalResponseNorm(2)],
)
def test_networks_that_hold_the_law_see_no_difference(part: nn.Module) -> None:
    assert not any(layer.problem for layer in list_layers(Model(Fault(part), size=(16, 16))).values())


def test_windows_and_a_batch_that_stands_second_hold_the_law() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cut, self.mix = nn.PixelUnshuffle(2), nn.Linear(12, 12)
            self.attend, self.last = nn.MultiheadAttention(12, 2), nn.Linear(12, 3)

        def forward(self, x: Tensor) -> Tensor:
            made = self.cut(x).flatten(2)
            rows = self.mix(made.mT.reshape(-1, 2, 12)).reshape(len(x), -1, 12)
            turned = rows.transpose(0, 1)
            return self.last(self.attend(turned, turned, turned)[0].mean(0))

    layers = list_layers(Model(Windows(), size=(4, 4)))
    assert [n for n, layer in layers.items() if layer.problem] == ["mix"]
    sentence = "its output (4, 2, 12) for two images, (2, 2, 12) for one, has no axis for the image"
    sentence += "; name a layer before or after it"
    assert layers["mix"].problem == sentence


def test_one_number_for_each_image_is_one_output() -> None:
    class Single(Fault):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.stem(x)).mean((1, 2, 3))

    model = Model(Single(nn.Identity()), size=(16, 16), output="sigmoid")
    assert list_layers(model)["class"].shape == (1,)
    images = torch.rand(3, 3, 16, 16)
    with Tracer(model, ["class"]) as tracer:
        assert tracer(images)["class"].shape == (3, 1)
    made = vital.render(model, "class:0", method="pixels", steps=3, progress=False)[0]
    assert 0 < made.provenance["probability"] < 1


@pytest.mark.parametrize("change", [lambda y: y.argmax(1, keepdim=True), lambda y: y > 0, torch.fft.fft])
def test_an_output_that_holds_no_floats_says_so(change: Any) -> None:
    class Other(Fault):
        def forward(self, x: Tensor) -> Tensor:
            return change(self.head(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]

    problem = list_layers(Model(Other(nn.Identity()), size=(16, 16)))["class"].problem
    assert problem.startswith("it returns ")
    assert problem.endswith(" and no floats; name a layer before it")


@pytest.mark.parametrize("rows", [torch.export.Dim("rows"), None])
def test_an_exported_network_runs_in_the_mode_in_which_it_was_made(rows: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 5)).eval()
    shapes = None if rows is None else ({0: rows},)
    made = torch.export.export(net, (torch.rand(2, 3, 16, 16),), dynamic_shapes=shapes).module()
    if rows is not None:
        assert list_layers(Model(made, size=(16, 16)))["class"].shape == (5,)
    else:  # two images, and no other number
        assert "does not run on one image alone" in list_layers(Model(made, size=(16, 16)))["class"].problem


@pytest.mark.parametrize(
    ("late", "says"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(3)),
            "'2.weight' is lazy; run it once",
        ),
        (nn.Conv2d(3, 4, 3, device="meta"), "'weight' is on the device meta; load its weights"),
    ],
)
def test_weights_that_are_still_to_come_are_told(late: nn.Module, says: str) -> None:
    for door in (Model, vital.load_model):
        with pytest.raises(ModelError, match=says):
            door(late)


class Rarely(nn.Module):
    """Something random that a pass over two images seldom shows."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: Tensor) -> Tensor:
        """The map, changed at random."""
        return x * float(self.draw() > 0.2)


@pytest.mark.parametrize("draw", [lambda: torch.rand(1).item(), random.random, np.random.rand])
def test_noise_that_seldom_shows_is_found_by_its_draws(draw: Any) -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    after = random.getstate()
    problem = list_layers(Model(toy.seeded(Fault(Rarely(draw))), size=(16, 16)))["class"].problem
    assert problem == RANDOM.format("'between' (Rarely)")
    assert random.getstate() == after


def test_draws_without_a_difference_are_told() -> None:
    model = Model(toy.seeded(Fault(Rarely(lambda: 1 + torch.rand(1).item()))), "net", size=(16, 16))
    says = r"^net draws random numbers in eval mode through 'between' \(Rarely\); they made no difference in 32 passes"
    with pytest.warns(UserWarning, match=says):
        layers = list_layers(model)
    assert not any(layer.problem for layer in layers.values())


def test_noise_is_blamed_on_what_makes_it_where_parts_are_given_it_by_name() -> None:
    class Named(Fault):
        def forward(self, x: Tensor) -> Tensor:
            made = self.stem(x)
            return self.head(input=made + 0.1 * torch.randn_like(made)).mean((2, 3))

    layers = list_layers(Model(Named(nn.Identity()), size=(16, 16)))
    assert layers["head"].problem == RANDOM.format("the forward of Named")


class Inner(nn.Module):
    """Makes of a map whatever a function says."""

    def __init__(self, make: Callable[[Tensor], Any], take: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.stem, self.inner, self.head = nn.Conv2d(3, 4, 4, stride=4), _Made(make), nn.Conv2d(4, 5, 1)
        self.take = take

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        y: Tensor = self.head(self.take(self.inner(self.stem(x)))).mean((2, 3))
        return y


class _Made(nn.Module):
    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Any:
        return self.make(x)


@dataclass
class Both:
    near: Tensor
    far: Tensor


def model_of(make: Callable[[Tensor], Any], take: Callable[[Any], Tensor]) -> Model:
    return Model(toy.seeded(Inner(make, take)), size=(16, 16))


@pytest.mark.parametrize(
    ("make", "take", "key"),
    [
        (lambda x: (x, 2 * x), lambda y: y[0], "1"),
        (lambda x: [x, None, 2 * x], lambda y: y[0], "2"),
        (lambda x: OrderedDict(p2=x, p3=2 * x), lambda y: y["p2"], "p3"),
        (lambda x: {"maps": [x, 2 * x]}, lambda y: y["maps"][0], "maps.1"),
        (lambda x: Both(x, 2 * x), lambda y: y.near, "far"),
    ],
)
def test_a_tensor_of_several_is_chosen_by_its_key(make: Any, take: Any, key: str) -> None:
    model = model_of(make, take)
    name = f"inner[{key}]"
    layers = list_layers(model)
    assert layers["inner"].others == (name,)
    assert (layers[name].shape, layers[name].others, layers[name].module) == ((4, 4, 4), ("inner",), "inner")
    images = torch.rand(3, 3, 16, 16)
    with Tracer(model, ["inner", name]) as tracer:
        trace = tracer(images)
    assert torch.equal(trace[name], 2 * trace["inner"])
    assert torch.equal(trace.read(model.unit(f"{name}:2@1,1")), trace[name][:, 2, 1, 1])
    first = layers["inner"].tensor
    with pytest.warns(UserWarning, match=f"'inner' is tensor '{first}' of 2; the others: inner"):
        model.unit("inner:0")
    with pytest.raises(UnknownNameError, match=r"no layer 'inner\[9\]'; did you mean 'inner"):
        model.unit("inner[9]:0")


def test_a_recurrent_layer_gives_its_states() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.LSTM(12, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.head(self.rnn(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])
            return y

    model = Model(toy.seeded(Rows()), size=(4, 4))
    layers = list_layers(model)
    assert [layers[n].shape for n in ("rnn", "rnn[1.0]", "rnn[1.1]")] == [(6, 4), (6, 1), (6, 1)]
    with Tracer(model, ["rnn", "rnn[1.0]"]) as tracer:
        trace = tracer(torch.rand(3, 3, 4, 4))
    torch.testing.assert_close(trace["rnn"][:, :, -1], trace["rnn[1.0]"][:, :, 0])


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x.argmax(1), x, 2 * x),
        lambda x: (x.mean(), x, 2 * x),
        lambda x: (torch.zeros(3), x, 2 * x),
    ],
)
def test_a_first_tensor_that_is_no_map_is_refused_with_the_others(make: Any) -> None:
    model = model_of(make, lambda y: y[1])
    with pytest.raises(UnitError, match=r"the first of the 3 tensors .*; name 'inner\[1\]' or 'inner\[2\]'$"):
        model.unit("inner:0")
    assert model.unit("inner[1]:0").channel == 0


@pytest.mark.filterwarnings("default")
def test_what_is_taken_is_said_by_the_commands(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nSIZE = 16\n"
        "class Two(nn.Module):\n    def forward(self, x):\n        return {'a': x, 'b': 2 * x}\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.stem, self.two = nn.Conv2d(3, 4, 4, stride=4), Two()\n"
        "    def forward(self, x):\n        return self.two(self.stem(x))['b'].mean((2, 3))\n"
        "def net():\n    return Net()\n"
    )
    spec = f"{tmp_path / 'net.py'}:net"
    assert main(["layers", spec]) == 0
    shown = capsys.readouterr().out
    assert "two:0 (tensor 'a' of 2; the others: two[b])" in shown
    assert "two[b]:0" in shown
    out = ["--out", str(tmp_path / "run"), "--method", "pixels", "--steps", "2"]
    assert main(["render", spec, "two:0", "two[b]:1", *out]) == 0
    told = capsys.readouterr().err
    assert told.count("'two' is tensor 'a' of 2; the others: two[b]; write one of these for another") == 1
    images = np.random.default_rng(0).random((4, 16, 16, 3)).astype(np.float32)
    with pytest.warns(UserWarning, match="'two' is tensor 'a' of 2"):
        bank = vital.build_bank(vital.load_model(spec), ["two", "two[b]"], vital.load_images(images))
    with pytest.warns(UserWarning, match="'two' is tensor"):
        assert bank.strongest("two[b]:1", 4) == bank.strongest("two:1", 4)
