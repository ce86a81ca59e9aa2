"""What newcomers give in the place of something else: one sentence that says what to write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vital
from tests import toy
from vital.errors import InvalidValueError, UnitError

MODEL = toy.model()
IMAGES = vital.load_images(toy.images(4).numpy())
DOORS = {
    "render": lambda **given: vital.render(given.pop("model", MODEL), "class:0", **given),
    "describe": lambda **given: vital.describe(given.pop("model", MODEL), "class:0", **given),
    "compare": lambda **given: vital.compare(given.pop("model", MODEL), "class:0", **given),
}
every_door = pytest.mark.parametrize("door", DOORS)


@every_door
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model": "world"}, r"load it first: vital\.load_model\('world'\)"),
        ({"model": MODEL.module}, r"wrap it first: vital\.load_model\(network\)"),
        ({"images": "world"}, r"load them first: vital\.load_images\('world'\)"),
        ({"bank": "b.safetensors"}, r"read the file first: vital\.load_bank\(FILE, model\)"),
        ({"bank": 3}, r"make one: vital\.build_bank\(model, layers, images\)"),
    ],
)
def test_text_and_bare_networks_are_told_how_they_are_loaded(
    door: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidValueError, match=says):
        DOORS[door](**dict(given))


@pytest.mark.parametrize("units", [None, 3, ["class:0", 5]])
def test_what_is_no_unit_is_told(units: Any) -> None:
    with pytest.raises(UnitError, match=r"^a unit is (None|3|5); allowed are texts such as 'layer4:3'"):
        vital.render(MODEL, units, method="pixels")


@pytest.mark.parametrize(
    ("method", "says"), [(vital.METHODS["fourier"], "it is a class; call it first"), (3, "there are: ")]
)
def test_what_is_no_method_is_told(method: Any, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        vital.render(MODEL, "class:0", method=method)


def test_one_layer_needs_no_list() -> None:
    assert vital.build_bank(MODEL, "act1", IMAGES, disk=False).layers == ("act1", "class")


def test_one_number_is_a_size_and_stands_for_all_channels() -> None:
    model = vital.Model(MODEL.module, size=16, mean=0.5, std=[0.25])  # type: ignore[arg-type]
    assert (model.size, model.mean, model.std) == ((16, 16), (0.5,), (0.25,))


def test_a_list_says_whether_it_holds_a_unit_and_pictures_come_as_bytes() -> None:
    made = vital.render(MODEL, "class:0", method="pixels", steps=1, progress=False)
    assert "class:0" in made
    assert "class:1" not in made
    assert made[0] in made
    pixels = np.asarray(made[0], dtype=np.uint8)
    assert np.abs(pixels / 255 - np.asarray(made[0])).max() <= 0.5 / 255 + 1e-6
