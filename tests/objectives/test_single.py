from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests import toy
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.objectives import Channel, Interpolate, Logit, Neuron, Reach
from vital.objectives.single import _grid
from vital.units import Unit

MODEL = toy.model(double=True)
TOKENS = toy.token_model(double=True)
IMAGES = toy.images(3)


def test_a_neuron_is_minus_the_activation_at_its_position() -> None:
    trace = toy.trace(MODEL, ["layer2"], IMAGES)
    assert torch.equal(Neuron("layer2:5@1,6")(trace), -trace["layer2"][:, 5, 1, 6])


def test_a_neuron_without_position_stands_after_the_middle() -> None:
    trace = toy.trace(MODEL, ["layer2"], IMAGES)
    assert torch.equal(Neuron("layer2:5")(trace), -trace["layer2"][:, 5, 4, 4])


def test_a_neuron_of_patches_stands_in_the_middle_of_their_grid() -> None:
    trace = toy.trace(TOKENS, ["block1"], IMAGES)
    assert torch.equal(Neuron("block1:5#patches")(trace), -trace["block1"][:, 5, 1 + 2 * 4 + 2])
    assert torch.equal(Neuron("block1:5#cls")(trace), -trace["block1"][:, 5, 0])


@pytest.mark.parametrize(("height", "width"), [(32, 16), (16, 40), (12, 24), (4, 4), (8, 20)])
def test_a_neuron_stands_after_the_middle_of_a_map_of_any_shape(height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width, dtype=torch.float64)
    trace = toy.trace(MODEL, ["layer2"], images)
    rows, columns = trace["layer2"].shape[2:]
    assert torch.equal(Neuron("layer2:5")(trace), -trace["layer2"][:, 5, rows // 2, columns // 2])


def test_the_middle_of_a_map_is_that_of_its_own_shape() -> None:
    model = toy.wrap(toy.seeded(nn.Sequential(nn.Conv2d(3, 4, 3, stride=(1, 5)))), double=True)
    trace = toy.trace(model, ["0"], IMAGES)
    assert trace["0"].shape[2:] == (30, 6)
    assert torch.equal(Neuron("0:2")(trace), -trace["0"][:, 2, 15, 3])


@pytest.mark.parametrize(("height", "width"), [(32, 16), (16, 40), (8, 24)])
def test_a_neuron_of_patches_stands_after_the_middle_of_a_grid_of_any_shape(height: int, width: int) -> None:
    trace = toy.trace(TOKENS, ["block1"], torch.rand(2, 3, height, width, dtype=torch.float64))
    rows, columns = height // 8, width // 8
    place = 1 + rows // 2 * columns + columns // 2
    assert torch.equal(Neuron("block1:5#patches")(trace), -trace["block1"][:, 5, place])


def test_a_grid_of_patches_has_the_shape_of_the_image() -> None:
    assert [_grid(*given) for given in ((16, 32, 32), (56, 64, 224), (56, 224, 64), (1, 8, 8))] == [
        (4, 4),
        (4, 14),
        (14, 4),
        (1, 1),
    ]


def test_a_neuron_of_a_direction_is_its_projection_there(tmp_path) -> None:
    vector = torch.randn(2, MODEL.unit("layer2:0").layout.channels)
    save_file({"layer2": vector}, tmp_path / "own.safetensors")
    unit = MODEL.unit(f"{tmp_path / 'own.safetensors'}:1@layer2")
    trace = toy.trace(MODEL, ["layer2"], IMAGES)
    expected = -trace["layer2"][:, :, 4, 4] @ vector[1].double()
    torch.testing.assert_close(Neuron(unit)(trace), expected)


def test_a_neuron_of_a_vector_layer_is_its_entry() -> None:
    trace = toy.trace(MODEL, ["head"], IMAGES)
    assert torch.equal(Neuron("head:5")(trace), -trace["head"][:, 5])


def test_a_channel_is_minus_the_mean_over_its_places() -> None:
    trace = toy.trace(MODEL, ["layer2"], IMAGES)
    torch.testing.assert_close(Channel("layer2:5")(trace), -trace["layer2"][:, 5].mean((1, 2)))
    tokens = toy.trace(TOKENS, ["block1"], IMAGES)["block1"]
    for which, places in {"cls": tokens[:, 3, :1], "patches": tokens[:, 3, 1:], "all": tokens[:, 3]}.items():
        got = Channel(f"block1:3#{which}")(toy.trace(TOKENS, ["block1"], IMAGES))
        torch.testing.assert_close(got, -places.mean(1))


def test_a_logit_is_minus_the_output_by_index_and_by_name() -> None:
    trace = toy.trace(MODEL, ["class"], IMAGES)
    logits = MODEL.module.eval()(MODEL.normalize(IMAGES))
    torch.testing.assert_close(Logit("class:1")(trace), -logits[:, 1])
    assert torch.equal(Logit("class:tabby")(trace), Logit("class:1")(trace))


def test_a_logit_with_softmax_is_minus_the_log_probability() -> None:
    trace = toy.trace(MODEL, ["class"], IMAGES)
    torch.testing.assert_close(Logit("class:1", softmax=True)(trace), -trace["class"].log_softmax(1)[:, 1])


def test_reach_is_the_squared_lack_and_silent_beyond_the_value() -> None:
    trace = toy.trace(MODEL, ["layer2"], IMAGES)
    values = trace["layer2"][:, 5].mean((1, 2))
    middle = float(values.abs().median()) + 0.1
    expected = [max(0.0, 1 - float(v) / middle) ** 2 for v in values]
    assert Reach("layer2:5", middle)(trace).tolist() == pytest.approx(expected)
    low = float(values.abs().amin()) / 2
    reached = Reach("layer2:5", low)(trace)
    assert torch.equal(reached == 0, values >= low)
    for wrong in (0, -1.0, float("inf")):
        with pytest.raises(InvalidValueError, match="the value to reach is"):
            Reach("layer2:5", wrong)


def test_interpolation_goes_evenly_from_one_unit_to_the_other() -> None:
    trace = toy.trace(MODEL, ["layer2", "layer3"], IMAGES)
    a, b = Channel("layer2:1")(trace), Channel("layer3:4")(trace)
    expected = torch.stack([a[0], (a[1] + b[1]) / 2, b[2]])
    torch.testing.assert_close(Interpolate("layer2:1", "layer3:4")(trace), expected)


def test_interpolation_gives_several_transforms_of_an_image_the_same_place_on_the_way() -> None:
    trace = toy.trace(MODEL, ["layer2", "layer3"], IMAGES, IMAGES.repeat_interleave(2, 0), n_transforms=2)
    a, b = Channel("layer2:1")(trace), Channel("layer3:4")(trace)
    expected = torch.cat([a[:2], (a[2:4] + b[2:4]) / 2, b[4:]])
    torch.testing.assert_close(Interpolate("layer2:1", "layer3:4")(trace), expected)


def test_interpolation_needs_two_images() -> None:
    trace = toy.trace(MODEL, ["layer2", "layer3"], IMAGES[:1])
    with pytest.raises(
        InvalidValueError, match="the parameterization makes 1; give one with at least 2 images"
    ):
        Interpolate("layer2:1", "layer3:4")(trace)


def test_a_unit_object_and_its_text_make_the_same_term() -> None:
    assert Channel(Unit("layer2", 5)) == Channel("layer2:5")
    assert Logit(Unit("class", 1, label="tabby")) == Logit("class:1")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Channel("layer2"), "'layer2' is not a unit; write LAYER:INDEX"),
        (lambda: Channel("layer2:1-3"), "'layer2:1-3' names 3 units where one is wanted"),
        (
            lambda: Channel("a.safetensors:3@layer2"),
            r"is a direction, .*write Direction\('a.safetensors:3@layer2'\)",
        ),
        (lambda: Neuron("block1:3#all"), "block1:3#all names all tokens, a neuron is one; write #cls"),
        (
            lambda: Logit("layer2:1"),
            "layer2:1 is not a class; write class:INDEX or class:NAME, or use Channel",
        ),
        (lambda: Interpolate("layer2:1", "layer3"), "'layer3' is not a unit"),
    ],
)
def test_a_wrong_unit_fails_when_the_term_is_made(make, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnitError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        ("layer2:16", "layer2:16 does not exist: layer 'layer2' has the units 0 to 15"),
        ("layer2:1@8,0", "layer2:1@8,0 lies outside layer 'layer2', which is 8 x 8"),
        ("layer2:1#cls", "layer2:1#cls asks for tokens, but layer 'layer2' is a map of shape"),
    ],
)
def test_a_unit_that_the_network_does_not_have_fails_with_a_sentence(unit: str, sentence: str) -> None:
    with pytest.raises(UnitError, match=sentence):
        Channel(unit)(toy.trace(MODEL, ["layer2"], IMAGES))


def test_a_token_unit_without_a_choice_of_tokens_is_an_error() -> None:
    with pytest.raises(
        UnitError, match="block1:3 is ambiguous: layer 'block1' has 17 tokens; write block1:3#patches"
    ):
        Channel("block1:3")(toy.trace(TOKENS, ["block1"], IMAGES))


def test_an_unknown_class_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown class 'taby'; did you mean 'tabby'"):
        Logit("class:taby")(toy.trace(MODEL, ["class"], IMAGES))
