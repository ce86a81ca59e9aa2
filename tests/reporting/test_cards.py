import math
from itertools import pairwise

import pytest

from tests.reporting.conftest import said
from vital.reporting.addresses import address
from vital.reporting.cards import UnitData, agreement, label_row
from vital.reporting.images import Sizes
from vital.reporting.views import view_of
from vital.units import Unit


def view(*found):
    unit = Unit.parse("fc:0")
    return view_of(UnitData(unit, said=[("", one) for one in found]), address(unit))


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
    made = view(
        said("fc:0", "prototype", "cone"),
        said("fc:0", "dnd", "", candidate="sea"),
        said("fc:0", "clip-dissect", "red cubes", math.nan),
        said("fc:0", "truth", "red cube"),
    )
    rows = [one.row for one in made.words]
    assert [row.method for row in rows] == ["truth", "dnd", "clip-dissect", "prototype"]
    assert (made.headline, made.truth, made.silent) == ("red cubes", "red cube", False)
    assert [row.truth for row in rows] == [None, None, 1.0, 0.0]
    assert [row.score for row in rows][2] is None


def test_a_unit_is_silent_where_methods_were_asked_and_none_answers():
    asked = [said("fc:0", "dnd", "", candidate="sea"), said("fc:0", "truth", "red")]
    assert view(*asked).silent
    assert not view(*asked[1:]).silent
    assert not view().silent


def test_more_units_have_smaller_pictures():
    sides = [(s.prototype, s.example, s.examples) for s in map(Sizes.of, (1, 100, 1000))]
    pictures, numbers = [(large, small) for large, small, _ in sides], [number for *_, number in sides]
    for one, next_one in pairwise(pictures):
        assert all(a > b for a, b in zip(one, next_one, strict=True))
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > numbers[-1]
