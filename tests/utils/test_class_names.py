import pytest

from vital.errors import UnitError, UnknownNameError
from vital.utils.class_names import class_index, class_matches, plain

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
