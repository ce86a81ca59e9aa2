"""The door through which text becomes units of a network."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import vital
from tests import toy
from vital.attribution import gradient_times_activation, start_at
from vital.errors import InvalidValueError, UnitError, UnknownNameError
from vital.objectives import Channel, Direction, Logit
from vital.tracing import list_layers
from vital.units import Unit

MODEL = toy.model()


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("layer2:5", Unit("layer2", 5)),
        ("layer2:5@1,2", Unit("layer2", 5, (1, 2))),
        ("class:1", Unit("class", 1, label="tabby, tabby cat")),
        ("class:tabby", Unit("class", 1, label="tabby, tabby cat")),
    ],
)
def test_a_text_is_found_in_the_network(text: str, unit: Unit) -> None:
    found = MODEL.unit(text)
    assert found == unit
    assert found.layout is list_layers(MODEL)[unit.layer]


def test_tokens_and_directions_are_found_too(tmp_path: Path) -> None:
    file, model = f"{tmp_path}/d.safetensors", toy.token_model()
    save_file({"rows": torch.eye(12)}, file)
    found = model.units(["block1:3#cls", "block1:3#patches", f"{file}:2@block1#all"])
    assert [unit.tokens for unit in found] == ["cls", "patches", "all"]
    assert (found[2].source, found[2].index) == (file, 2)
    trace = toy.trace(model, ["block1"], toy.images(2))
    torch.testing.assert_close(trace.map(found[2]), trace["block1"][:, 2])


def test_text_that_was_read_and_text_that_was_not_are_the_same_unit() -> None:
    assert MODEL.unit(Unit.parse("class:tabby")) == MODEL.unit("class:tabby")


def test_a_unit_of_the_network_is_given_back_as_it_is() -> None:
    unit = MODEL.unit("class:hen")
    assert MODEL.unit(unit) is unit
    assert MODEL.units([unit, "layer2:0-1"])[0] is unit


def test_a_unit_of_another_network_is_found_anew() -> None:
    other = toy.wrap(toy.network(), classes=("a", "b", "c", "d"))
    unit = MODEL.unit("class:2")
    found = other.unit(unit)
    assert (found.label, unit.label) == ("c", "hen")
    assert found.layout is list_layers(other)["class"]


def test_a_unit_that_was_changed_is_held_against_the_network_again() -> None:
    with pytest.raises(UnitError, match="layer2:16 does not exist: layer 'layer2' has the units 0 to 15"):
        MODEL.unit(replace(MODEL.unit("layer2:0"), index=16))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layer2", "'layer2' is not a unit; write LAYER:INDEX"),
        ("layer2:0-2", "'layer2:0-2' names 3 units where one is wanted"),
        ("layer2:16", "layer2:16 does not exist: layer 'layer2' has the units 0 to 15"),
        ("layer2:1#cls", "layer2:1#cls asks for tokens, but layer 'layer2' is a map of shape (16, 8, 8)"),
        ("layer2:1@8,0", "layer2:1@8,0 lies outside layer 'layer2', which is 8 x 8"),
    ],
)
def test_what_is_not_one_unit_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        MODEL.unit(text)
    assert str(caught.value).startswith(sentence)


def test_a_near_miss_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="the network has no layer 'layer22'; did you mean 'layer2'"):
        MODEL.unit("layer22:1")
    with pytest.raises(UnknownNameError, match="unknown class 'taby'; did you mean 'tabby'"):
        MODEL.unit("class:taby")


def test_a_list_keeps_its_order_and_lays_out_ranges() -> None:
    found = MODEL.units(["layer2:1-2", "class:0"])
    assert [str(unit) for unit in found] == ["layer2:1", "layer2:2", "class:0"]
    assert MODEL.units([]) == []


def test_the_door_needs_no_other_import() -> None:
    program = (
        "import torch; from vital.models import Model; "
        "print(Model(torch.nn.Conv2d(3, 4, 1), size=(8, 8)).unit('class:2'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "class:2"


def test_text_and_unit_are_the_same_at_every_public_door(tmp_path: Path) -> None:
    bank = vital.build_bank(MODEL, ["layer2"], vital.load_images(torch.rand(6, 3, 32, 32)), disk=False)
    unit, images = MODEL.unit("layer2:5"), toy.images(2).float()
    trace = toy.trace(MODEL, ["layer2"], images)
    assert bank.strongest("layer2:5") == bank.strongest(unit)
    assert bank.percentile("layer2:5", 0.1) == bank.percentile(unit, 0.1)
    assert bank.ranks("layer2:5")
    assert bank.has_places("layer2:5")
    assert bank.template("layer2:5").unit == bank.template(unit).unit == "layer2:5"
    assert torch.equal(trace.read("layer2:5"), trace.read(unit))
    assert torch.equal(start_at(trace, "layer2:5"), start_at(trace, unit))
    one, two = (gradient_times_activation(MODEL, images, u, ["layer1"])["layer1"] for u in ("layer2:5", unit))
    assert torch.equal(one, two)
    assert (Channel("layer2:5"), Logit("class:1")) == (Channel(unit), Logit(MODEL.unit("class:tabby")))
    file = f"{tmp_path}/d.safetensors"
    save_file({"rows": torch.eye(16)}, file)
    direction = MODEL.unit(f"{file}:3@layer2")
    assert Direction(direction) == Direction(f"{file}:3@layer2")
    assert repr(Direction(direction)) == repr(Direction(f"{file}:3@layer2"))


def test_a_direction_that_does_not_fit_is_the_same_sentence_everywhere(tmp_path: Path) -> None:
    file = f"{tmp_path}/d.safetensors"
    save_file({"rows": torch.eye(3)}, file)
    trace, text = toy.trace(MODEL, ["layer2"], toy.images(1)), f"{file}:0@layer2"
    said = set()
    for reading in (trace.read, lambda unit: start_at(trace, unit), lambda unit: Direction(unit)(trace)):
        with pytest.raises(InvalidValueError) as caught:
            reading(text)
        said.add(str(caught.value).replace(text, "the direction"))
    assert said == {
        "the direction has 3 entries, and layer 'layer2' has 16 channels; a direction has one for each"
    }
