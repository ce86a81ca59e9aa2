from __future__ import annotations

import warnings

import pytest

from vital.errors import UnitError, UnknownNameError
from vital.types import Layer
from vital.units import Unit, find_layer, parse, resolve
from vital.units import unit as units_by_name
from vital.units.unit import nearest_layers

LAYERS = {
    "layer4": Layer("layer4", "map", (2048, 7, 7)),
    "blocks.9.mlp": Layer("blocks.9.mlp", "tokens", (64, 17), channel_axis=2, prefix=1),
    "swin": Layer("swin", "tokens", (64, 16), channel_axis=2),
    "fc": Layer("fc", "vector", (10,)),
    "relu": Layer("relu", "vector", (0,), problem="it runs 3 times in one pass; name the block around it"),
    "class": Layer("class", "vector", (3,)),
}
CLASSES = ("tench, Tinca tinca", "tabby, tabby cat", "Great_White shark")
NO_INDEX = "and no name of a class; write whole numbers from 0, as in class:0 or class:0-9"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("layer4:162", Unit("layer4", 162)),
        ("layer4:162@3,12", Unit("layer4", 162, (3, 12))),
        ("layer4.2.conv1:0", Unit("layer4.2.conv1", 0)),
        ("blocks.9.mlp:55#cls", Unit("blocks.9.mlp", 55, tokens="cls")),
        ("blocks.9.mlp:55#patches", Unit("blocks.9.mlp", 55, tokens="patches")),
        ("blocks.9.mlp:55#all", Unit("blocks.9.mlp", 55, tokens="all")),
        ("class:281", Unit("class", 281)),
        ("class:tabby", Unit("class", label="tabby")),
        ("class:tabby, tabby cat", Unit("class", label="tabby, tabby cat")),
        ("heads.a:b:0", Unit("heads.a:b", 0)),
        ("heads.a:5:7@1,2", Unit("heads.a:5", 7, (1, 2))),
        ("heads.a:b#c:0#all", Unit("heads.a:b#c", 0, tokens="all")),
        ("class:ratio 1:2", Unit("class", label="ratio 1:2")),
        ("d.safetensors:3@heads.a:b", Unit("heads.a:b", 3, source="d.safetensors")),
        ("class:3-d printer", Unit("class", label="3-d printer")),
        ("a/b.safetensors:3@layer4", Unit("layer4", 3, source="a/b.safetensors")),
        ("b.safetensors:3@blocks.9#cls", Unit("blocks.9", 3, tokens="cls", source="b.safetensors")),
        ("b.safetensors:3@layer4@3,12", Unit("layer4", 3, (3, 12), source="b.safetensors")),
        ("b.safetensors!dec.weight:3@layer4.2", Unit("layer4.2", 3, source="b.safetensors!dec.weight")),
        ("C:/b.safetensors:3@layer4", Unit("layer4", 3, source="C:/b.safetensors")),
    ],
)
def test_a_units_text_is_read_and_written_back(text: str, unit: Unit) -> None:
    assert Unit.parse(text) == unit
    assert str(unit) == text
    assert Unit.parse(str(unit)) == unit


def test_a_range_is_all_units_with_both_ends() -> None:
    assert [u.index for u in parse("layer4:0-3")] == [0, 1, 2, 3]
    assert parse("class:5-5") == [Unit("class", 5)]
    assert [str(u) for u in parse("blocks.9.mlp:1-2#cls")] == ["blocks.9.mlp:1#cls", "blocks.9.mlp:2#cls"]


@pytest.mark.parametrize("text", ["layer4", "layer4:", ":3", "", "layer4.2"])
def test_a_text_without_layer_or_index_is_no_unit(text: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text)
    assert str(caught.value) == (
        f"{text!r} is not a unit; write LAYER:INDEX, LAYER:A-B, LAYER:INDEX@ROW,COLUMN, LAYER:INDEX#cls, "
        "class:NAME or FILE.safetensors:ROW@LAYER"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layer4:tabby", "'layer4:tabby' is not a unit: 'tabby' is not an index; write LAYER:INDEX"),
        ("layer4:-1", "'layer4:-1' is not a unit: '-1' is not an index"),
        ("layer4:1@3", "'layer4:1@3' is not a unit: '1@3' is not an index"),
        (
            "a/sae.pt!W_dec:3@layer4#cls",
            "'a/sae.pt!W_dec:3@layer4#cls' is not a unit: directions are read from .safetensors; `vital concepts ",
        ),
        ("layer4:1#some", "'layer4:1#some' asks for the tokens 'some'; allowed are #cls, #patches, #all"),
        ("layer4:5-2", "'layer4:5-2' is an empty range: 2 is below 5"),
    ],
)
def test_a_text_that_is_nearly_a_unit_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text)
    assert str(caught.value).startswith(sentence)


def test_one_unit_is_not_a_range() -> None:
    with pytest.raises(UnitError) as caught:
        Unit.parse("layer4:1-3")
    assert str(caught.value) == "'layer4:1-3' names 3 units where one is wanted"


def test_a_slug_is_a_file_name() -> None:
    assert Unit.parse("layer4:162@3,3").slug == "layer4_162_3_3"
    assert Unit.parse("../../x.safetensors:3@layer4").slug == "x.safetensors_3_layer4"
    assert Unit("class", label='<b>"tabby"</b>').slug == "class_b_tabby_b"


def test_a_title_carries_the_class_name() -> None:
    assert Unit("class", 1, label="tabby").title == "class:1 (tabby)"
    assert Unit("class", label="tabby").title == "class:tabby"
    assert Unit("layer4", 3).title == "layer4:3"


def test_units_are_resolved_one_by_one_and_in_ranges() -> None:
    found = resolve(["layer4:0-1", "class:tabby", Unit("fc", 3), "blocks.9.mlp:5#cls"], LAYERS, CLASSES)
    assert [str(u) for u in found] == ["layer4:0", "layer4:1", "class:1", "fc:3", "blocks.9.mlp:5#cls"]
    assert resolve("layer4:6@6,6", LAYERS) == [Unit("layer4", 6, (6, 6))]


@pytest.mark.parametrize("name", ["tabby", "Tabby  Cat", "tabby_cat", "tabby, tabby cat"])
def test_a_class_answers_to_its_names_whatever_case_and_spaces(name: str) -> None:
    assert resolve(f"class:{name}", LAYERS, CLASSES) == [Unit("class", 1, label="tabby, tabby cat")]


def test_a_direction_is_resolved_by_its_layer_alone() -> None:
    assert resolve("x.safetensors:9999@layer4", LAYERS)[0].layer == "layer4"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layer4:2048", "layer4:2048 does not exist: layer 'layer4' has the units 0 to 2047"),
        ("class:3", "class:3 does not exist: layer 'class' has the units 0 to 2"),
        (
            "layer4:0-99999999999",
            "layer4:99999999999 does not exist: layer 'layer4' has the units 0 to 2047",
        ),
        ("class:0-99999999", "class:99999999 does not exist: layer 'class' has the units 0 to 2"),
        ("class:-1", f"class:-1 is no index {NO_INDEX}"),
        ("class:1e3", f"class:1e3 is no index {NO_INDEX}"),
        ("class:٣", f"class:٣ is no index {NO_INDEX}"),
        ("class:" + "9" * 5000, f"class:{'9' * 5000} is no index {NO_INDEX}"),
        ("relu:3", "layer 'relu' cannot be used: it runs 3 times in one pass; name the block around it"),
        (
            "blocks.9.mlp:5",
            (
                "blocks.9.mlp:5 is ambiguous: layer 'blocks.9.mlp' has 17 tokens; "
                "write blocks.9.mlp:5#patches, blocks.9.mlp:5#all or blocks.9.mlp:5#cls"
            ),
        ),
        ("swin:5", "swin:5 is ambiguous: layer 'swin' has 16 tokens; write swin:5#patches, swin:5#all"),
        (
            "swin:5#cls",
            "swin:5#cls asks for the class token, but layer 'swin' has none; write #patches or #all",
        ),
        ("layer4:5#cls", "layer4:5#cls asks for tokens, but layer 'layer4' is a map of shape (2048, 7, 7)"),
        ("layer4:5@7,0", "layer4:5@7,0 lies outside layer 'layer4', which is 7 x 7"),
        ("layer4:5@0,7", "layer4:5@0,7 lies outside layer 'layer4', which is 7 x 7"),
        ("fc:5@0,0", "fc:5@0,0 lies outside layer 'fc', which is a vector without positions"),
    ],
)
def test_a_unit_that_the_network_does_not_have_is_explained(text: str, sentence: str) -> None:
    with pytest.raises(UnitError) as caught:
        resolve(text, LAYERS, CLASSES)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("layer44:1", "the network has no layer 'layer44'; did you mean 'layer4'?"),
        ("class:taby", "unknown class 'taby'; did you mean 'tabby'?"),
    ],
)
def test_a_near_miss_is_answered_with_the_nearest_name(text: str, sentence: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve(text, LAYERS, CLASSES)
    assert str(caught.value) == sentence


def test_where_there_are_too_many_layers_to_list_it_says_what_lists_them() -> None:
    many = {f"block{n}": Layer(f"block{n}", "vector", (4,)) for n in range(9)}
    for asked, said in {"stem": "(9 in all); vital", "block10": "? vital"}.items():
        with pytest.raises(UnknownNameError) as caught:
            find_layer(asked, many)
        assert f"{said} layers MODEL lists them" in str(caught.value)


def test_a_few_layers_are_all_listed() -> None:
    few = {f"block{n}": Layer(f"block{n}", "vector", (4,)) for n in range(8)}
    with pytest.raises(UnknownNameError) as caught:
        find_layer("block10", few)
    assert str(caught.value).endswith("?")


def test_the_layers_that_end_with_what_was_asked_come_first() -> None:
    layers = ["conv1", "inception3a.branch5a.conv", "inception5a.branch1", "inception5a", "inception5b"]
    assert nearest_layers("5a", layers) == ["inception5a", "inception5a.branch1", "inception3a.branch5a.conv"]
    assert nearest_layers("branch1", layers)[0] == "inception5a.branch1"
    assert nearest_layers("Inception5.a", layers)[0] == "inception5a"
    assert len(nearest_layers("a", ["a1", "a2", "a3", "a4"])) == 3
    assert nearest_layers("stem", layers) == nearest_layers("", layers) == []


def test_a_layer_like_no_other_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve("stem:1", LAYERS, CLASSES)
    assert str(caught.value) == f"the network has no layer 'stem'; it has {', '.join(LAYERS)}"


def test_a_direction_without_its_layer_is_asked_for_it() -> None:
    with pytest.raises(UnitError, match=r"a direction needs its layer; write d\.safetensors!w:3@LAYER"):
        Unit.parse("d.safetensors!w:3")


def test_a_class_name_in_a_network_without_names_asks_for_the_index() -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve("class:tabby", LAYERS)
    assert str(caught.value) == (
        "the network has no class names, so class:tabby cannot be found; write class:INDEX, or give them with "
        "--classes FILE or classes="
    )


def test_finding_a_layer_returns_it() -> None:
    assert find_layer("fc", LAYERS) is LAYERS["fc"]


def test_the_index_of_a_class_by_name_is_not_known_before_it_is_found() -> None:
    assert Unit.parse("class:dog").index is None
    assert Unit.parse("fc:3").channel == 3
    with pytest.raises(
        UnitError, match=r"^class:dog was not found in a network yet; model\.unit\('class:dog'\)"
    ):
        Unit.parse("class:dog").channel  # noqa: B018


def test_a_range_that_no_layer_can_hold_is_not_laid_out() -> None:
    with pytest.raises(UnitError, match="names 10000000000 units; allowed are 1000000 at once"):
        parse("layer4:0-9999999999")


def test_a_unit_that_was_found_is_the_same_when_it_is_looked_for_again() -> None:
    (found,) = resolve(["class:1"], LAYERS, CLASSES)
    assert found.label == CLASSES[1]
    assert resolve([found], LAYERS, CLASSES)[0] is found
    assert resolve([found], LAYERS, ("a", "b", "c"))[0].label == "b"


def test_the_most_units_at_once_are_still_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_by_name, "MOST", 4)
    assert len(parse("layer4:0-3")) == len(resolve("layer4:0-3", LAYERS)) == 4
    assert len(resolve(["layer4:0-1", "fc:3-4"], LAYERS)) == 4
    for spec in ("layer4:0-4", ["layer4:0-3", "fc:0"], ["fc:0-2", "fc:3-4"]):
        with pytest.raises(UnitError, match="5 units"):
            resolve(spec, LAYERS)


def test_of_several_tensors_the_first_alone_is_a_choice_that_nobody_made() -> None:
    several = {
        "attn": Layer("attn", "vector", (4,), tensor="0", others=("attn[1]",)),
        "attn[1]": Layer("attn[1]", "vector", (4,), tensor="1", others=("attn",)),
        "alone": Layer("alone", "vector", (4,)),
    }
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        resolve(["attn[1]:0", "alone:1"], several)
        assert not told
        resolve(["attn:0", "attn:1", "attn[1]:0"], several)
    said = "'attn' is tensor '0' of 2; the others: attn[1]; write one of these for another"
    assert [str(one.message) for one in told] == [said]
