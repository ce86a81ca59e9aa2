from __future__ import annotations

import warnings
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests import toy
from vital.errors import ModelError, UnitError, UnknownNameError
from vital.models import Model
from vital.tracing import Redirect, Tracer, first_tensor, list_layers
from vital.types import Layer
from vital.units import Unit

IMAGES = toy.images(3)


class Counted(nn.Module):
    """Counts how often it runs."""

    def __init__(self, inner: nn.Module) -> None:
        nn.Module.__init__(self)
        self.inner, self.count = inner, 0

    def forward(self, x: Tensor) -> Tensor:
        """Run the inner module."""
        self.count += 1
        y: Tensor = self.inner(x)
        return y


class Apply(nn.Module):
    """Any function as a module."""

    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        nn.Module.__init__(self)
        self.function = function

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Apply it."""
        return self.function(x)


def chain(*parts: nn.Module) -> Model:
    """Modules one after another, named a, b, c, …, for images of 32 x 32."""
    return toy.wrap(nn.Sequential(OrderedDict(zip("abcdefgh", parts, strict=False))))


def test_a_trace_holds_what_a_plain_forward_pass_computes() -> None:
    model = toy.model()
    x = model.normalize(IMAGES.float())
    trace = toy.trace(model, ["layer2", "act2", "class", "<norm3"], IMAGES)
    expected = {}
    with torch.no_grad():
        for name, part in model.module.eval().named_children():
            before, x = x, part(x)
            expected |= {name: x, f"<{name}": before}
    for name in ("layer2", "act2", "<norm3"):
        torch.testing.assert_close(trace[name], expected[name])
    torch.testing.assert_close(trace["class"], x)


def test_row_by_row_and_batched_passes_agree() -> None:
    single = toy.trace(toy.model(), ["layer3", "class"], IMAGES)
    double = toy.trace(toy.model(double=True), ["layer3", "class"], IMAGES)
    for layer in ("layer3", "class"):
        torch.testing.assert_close(single[layer].double(), double[layer], rtol=1e-4, atol=1e-5)


def test_image_seen_and_input_are_the_picture_before_and_after_transforms_and_normalization() -> None:
    model = toy.model(double=True)
    seen = IMAGES.repeat_interleave(2, 0).roll(5, 3)
    trace = toy.trace(model, ["layer1"], IMAGES, seen, n_transforms=2)
    assert len(trace) == 6
    assert torch.equal(trace.image, IMAGES.repeat_interleave(2, 0))
    assert torch.equal(trace.seen, seen)
    mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in (toy.MEAN, toy.STD))
    torch.testing.assert_close(trace.input, (seen - mean) / std)


def test_rows_are_the_same_pass_for_some_images_alone() -> None:
    trace = toy.trace(toy.model(), ["layer1", "class"], IMAGES)
    part = trace.rows(1, 3)
    assert len(part) == 2
    for whole, some in [
        (trace.image, part.image),
        (trace.input, part.input),
        (trace["class"], part["class"]),
    ]:
        assert torch.equal(whole[1:3], some)


def test_the_pass_stops_after_the_deepest_layer() -> None:
    head = Counted(nn.Flatten())
    model = chain(nn.Conv2d(3, 4, 3), nn.ReLU(), head)
    list_layers(model)
    head.count = 0
    with Tracer(model, ["a"]) as tracer:
        tracer(IMAGES.float())
    assert head.count == 0
    with Tracer(model, ["b", "<b"]) as tracer:
        tracer(IMAGES.float())
    assert head.count == 0
    with Tracer(model, ["a", "class"]) as tracer:
        tracer(IMAGES.float())
    assert head.count == 1


def test_the_pass_stops_at_an_inner_layer_of_a_block_whose_input_is_wanted_too() -> None:
    tail = Counted(nn.ReLU())
    model = chain(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 3), tail))
    list_layers(model)
    tail.count = 0
    with Tracer(model, ["<b", "b.0"]) as tracer:
        trace = tracer(IMAGES.float())
    assert tail.count == 0
    assert trace["<b"].shape == (3, 4, 30, 30)


def test_without_layers_the_network_does_not_run() -> None:
    body = Counted(nn.Conv2d(3, 4, 3))
    model = chain(body)
    list_layers(model)
    body.count = 0
    toy.trace(model, [], IMAGES)
    assert body.count == 0


class InPlace(nn.Module):
    """A residual block that writes over the output of its convolution twice."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, add, rectify."""
        y = self.conv(x)
        y += x
        z: Tensor = self.relu(y)
        return z


@pytest.mark.parametrize("redirect", [False, True])
def test_a_later_operation_in_place_does_not_spoil_a_kept_layer(redirect: bool) -> None:
    block = toy.seeded(InPlace())
    model = toy.wrap(nn.Sequential(OrderedDict(block=block)))
    image = IMAGES.float().requires_grad_()
    with Tracer(model, ["block.conv", "block"]) as tracer:
        for _ in range(2):
            trace = tracer(image, redirect=Redirect() if redirect else None)
            expected = block.conv(model.normalize(image))
            torch.testing.assert_close(trace["block.conv"], expected)
            assert trace["block"].min() >= 0
            wanted = torch.autograd.grad(expected.square().sum(), image)
            got = torch.autograd.grad(trace["block.conv"].square().sum(), image)
            torch.testing.assert_close(got, wanted)


def test_gradients_reach_the_image_and_not_the_weights() -> None:
    model = toy.model()
    image = IMAGES.float().requires_grad_()
    with Tracer(model, ["class"]) as tracer:
        tracer(image)["class"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert all(p.grad is None for p in model.module.parameters())


def test_inside_the_network_is_in_eval_mode_and_outside_as_before() -> None:
    model = toy.model()
    model.module.train()
    model.module.norm2.eval()
    flags = [(m.training) for m in model.module.modules()]
    with Tracer(model, ["class"]) as tracer:
        assert not any(m.training for m in model.module.modules())
        assert not any(p.requires_grad for p in model.module.parameters())
        tracer(IMAGES.float())
    assert [m.training for m in model.module.modules()] == flags
    assert all(p.requires_grad for p in model.module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


def test_a_survey_leaves_the_network_as_it_was() -> None:
    model = toy.model()
    before = {k: v.clone() for k, v in model.module.train().state_dict().items()}
    list_layers(model)
    assert all(m.training for m in model.module.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.module.state_dict().items())
    assert not any(m._forward_hooks for m in model.module.modules())


def test_a_survey_reads_maps_vectors_and_the_output() -> None:
    layers = list_layers(toy.model())
    assert list(layers) == [*dict(toy.network().named_children()), "class"]
    assert layers["layer2"] == Layer("layer2", "map", (16, 8, 8), order=3)
    assert layers["pool"].shape == (24, 1, 1)
    assert (layers["class"].kind, layers["class"].shape) == ("vector", (10,))


def test_a_survey_reads_token_layers_with_their_class_token() -> None:
    layers = list_layers(toy.token_model())
    assert (layers["block1"].kind, layers["block1"].shape, layers["block1"].prefix) == ("tokens", (12, 17), 1)
    assert layers["patches"].kind == "map"
    assert layers["block1.attention"].shape == (12, 17)


def test_a_layer_with_its_channels_last_is_recognized_and_turned() -> None:
    model = chain(nn.Conv2d(3, 6, 8, stride=8), Apply(lambda x: x.permute(0, 2, 3, 1)), nn.Linear(6, 5))
    assert list_layers(model)["c"] == Layer("c", "map", (5, 4, 4), channel_axis=3, order=2)
    trace = toy.trace(model, ["a", "b", "c"], IMAGES)
    assert trace["c"].shape == (3, 5, 4, 4)
    assert torch.equal(trace["b"], trace["a"])


@pytest.mark.parametrize("last", [False, True])
def test_as_many_channels_as_rows_are_told_apart_by_a_wider_image(last: bool) -> None:
    turn = Apply(lambda x: x.permute(0, 2, 3, 1)) if last else nn.Identity()
    model = chain(nn.Conv2d(3, 4, 8, stride=8), turn)
    assert list_layers(model)["b"].channel_axis == (3 if last else 1)
    trace = toy.trace(model, ["a", "b"], IMAGES)
    assert torch.equal(trace["b"], trace["a"])


@pytest.mark.parametrize("last", [False, True])
def test_equal_sides_say_nothing_where_the_image_is_not_square(last: bool) -> None:
    conv = nn.Conv2d(3, 12 if last else 8, 1)
    module = nn.Sequential(conv, Turned()) if last else nn.Sequential(conv)
    found = list_layers(Model(module, size=(8, 12)))["1" if last else "0"]
    assert (found.channels, found.shape[1:]) == (12 if last else 8, (8, 12))


def test_a_class_token_is_found_where_the_patches_are_no_square() -> None:
    class Tokens(nn.Module):
        num_prefix_tokens = 1

        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.patches, self.blocks = nn.Conv2d(3, 5, 4, stride=4), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            rows = self.patches(x).flatten(2).mT
            return self.blocks(torch.cat([rows[:, :1], rows], 1))

    assert list_layers(Model(Tokens(), size=(8, 12)))["blocks"].prefix == 1


def test_a_full_relu6_is_brought_down_and_not_up() -> None:
    x = torch.full((2, 3), 7.0, requires_grad=True)
    with Redirect():
        (nn.functional.relu6(x) * torch.tensor([[1.0], [-1.0]])).sum().backward()
    assert x.grad.tolist() == [[1.0] * 3, [0.0] * 3]


class Turned(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(1, 3)


def only_32(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    del module
    if inputs[0].shape[2:] != (32, 32):
        raise ValueError("images of 32 x 32 alone")


def test_a_layer_that_cannot_be_told_apart_is_explained() -> None:
    model = chain(nn.Conv2d(3, 4, 8, stride=8), nn.Flatten(), nn.Linear(64, 3))
    model.module.register_forward_pre_hook(only_32)
    problem = "layer 'a' cannot be used: its output (2, 4, 4, 4) does not say which axis holds the channels"
    with pytest.raises(UnitError) as caught:
        Tracer(model, ["a"])
    assert str(caught.value) == f"{problem}; name a layer before or after it"


def test_a_layer_with_the_batch_second_is_recognized_and_turned() -> None:
    def to_tokens(x: Tensor) -> Tensor:
        return x.flatten(2).permute(2, 0, 1)

    model = chain(nn.Conv2d(3, 6, 8, stride=8), Apply(to_tokens), nn.Linear(6, 5))
    found = list_layers(model)["c"]
    assert (found.kind, found.shape, found.batch_axis, found.prefix) == ("tokens", (5, 16), 1, 0)
    trace = toy.trace(model, ["a", "b"], IMAGES)
    assert torch.equal(trace["b"], trace["a"].flatten(2))


FIVE = "its output (2, 1, 4, 4, 4) has 5 axes; name a layer with 4 or fewer, "
FIVE += "or let an nn.Identity see it as (B, C, H, W)"


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (Apply(lambda x: "nothing"), "it returns no tensor; name a layer before it"),
        (
            Apply(lambda x: x.sum()),
            "its output () for two images has no axis for the image; name a layer before or after it",
        ),
        (
            Apply(lambda x: x.unflatten(1, (1, 4))),
            FIVE,
        ),
        (
            Apply(lambda x: x.reshape(8, 4, 4)),
            "its output (8, 4, 4) for two images has no axis for the image; name a layer before or after it",
        ),
    ],
)
def test_a_layer_that_cannot_be_used_says_why(part: nn.Module, problem: str) -> None:
    model = chain(nn.Conv2d(3, 4, 8, stride=8), part, Apply(lambda x: torch.zeros(2, 3)))
    with pytest.raises(UnitError) as caught:
        Tracer(model, ["b"])
    assert str(caught.value) == f"layer 'b' cannot be used: {problem}"


@pytest.mark.parametrize(
    ("nested", "instead"), [(False, "a layer before or after it"), (True, "the block around it, 'a'")]
)
def test_a_module_that_runs_twice_in_one_pass_is_explained(nested: bool, instead: str) -> None:
    relu = nn.ReLU()
    parts = (nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3), relu)
    model, name = (chain(nn.Sequential(*parts)), "a.1") if nested else (chain(*parts), "b")
    with pytest.raises(UnitError) as caught:
        Tracer(model, [name])
    assert str(caught.value) == f"layer {name!r} cannot be used: it runs 2 times in one pass; name {instead}"


def test_a_tuple_stands_for_its_first_tensor() -> None:
    model = chain(nn.Conv2d(3, 4, 3), Apply(lambda x: (None, {"features": [x, x * 2]})))
    with pytest.warns(UserWarning, match=r"^toy returns 2 tensors"):
        trace = toy.trace(model, ["a", "b"], IMAGES)
    assert torch.equal(trace["b"], trace["a"])
    assert first_tensor((1, "two", {})) is None


def test_an_unknown_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="the network has no layer 'layr2'; did you mean 'layer2'"):
        Tracer(toy.model(), ["layr2"])


def test_an_image_that_does_not_fit_is_explained() -> None:
    with pytest.raises(ModelError) as caught:
        toy.trace(toy.model(), ["layer1"], IMAGES[:, :1].repeat(1, 3, 1, 1).repeat(1, 2, 1, 1)[:, :3, :0])
    assert str(caught.value).startswith("toy cannot run on an input of shape (3, 3, 0, 32): ")


def test_a_network_that_cannot_take_its_own_size_is_explained() -> None:
    model = Model(nn.Linear(5, 3), name="odd", size=(8, 8))
    with pytest.raises(ModelError, match=r"odd cannot run on an image of shape \(3, 8, 8\): "):
        list_layers(model)


def test_a_units_places_are_read_from_maps_tokens_and_vectors() -> None:
    trace = toy.trace(toy.model(), ["layer2", "class"], IMAGES)
    assert torch.equal(trace.map(Unit("layer2", 3)), trace["layer2"][:, 3].flatten(1))
    assert torch.equal(trace.map(Unit("layer2", 3, (1, 2))), trace["layer2"][:, 3, 1, 2][:, None])
    assert torch.equal(trace.vectors(Unit("layer2", 3)), trace["layer2"].flatten(2))
    assert torch.equal(trace.vectors(Unit("layer2", 3, (1, 2))), trace["layer2"][:, :, 1, 2][:, :, None])
    assert torch.equal(trace.read(Unit("class", label="hen")), trace["class"][:, 2])
    tokens = toy.trace(toy.token_model(), ["block1"], IMAGES)
    assert torch.equal(tokens.map(Unit("block1", 3, tokens="cls")), tokens["block1"][:, 3, :1])
    assert torch.equal(tokens.map(Unit("block1", 3, tokens="patches")), tokens["block1"][:, 3, 1:])
    assert torch.equal(tokens.vectors(Unit("block1", 3, tokens="all")), tokens["block1"])


def test_a_direction_is_read_as_the_projection_on_it(tmp_path: Path) -> None:
    file, draw = str(tmp_path / "d.safetensors"), torch.Generator().manual_seed(0)
    vector = torch.randn(12, generator=draw, dtype=torch.float64)
    save_file({"rows": vector[None]}, file)
    trace = toy.trace(toy.token_model(double=True), ["block1"], toy.images(2))
    for tokens, start in (("patches", 1), ("all", 0)):
        places = trace["block1"][:, :, start:]
        expected = torch.stack([sum(vector[c] * image[c] for c in range(12)) for image in places])
        unit = Unit.parse(f"{file}:0@block1#{tokens}")
        torch.testing.assert_close(trace.map(unit), expected)
        torch.testing.assert_close(trace.read(unit), expected.mean(1))
    save_file({"rows": torch.ones(1, 12)}, file)
    ones = Unit.parse(f"{file}:0@block1#all")
    torch.testing.assert_close(trace.map(ones), trace["block1"].sum(1))


def test_units_are_held_against_the_network() -> None:
    found = toy.model().units(["layer2:0-2", "class:tabby"])
    assert [str(u) for u in found] == ["layer2:0", "layer2:1", "layer2:2", "class:1"]
    assert found[3].label == "tabby, tabby cat"


@pytest.mark.parametrize(
    "rectify",
    [torch.relu, nn.functional.relu, Tensor.relu, nn.functional.relu6, nn.ReLU(), nn.ReLU6(), nn.ReLU(inplace=True),
     nn.Hardtanh(0.0, 6.0)],
)  # fmt: skip
def test_redirect_acts_where_an_image_gets_no_gradient_at_all(rectify) -> None:  # type: ignore[no-untyped-def]
    x = torch.tensor([[-1.0, -2.0], [-1.0, 3.0]], requires_grad=True)
    with Redirect():
        y = rectify(x * 1.0)
    assert torch.equal(y, rectify(x.detach().clone()))
    (gradient,) = torch.autograd.grad(y, x, torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]))
    assert gradient.tolist() == [[-1.0, 0.0], [0.0, 1.0]]


def test_redirect_ends_with_its_block_and_leaves_other_clamps_alone() -> None:
    x = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    with Redirect():
        y = nn.Hardtanh(-0.5, 0.5)(x)
    for out in (y, torch.relu(x)):
        (gradient,) = torch.autograd.grad(out, x, torch.tensor([[-1.0, -1.0]]))
        assert gradient.tolist() == [[0.0, 0.0]]


def test_between_passes_the_network_is_the_callers() -> None:
    model = toy.model()
    with Tracer(model, ["layer1"]) as tracer:
        tracer(toy.images(1).float())
        assert model.module(toy.images(1).float()).shape == (1, 10)


@pytest.mark.parametrize(
    "units",
    [
        ["layer2:0", "layer3:0"],
        ["layer2:0", "layer2:1@1,1"],
        ["layer2:0", "layer2:1", "layer2:2", "layer2:3", "layer2:4"],
        ["layer2:0", "layer2:1"],
        [],
    ],
)
def test_units_that_cannot_share_the_images_are_refused(units: list[str]) -> None:
    trace = toy.trace(toy.model(), ["layer2", "layer3"], toy.images(3))
    for read in (trace.read, trace.map, trace.vectors):
        with pytest.raises(
            UnitError, match=r"^the units .* cannot share 3 images; allowed are units of one layer"
        ):
            read(units)


def test_a_range_is_not_one_unit() -> None:
    trace = toy.trace(toy.model(), ["layer2"], toy.images(2))
    with pytest.raises(UnitError, match="names 2 units where one is wanted"):
        trace.read("layer2:0-1")


class Checkpointed(nn.Module):
    """A network of which one block is run again when gradients are asked for, or (None) is not."""

    def __init__(self, reentrant: bool | None) -> None:
        nn.Module.__init__(self)
        self.stem, self.reentrant = nn.Conv2d(3, 4, 3, stride=2), reentrant
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = self.stem(x)
        if self.reentrant is None:
            return self.block(x).mean((2, 3))
        y: Tensor = checkpoint(self.block, x, use_reentrant=self.reentrant)
        return y.mean((2, 3))


@pytest.mark.parametrize("layer", ["block.0", "block.1", "block", "class"])
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_change_neither_layers_nor_gradients(reentrant: bool, layer: str) -> None:
    found = []
    for kind in (None, reentrant):
        image = IMAGES.float().requires_grad_()
        with Tracer(toy.wrap(toy.seeded(Checkpointed(kind))), [layer]) as tracer:
            act = tracer(image)[layer]
            act.square().sum().backward()
        found.append((act, image.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] is not None
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("way", [lambda x: x[:2], lambda x: x[:, :2], lambda x: x.flatten(2), lambda x: x[0]])
def test_a_layer_that_is_laid_out_in_another_way_than_at_first_is_explained(way) -> None:  # type: ignore[no-untyped-def]
    part = Apply(lambda x: x)
    model = chain(nn.Conv2d(3, 4, 3), part, Apply(lambda x: torch.zeros(len(x), 3)))
    list_layers(model)
    part.function = way
    with pytest.raises(
        ModelError, match=r"layer 'b' of toy returned \(.*\) for 3 images, and \(4, 30, 30\), channels first"
    ):
        toy.trace(model, ["b"], IMAGES)


def test_a_pass_in_inference_mode_has_gradients() -> None:
    model = toy.model()
    with torch.inference_mode():
        image = IMAGES.float()
        with Tracer(model, ["act2"]) as tracer:
            found = tracer(image.clone().requires_grad_())["act2"]
    assert found.requires_grad


def test_torchscript_shows_its_output_alone() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(toy.network())
    model = toy.wrap(scripted)
    trace = toy.trace(model, ["class"], IMAGES)
    torch.testing.assert_close(trace["class"], toy.trace(toy.model(), ["class"], IMAGES)["class"])
    problem = "layer 'layer2' cannot be used: it is inside TorchScript, which shows its output alone; "
    with pytest.raises(UnitError) as caught:
        model.unit("layer2:1")
    assert str(caught.value) == problem + "give the network as Python code"
