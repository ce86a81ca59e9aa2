from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests import toy
from vital.errors import InvalidValueError, UnitError
from vital.tracing.readout import along, at_places, mask, read, token_slice, values, vector_of, vectors
from vital.types import Layer
from vital.units import Unit, resolve

LAYERS = {
    "map": Layer("map", "map", (3, 2, 2)),
    "tokens": Layer("tokens", "tokens", (2, 4), channel_axis=2, prefix=2),
    "class": Layer("class", "vector", (3,)),
}
MAP = torch.arange(24.0).view(2, 3, 2, 2)
TOKENS = torch.arange(16.0).view(2, 2, 4)
OUTPUT = torch.arange(6.0).view(2, 3)


def found(text: str) -> Unit:
    """The unit as the door gives it."""
    return resolve(text, LAYERS)[0]


@pytest.mark.parametrize(
    ("text", "act", "expected"),
    [
        ("map:1", MAP, [[4, 5, 6, 7], [16, 17, 18, 19]]),
        ("map:1@1,0", MAP, [[6], [18]]),
        ("tokens:1#cls", TOKENS, [[4], [12]]),
        ("tokens:1#patches", TOKENS, [[6, 7], [14, 15]]),
        ("tokens:1#all", TOKENS, [[4, 5, 6, 7], [12, 13, 14, 15]]),
        ("class:2", OUTPUT, [[2], [5]]),
    ],
)
def test_a_unit_is_read_at_its_places_alone(text: str, act: Tensor, expected: list[list[float]]) -> None:
    unit, hand = found(text), torch.tensor(expected, dtype=torch.float32)
    assert torch.equal(values(unit, act), hand)
    assert torch.equal(read(unit, act), hand.mean(1))
    assert torch.equal(vectors(unit, act)[:, unit.index], hand)


@pytest.mark.parametrize(
    ("text", "act", "expected"),
    [
        ("map:1", MAP, [[True, True], [True, True]]),
        ("map:1@1,0", MAP, [[False, False], [True, False]]),
        ("tokens:1#cls", TOKENS, [True, False, False, False]),
        ("tokens:1#patches", TOKENS, [False, False, True, True]),
        ("tokens:1#all", TOKENS, [True, True, True, True]),
        ("class:2", OUTPUT, True),
    ],
)
def test_the_mask_is_true_at_the_unit_s_places(text: str, act: Tensor, expected: object) -> None:
    unit = found(text)
    assert all(places == expected for places in mask(unit, act).tolist())
    channel = along(unit, act)
    assert torch.equal(channel[mask(unit, act).expand_as(channel)], values(unit, act).flatten())


@pytest.mark.parametrize(
    ("place", "act", "expected"),
    [
        ("map", MAP, [[8.0, 11, 14, 17], [44, 47, 50, 53]]),
        ("tokens#cls", TOKENS, [[8.0], [32]]),
        ("tokens#patches", TOKENS, [[14.0, 17], [38, 41]]),
        ("tokens#all", TOKENS, [[8.0, 11, 14, 17], [32, 35, 38, 41]]),
        ("class", OUTPUT, [[2.0], [11]]),
    ],
)
def test_a_direction_is_read_as_its_projection(
    tmp_path: Path, place: str, act: Tensor, expected: list[list[float]]
) -> None:
    file = f"{tmp_path}/d.safetensors"
    save_file({"rows": torch.tensor([[1.0, 2.0, 0.0]])[:, : act.shape[1]].contiguous()}, file)
    unit, hand = found(f"{file}:0@{place}"), torch.tensor(expected)
    assert torch.equal(values(unit, act), hand)
    assert torch.equal(read(unit, act), hand.mean(1))


def test_a_direction_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    file = f"{tmp_path}/d.safetensors"
    save_file({"rows": torch.ones(1, 5)}, file)
    unit = found(f"{file}:0@map")
    for reading in (vector_of, lambda u: along(u, MAP), lambda u: read(u, MAP)):
        with pytest.raises(InvalidValueError) as caught:
            reading(unit)
        assert str(caught.value) == (
            f"{file}:0@map has 5 entries, and layer 'map' has 3 channels; a direction has one for each"
        )


def test_a_tensor_with_the_layers_places_is_read_behind_its_first_axes() -> None:
    some = torch.arange(2 * 5 * 3 * 4).view(2, 5, 3, 4)
    assert torch.equal(at_places(found("tokens:0#patches"), some, 3), some[..., 2:])
    assert torch.equal(at_places(found("map:0"), some, 2), some.flatten(2))
    assert torch.equal(at_places(found("map:0@1,1"), some, 2), some[:, :, 1, 1, None])


def test_the_class_token_is_the_first_of_the_prefix_and_none_without_one() -> None:
    bare = Layer("swin", "tokens", (2, 4), channel_axis=2)
    assert torch.arange(4)[token_slice(LAYERS["tokens"], "cls")].tolist() == [0]
    assert torch.arange(4)[token_slice(bare, "cls")].tolist() == []
    assert torch.arange(4)[token_slice(bare, "patches")].tolist() == [0, 1, 2, 3]


def test_a_unit_that_no_network_was_asked_for_says_what_to_do() -> None:
    with pytest.raises(UnitError, match=r"was not found in a network yet; model.unit\('tokens:1#cls'\) does"):
        values(Unit.parse("tokens:1#cls"), TOKENS)


def test_a_position_is_the_same_part_of_a_smaller_map() -> None:
    model = toy.model()
    units = model.units(["layer2:3@6,1", "layer2:3@0,7"])
    for size, places in ((32, [(6, 1), (0, 7)]), (16, [(3, 0), (0, 3)]), (64, [(6, 1), (0, 7)])):
        trace = toy.trace(model, ["layer2"], toy.images(2, size=size))
        expected = [trace["layer2"][i, 3, row, column] for i, (row, column) in enumerate(places)]
        torch.testing.assert_close(trace.read(units), torch.stack(expected))
        torch.testing.assert_close(trace.read(units[0])[0], expected[0])
        assert [m.nonzero()[0].tolist() for m in mask(units, trace["layer2"])] == [list(p) for p in places]
