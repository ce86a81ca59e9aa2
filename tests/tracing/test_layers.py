from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vital
from tests import toy
from vital.errors import ModelError, UnitError
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
