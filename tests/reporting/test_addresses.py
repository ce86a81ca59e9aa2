import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vital.reporting.addresses import address, file_name, root_of
from vital.units import Unit

HARD = [
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "CON",
    "con",
    "nul.txt",
    "A",
    "a",
    "a.",
    "a-",
    "é",
    "x" * 300,
    "index.html",
    "<b>",
]


def test_plain_names_stay_as_they_are():
    for name in ("layer4", "blocks.9.mlp", "162", "conv_1", "a-b"):
        assert file_name(name) == name


def test_names_that_differ_stay_apart_and_are_safe_on_any_file_system():
    names = [file_name(text) for text in HARD]
    assert len({name.lower() for name in names}) == len(HARD)
    for name in names:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*[a-z0-9]|[a-z0-9]", name)
        assert len(name) < 100
        assert name != "index.html"
        assert name.partition(".")[0] not in ("con", "nul")


def test_nobody_can_choose_a_name_that_is_anothers():
    assert file_name(file_name("Layer4")) != file_name("Layer4")


@given(st.lists(st.text(max_size=20), unique=True, max_size=30))
def test_any_two_texts_have_two_names(texts):
    assert len({file_name(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("unit", "folder"),
    [
        ("layer4:162", "units/layer4/162"),
        ("class:3", "units/class/3"),
        ("blocks.9:5#cls", "units/blocks.9/5_cls-"),
        ("layer4:1@3,3", "units/layer4/1_3_3-"),
        ("d.safetensors:3@layer4", "units/layer4/d.safetensors_3_layer4-"),
    ],
)
def test_a_unit_lies_in_the_folder_of_its_layer(unit, folder):
    assert address(Unit.parse(unit)).folder.startswith(folder)


def test_the_units_of_another_network_have_a_folder_of_their_own():
    assert root_of("a", "a") == "units"
    assert root_of("b", "a") != root_of("c", "a")
