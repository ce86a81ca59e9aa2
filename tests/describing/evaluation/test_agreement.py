"""How labels of several methods are put side by side; how far they agree stands in `test_prototype.py`."""

import pytest

from vital.describing.evaluation.agreement import agreement, by_method, pairs_of
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
