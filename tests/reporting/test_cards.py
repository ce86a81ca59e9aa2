import math
from itertools import pairwise

import pytest

from tests.reporting.conftest import said
from vital.reporting.cards import UnitData, agreement, card, label_row
from vital.reporting.images import Sizes
from vital.units import Unit

SIZES = Sizes.of(1)


def test_words_agree_as_far_as_they_are_the_same():
    def found(*pairs):
        return agreement([label_row(said("fc:0", method, label)) for method, label in pairs])

    assert found(("clip-dissect", "red cubes"), ("prototype", "a red cube")) == 1.0
    assert found(("clip-dissect", "red cube"), ("prototype-caption", "red cone")) == pytest.approx(1 / 3)
    assert found(("dnd", "sea"), ("clip-dissect", "red cube"), ("prototype", "red cube")) == 1.0
    assert found(("dnd", "dog"), ("judge", "cat")) == 0.0
    assert found(("truth", "dog"), ("prototype", "dog")) is None
    assert found(("dnd", ""), ("prototype", "dog")) is None


def test_the_truth_comes_first_and_the_headline_is_what_is_said_of_images():
    made = card(
        UnitData(
            Unit.parse("fc:0"),
            said=[
                said("fc:0", "prototype", "cone"),
                said("fc:0", "dnd", "", candidate="sea"),
                said("fc:0", "clip-dissect", "red cubes", math.nan),
                said("fc:0", "truth", "red cube"),
            ],
        ),
        SIZES,
    )
    assert [s.method for s in made.label_rows] == ["truth", "dnd", "clip-dissect", "prototype"]
    assert (made.headline, made.truth, made.silent) == ("red cubes", "red cube", False)
    assert [s.truth for s in made.label_rows] == [None, None, 1.0, 0.0]
    assert [s.score for s in made.label_rows][2] is None


def test_a_unit_is_silent_where_methods_were_asked_and_none_answers():
    asked = [said("fc:0", "dnd", "", candidate="sea"), said("fc:0", "truth", "red")]
    assert card(UnitData(Unit.parse("fc:0"), said=asked), SIZES).silent
    assert not card(UnitData(Unit.parse("fc:0"), said=asked[1:]), SIZES).silent
    assert not card(UnitData(Unit.parse("fc:0")), SIZES).silent


def test_more_units_have_smaller_pictures():
    sides = [(s.prototype, s.example, s.examples) for s in map(Sizes.of, (1, 100, 1000))]
    pictures, numbers = [(large, small) for large, small, _ in sides], [number for *_, number in sides]
    for one, next_one in pairwise(pictures):
        assert all(a > b for a, b in zip(one, next_one, strict=True))
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > numbers[-1]
