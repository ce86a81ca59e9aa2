from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests import toy
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.models import Model
from vital.objectives import Channel, Direction, read_direction

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
