"""How labels of several methods are put side by side; how far they agree stands in `test_prototype.py`."""

import math

import pytest

from vital.describing.evaluation.agreement import Agreement, agreement, by_method, pairs_of
from vital.errors import InvalidValueError
from vital.records import Description
from vital.units import Unit

ONE, TWO = Unit("fc", 0), Unit("fc", 1)


def said(unit: Unit, method: str, label: str) -> Description:
    return Description(unit, method, label, 1.0, label)


def test_every_two_methods_are_a_pair_and_the_first_label_of_a_unit_counts() -> None:
    given = [
        said(ONE, "a", "dog"),
        said(ONE, "a", "cat"),
        said(TWO, "a", ""),
        said(ONE, "b", "dog"),
        said(TWO, "c", "x"),
    ]
    found = by_method(given)
    assert found == {"a": {ONE: "dog"}, "b": {ONE: "dog"}, "c": {TWO: "x"}}
    assert [(one[0], other[0]) for one, other in pairs_of(found)] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_without_an_encoder_labels_agree_as_far_as_they_share_words() -> None:
    found = agreement(["red cube", "snow"], ["cube", "red snow"])
    assert found.cosines == pytest.approx((0.5, 0.5))
    assert found.shuffled == pytest.approx((1 / 3 + 0) / 2)
    assert found.constant == 0
    assert found.above[0] == pytest.approx((0.5 - 1 / 6) / (1 - 1 / 6))
    assert agreement(["red cubes"], ["a red cube"]).same == (True,)


def test_units_without_two_labels_do_not_count() -> None:
    found = agreement(["", "red cube", "snow"], ["", "cube", ""])
    assert found.cosines == (None, 0.5, None)
    assert found.same == (False, False, False)
    assert (found.mean, found.shuffled, found.floor) == (0.5, None, 0.0)
    assert found.above == (None, 0.5, None)
    nothing = agreement(["", "snow"], ["red", ""])
    assert (nothing.cosines, nothing.same, nothing.shuffled) == ((None, None), (False, False), None)
    assert math.isnan(nothing.constant)
    assert math.isnan(nothing.mean)


def test_a_floor_is_that_of_labels_that_say_nothing_on_both_sides() -> None:
    found = agreement(["things", "red", "sky"], ["big objects", "red", "sea"])
    assert found.constant == pytest.approx(((1 / 2 + 0 + 0) / 3 + (1 / 3 + 0 + 0) / 3) / 2)
    assert found.shuffled == 0
    assert found.floor == found.constant
    assert Agreement((0.5,), (False,), 0.4, 0.1).floor == 0.4
    assert Agreement((1.0, 0.6), (True, False), 0.2, 0.1).above == pytest.approx((1.0, 0.5))
    assert Agreement((1.0,), (True,), 1.0, 0.0).above == (0.0,)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("ab", ["a", "b"]), (["a", "b"], "ab"), (["a"], ["a", "b"]), ([], [])]
)
def test_labels_are_two_lists_of_one_length(ours: list[str], theirs: list[str]) -> None:
    with pytest.raises(InvalidValueError, match=r"allowed are two lists of one length, from 1$"):
        agreement(ours, theirs)
