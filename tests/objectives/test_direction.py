from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests import toy
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.models import Model
from vital.objectives import Channel, Direction, read_direction
from vital.terms import Looped

MODEL = toy.model(double=True)
VECTOR = torch.linspace(-1, 1, 16)


def slow(acts: torch.Tensor, vector: torch.Tensor, power: float, floor: float) -> torch.Tensor:
    """The formula, place by place."""
    losses = []
    for image in acts:
        values = []
        for place in image.flatten(1).T:
            dot = torch.dot(place, vector)
            cosine = dot / (place.norm() * vector.norm())
            values.append(dot * max(floor, float(cosine)) ** power)
        losses.append(-sum(values) / len(values))
    return torch.stack(losses)


@pytest.mark.parametrize("power", [0, 1, 2.5])
@pytest.mark.parametrize("floor", [0.0, 0.1, 0.5])
def test_a_direction_follows_its_formula_at_every_place(power: float, floor: float) -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    expected = slow(trace["layer2"], VECTOR.double(), power, floor)
    torch.testing.assert_close(Direction("layer2", VECTOR, power, floor)(trace), expected)


def test_the_direction_of_one_channel_is_that_channel() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    torch.testing.assert_close(Direction("layer2", torch.eye(16)[5])(trace), Channel("layer2:5")(trace))


def test_a_direction_in_a_token_layer_looks_where_it_is_told() -> None:
    trace = toy.trace(toy.token_model(double=True), ["block1"], toy.images(2))
    vector = torch.linspace(-1, 1, 12)
    expected = -torch.einsum("bct,c->bt", trace["block1"], vector.double())
    torch.testing.assert_close(Direction("block1", vector, tokens="cls")(trace), expected[:, 0])
    torch.testing.assert_close(Direction("block1", vector, tokens="patches")(trace), expected[:, 1:].mean(1))
    with pytest.raises(UnitError, match="ambiguous"):
        Direction("block1", vector)(trace)


def test_a_direction_from_a_file_is_the_row_of_its_matrix(tmp_path: Path) -> None:
    file = str(tmp_path / "dirs.safetensors")
    save_file({"rows": torch.stack([VECTOR, VECTOR.flip(0)])}, file)
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    term = Direction(f"{file}:1@layer2", power=2)
    assert term.layers == ("layer2",)
    assert torch.equal(term(trace), Direction("layer2", VECTOR.flip(0), power=2)(trace))
    assert torch.equal(read_direction(f"{file}:0@layer2"), VECTOR)


def test_a_file_with_several_matrices_wants_the_name_of_one(tmp_path: Path) -> None:
    file = str(tmp_path / "dirs.safetensors")
    save_file({"encoder": torch.zeros(2, 16), "decoder": VECTOR[None]}, file)
    assert torch.equal(read_direction(f"{file}!decoder:0@layer2"), VECTOR)
    with pytest.raises(UnitError, match=r"holds 2 matrices; write .*!KEY, KEY being decoder or encoder"):
        read_direction(f"{file}:0@layer2")
    with pytest.raises(UnknownNameError, match="'decodr'; did you mean 'decoder'"):
        read_direction(f"{file}!decodr:0@layer2")


def test_a_file_without_that_row_or_matrix_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "dirs.safetensors"
    with pytest.raises(UnitError, match="cannot be read: there is no file"):
        Direction(f"{file}:0@layer2")
    file.write_text("not a tensor in sight")
    with pytest.raises(UnitError, match="is not a safetensors file"):
        Direction(f"{file}:0@layer2")
    save_file({"rows": torch.zeros(2, 16)}, str(file))
    with pytest.raises(UnitError, match=r"@layer2 does not exist: the matrix in .* has the shape \(2, 16\)"):
        Direction(f"{file}:2@layer2")


def test_directions_are_equal_when_their_vectors_are() -> None:
    assert Direction("layer2", VECTOR) == Direction("layer2", VECTOR.tolist())
    assert Direction("layer2", VECTOR) != Direction("layer2", VECTOR.flip(0))
    assert "digest=" in repr(Direction("layer2", VECTOR))
    windows = [torch.eye(8), torch.eye(8), torch.ones(8, 8)]
    one, again, other = (Direction("layer2", VECTOR, window=window) for window in windows)
    assert one == again != other


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"vector": torch.zeros(2, 3)}, r"one per channel; the one given has the shape \(2, 3\)"),
        ({"vector": [1.0, float("nan")]}, "a vector of finite numbers"),
        ({"vector": VECTOR, "power": -1}, "power is -1; allowed are numbers from 0"),
        ({"vector": VECTOR, "floor": 2}, "floor is 2; allowed are numbers from 0 to 1"),
        ({"vector": VECTOR, "tokens": "some"}, "tokens is 'some'; allowed are 'cls', 'patches' and 'all'"),
    ],
)
def test_wrong_arguments_fail_with_a_sentence(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        Direction("layer2", **arguments)  # type: ignore[arg-type]


def test_a_layer_without_a_vector_is_an_error() -> None:
    with pytest.raises(
        UnitError, match=r"'layer2' brings no vector; give one, or write FILE.safetensors:ROW@LAYER"
    ):
        Direction("layer2")


def test_a_vector_of_another_length_is_an_error() -> None:
    with pytest.raises(
        InvalidValueError,
        match=r"the direction has 3 entries, and layer 'layer2' has 16 channels; a direction has",
    ):
        Direction("layer2", [1.0, 2.0, 3.0])(toy.trace(MODEL, ["layer2"], toy.images(1)))


def test_a_vector_that_fitted_another_network_is_held_against_this_one(tmp_path: Path) -> None:
    file = tmp_path / "d.safetensors"
    save_file({"v": torch.ones(2, 8)}, file)
    eight, six = (Model(torch.nn.Sequential(torch.nn.Conv2d(3, n, 3)), size=(8, 8)) for n in (8, 6))
    unit = f"{file}:0@0"
    assert toy.trace(eight, ["0"], torch.rand(1, 3, 8, 8)).read(unit).shape == (1,)
    with pytest.raises(InvalidValueError, match=r"has 8 entries, and layer '0' has 6 channels"):
        toy.trace(six, ["0"], torch.rand(1, 3, 8, 8)).read(unit)


def test_a_direction_at_one_position_is_read_there_alone(tmp_path: Path) -> None:
    file = str(tmp_path / "dirs.safetensors")
    save_file({"rows": VECTOR[None]}, file)
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    expected = -torch.einsum("bc,c->b", trace["layer2"][:, :, 2, 5], VECTOR.double())
    torch.testing.assert_close(Direction("layer2@2,5", VECTOR)(trace), expected)
    torch.testing.assert_close(Direction(f"{file}:0@layer2@2,5")(trace), expected)
    torch.testing.assert_close(-trace.read(f"{file}:0@layer2@2,5"), expected)
    assert repr(Direction("layer2@2,5", VECTOR)).startswith("Direction('layer2@2,5'")


def test_directions_at_several_positions_are_read_in_one_go() -> None:
    terms = [Direction(f"layer2@{i},1", VECTOR * (i + 1)) for i in range(3)]
    together = Direction.stack(terms)
    assert not isinstance(together, Looped)
    trace = toy.trace(MODEL, ["layer2"], toy.images(6))
    alone = torch.cat([term(trace.slot(i, 3)) for i, term in enumerate(terms)])
    torch.testing.assert_close(together(trace), alone)


def test_directions_of_other_lengths_take_turns() -> None:
    terms = [Direction("layer2", VECTOR), Direction("layer1", torch.ones(8))]
    assert isinstance(Direction.stack(terms), Looped)
    assert isinstance(Direction.stack([terms[0], Direction("layer2", torch.ones(8))]), Looped)


def test_a_position_outside_the_map_is_an_error() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(1))
    with pytest.raises(UnitError, match="lies outside layer 'layer2', which is 8 x 8"):
        Direction("layer2@8,0", VECTOR)(trace)


def test_the_cosine_alone_forgets_the_lengths() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    expected = -torch.nn.functional.cosine_similarity(trace["layer2"], VECTOR.double().view(1, -1, 1, 1), 1)
    for vector in (VECTOR, 5 * VECTOR):
        torch.testing.assert_close(Direction("layer2", vector, cosine=True)(trace), expected.mean((1, 2)))
    powered = Direction("layer2", VECTOR, power=2, floor=0.0, cosine=True)(trace)
    torch.testing.assert_close(powered, (expected * expected.clamp(max=0) ** 2).mean((1, 2)))


def test_a_window_weighs_the_places() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    window = torch.zeros(8, 8)
    window[2:4, 5:8] = 1
    inside = trace["layer2"][:, :, 2:4, 5:8]
    expected = -torch.einsum("bchw,c->b", inside, VECTOR.double()) / 6
    torch.testing.assert_close(Direction("layer2", VECTOR, window=window)(trace), expected)
    torch.testing.assert_close(Channel("layer2:3", window=window)(trace), -inside[:, 3].mean((1, 2)))
    signed = torch.linspace(-1, 2, 64).view(8, 8)
    expected = -(trace["layer2"][:, 3] * signed).sum((1, 2)) / signed.abs().sum()
    torch.testing.assert_close(Channel("layer2:3", window=7 * signed)(trace), expected)


def test_a_window_of_ones_is_the_mean_and_of_another_size_is_resized() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    for size in ((8, 8), (4, 4), (16, 8), (1, 1)):
        torch.testing.assert_close(
            Channel("layer2:3", window=torch.ones(size))(trace), Channel("layer2:3")(trace)
        )
    left = torch.tensor([[1.0, 0.0]]).repeat_interleave(8, 1)
    torch.testing.assert_close(
        Channel("layer2:3", window=left)(trace), -trace["layer2"][:, 3, :, :4].mean((1, 2))
    )


def test_a_window_over_tokens_has_a_weight_for_each() -> None:
    trace = toy.trace(toy.token_model(double=True), ["block1"], toy.images(2))
    window = torch.arange(float(trace["block1"].shape[2] - 1)).flip(0)
    expected = -(trace["block1"][:, 3, 1:] * window).sum(1) / window.sum()
    torch.testing.assert_close(Channel("block1:3#patches", window=window)(trace), expected)
    with pytest.raises(InvalidValueError, match=r"the window has the shape \(3,\) and the layer"):
        Channel("block1:3#patches", window=torch.ones(3))(trace)


def test_a_window_over_a_map_has_two_axes_and_one_over_tokens_may_have() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    with pytest.raises(InvalidValueError, match=r"the window has the shape \(64,\) and the layer 64 places"):
        Channel("layer2:3", window=torch.arange(64.0))(trace)
    tokens = toy.trace(toy.token_model(double=True), ["block1"], toy.images(2))
    window = torch.arange(16.0).view(4, 4)
    expected = Channel("block1:3#patches", window=window.flatten())(tokens)
    torch.testing.assert_close(Channel("block1:3#patches", window=window)(tokens), expected)
    for wrong in (torch.ones(2, 2), torch.ones(4, 5), torch.ones(17)):
        with pytest.raises(InvalidValueError, match=r"the window has the shape .* and the layer 16 places"):
            Channel("block1:3#patches", window=wrong)(tokens)


@pytest.mark.parametrize(("height", "width"), [(16, 40), (32, 12)])
def test_windows_of_maps_that_are_no_squares(height: int, width: int) -> None:
    trace = toy.trace(MODEL, ["layer2"], torch.rand(2, 3, height, width, dtype=torch.float64))
    act = trace["layer2"][:, 3]
    window = torch.rand(act.shape[1:], dtype=torch.float64) - 0.3
    expected = -(act * window).sum((1, 2)) / window.abs().sum()
    torch.testing.assert_close(Channel("layer2:3", window=window)(trace), expected)
    large = window.repeat_interleave(2, 0).repeat_interleave(3, 1)
    torch.testing.assert_close(Channel("layer2:3", window=large)(trace), expected)
    for given in (window, large):
        torch.testing.assert_close(Direction("layer2", torch.eye(16)[3], window=given)(trace), expected)


@pytest.mark.parametrize("window", [torch.zeros(8, 8), torch.ones(1, 8, 8), torch.full((8, 8), torch.nan)])
def test_a_window_without_a_weight_for_places_is_an_error(window: torch.Tensor) -> None:
    with pytest.raises(InvalidValueError, match="a window is a tensor of finite weights, not all 0"):
        Channel("layer2:3", window=window)
    with pytest.raises(InvalidValueError, match="a window is a tensor of finite weights, not all 0"):
        Direction("layer2", VECTOR, window=window)


def test_one_place_has_no_window() -> None:
    with pytest.raises(InvalidValueError, match="layer2:3@1,1 is one place, which no window can weigh"):
        Channel("layer2:3@1,1", window=torch.ones(8, 8))


def test_terms_with_windows_are_told_apart_and_computed_in_one_go() -> None:
    windows = [torch.eye(8), torch.ones(8, 8), torch.eye(8).flip(0)]
    terms = [Channel(f"layer2:{i}", window=window) for i, window in enumerate(windows)]
    assert Channel("layer2:1", window=windows[0]) == Channel("layer2:1", window=torch.eye(8))
    assert Channel("layer2:1", window=windows[0]) != Channel("layer2:1", window=windows[2])
    assert isinstance(Channel.stack([terms[0], Channel("layer2:5")]), Looped)
    together = Channel.stack(terms)
    assert not isinstance(together, Looped)
    trace = toy.trace(MODEL, ["layer2"], toy.images(6))
    alone = torch.cat([term(trace.slot(i, 3)) for i, term in enumerate(terms)])
    torch.testing.assert_close(together(trace), alone)


def test_a_window_keeps_its_part_of_a_picture_that_grows_from_coarse_to_fine() -> None:
    window = torch.zeros(8, 8)
    window[:, :4] = 1
    term = Channel("layer2:3", window=window)
    small = toy.trace(MODEL, ["layer2"], toy.images(1, size=16))
    torch.testing.assert_close(term(small), -small["layer2"][:, 3, :, :2].mean((1, 2)))


def lucent_neuron_weight(act: torch.Tensor, weight: torch.Tensor, x: int, y: int) -> torch.Tensor:
    """Lucent's neuron_weight, as it is written."""
    return -(act[:, :, y, x] * weight).mean(1)


def lucent_localgroup_weight(
    act: torch.Tensor, weight: torch.Tensor, x: int, y: int, wx: int, wy: int
) -> torch.Tensor:
    """Lucent's localgroup_weight, as it is written."""
    return -(act[:, :, y : y + wy, x : x + wx] * weight.view(1, -1, 1, 1)).mean((1, 2, 3))


def test_lucents_weighted_objectives_are_directions() -> None:
    trace = toy.trace(MODEL, ["layer2"], toy.images(2))
    act, weight, channels = trace["layer2"], VECTOR.double(), 16
    close = torch.testing.assert_close
    close(Direction("layer2@6,1", VECTOR)(trace) / channels, lucent_neuron_weight(act, weight, 1, 6))
    close(Direction("layer2", VECTOR)(trace) / channels, -(act * weight.view(1, -1, 1, 1)).mean((1, 2, 3)))
    window = torch.zeros(8, 8)
    window[2:5, 1:3] = 1
    close(
        Direction("layer2", VECTOR, window=window)(trace) / channels,
        lucent_localgroup_weight(act, weight, 1, 2, 2, 3),
    )
