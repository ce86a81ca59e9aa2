from pathlib import Path

import pytest

from vital.errors import DataError, InvalidValueError, UnitError, UnknownNameError
from vital.utils.class_names import class_index, class_matches, names_of_outputs, plain, read_classes

CLASSES = ["tench, Tinca tinca", "crane", "Crane", "cat, tabby cat", "tabby cat"]


@pytest.mark.parametrize("name", ["Tabby_Cat", "tabby  cat", " TABBY cat "])
def test_case_underscores_and_spaces_do_not_count(name):
    assert plain(name) == "tabby cat"


def test_a_whole_name_goes_before_a_synonym():
    assert class_index("tabby cat", CLASSES) == 4
    assert class_index("tinca_tinca", CLASSES) == 0


def test_a_shared_name_has_several_matches_and_an_unknown_one_none():
    assert class_matches("crane", CLASSES) == [1, 2]
    assert class_matches("owl", CLASSES) == []
    assert class_matches("owl", []) == []


def test_a_shared_name_is_refused_with_what_to_write():
    with pytest.raises(UnitError) as caught:
        class_index("crane", CLASSES)
    assert str(caught.value) == "class:crane is the name of the classes 1 and 2; write class:1 or class:2"


def test_an_unknown_class_answers_with_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        class_index("tenchh", CLASSES)
    assert str(caught.value) == "unknown class 'tenchh'; did you mean 'tench'?"


def test_a_network_without_names_asks_for_an_index():
    with pytest.raises(UnknownNameError) as caught:
        class_index("cat", [])
    assert (
        str(caught.value)
        == "the network has no class names, so class:cat cannot be found; write class:INDEX, or "
        "give them with --classes FILE or classes="
    )


@pytest.mark.parametrize(
    "text",
    [
        "tench, Tinca tinca\ncat\nowl\n\n",
        '"tench, Tinca tinca"\n"cat"\n"owl"\n',
        "\ufeffname\ntench, Tinca tinca\ncat\nowl\n",
        'Index,Name\n0,"tench, Tinca tinca"\n1,cat\n2,owl\n',
        "id;class\n0;tench, Tinca tinca\n1;cat\n2;owl\n",
        "index\tname\n0\ttench, Tinca tinca\n1\tcat\n2\towl\n",
        "0: tench, Tinca tinca\n1: cat\n2: owl\n",
        '0,"tench, Tinca tinca"\n1,cat\n2,owl\n',
        "0 tench, Tinca tinca\r\n1 cat\r\n2 owl",
        "n01440764 tench, Tinca tinca\nn02123045 cat\nn01622779 owl\n",
        "{0: 'tench, Tinca tinca',\n 1: 'cat',\n 2: 'owl'}",
        '{"0": ["n01440764", "tench, Tinca tinca"], "1": ["n02123045", "cat"], "2": ["n01622779", "owl"]}',
        '{"tench, Tinca tinca": 0, "cat": 1, "owl": 2}',
        '["tench, Tinca tinca", "cat", "owl"]',
    ],
)
def test_class_names_are_read_in_every_form_that_they_have(tmp_path: Path, text: str) -> None:
    (tmp_path / "names").write_bytes(text.encode())
    found = names_of_outputs(read_classes(tmp_path / "names"), 3, "net")
    assert found == ("tench, Tinca tinca", "cat", "owl")


def test_numbers_that_belong_to_the_names_stay(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("3 cats\n1 dog\n2 owls\n")
    assert read_classes(tmp_path / "names") == ("3 cats", "1 dog", "2 owls")


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        (["cat", None], "among the class names is None; give a text for each output"),
        ("ab", "among the class names is 'ab'; give a text for each output"),
        (
            {"cat": "dog"},
            "the class names are a table such as {'cat': 'dog'}; give one text for each whole number",
        ),
        (
            {1: "cat", 2: "dog"},
            "net has no class 2, which is named 'dog'; give names for 0 to 1, counted from 0",
        ),
    ],
)
def test_names_that_are_none_are_refused(classes: object, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        names_of_outputs(classes, 2, "net")  # type: ignore[arg-type]
    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", ["{", "[1, 2", "{1, 2}"])
def test_a_file_that_only_begins_like_a_table_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "names").write_text(text)
    with pytest.raises(DataError, match="give one name on each line"):
        read_classes(tmp_path / "names")
