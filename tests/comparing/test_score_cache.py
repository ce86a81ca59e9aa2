from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests import toy
from vital.comparing import ClassJudge, build_context
from vital.comparing.base import MEASURES
from vital.comparing.measures import measured
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import ScoreCache
from vital.comparing.variants import real_images


@dataclass
class Counting:
    """A classifier that counts how often it is asked."""

    name: str = "counting"
    right: float = 1.0
    asked: list[int] = field(default_factory=list, init=False)

    def agrees(self, images, units) -> list[float]:
        self.asked.append(len(images))
        return [self.right] * len(units)


@pytest.fixture
def shown(model, units, bank, tmp_path: Path):
    return real_images(Renderer(tmp_path, model, units, bank), 2)


@pytest.fixture
def cache(tmp_path: Path) -> ScoreCache:
    return ScoreCache(tmp_path / "scores")


def test_what_was_measured_is_read_and_not_measured_again(bank, units, shown, cache) -> None:
    classifier = Counting()
    context = build_context(bank, units, judges=[classifier])
    first = measured(context, shown, cache)
    times = {file: file.stat().st_mtime_ns for file in cache.folder.iterdir()}
    assert len(times) == len(MEASURES)
    assert measured(context, shown, cache) == first
    assert classifier.asked == [len(shown.images)] * 2  # once as they are, and once squinting
    assert {file: file.stat().st_mtime_ns for file in cache.folder.iterdir()} == times


def test_the_same_pictures_under_another_name_are_not_measured_again(bank, units, shown, cache) -> None:
    classifier = Counting()
    context = build_context(bank, units, judges=[classifier])
    first, second = measured(context, shown, cache), measured(context, shown.named("other"), cache)
    assert [replace(score, method="other") for score in first] == second
    assert len(classifier.asked) == 2


def test_another_classifier_is_asked_and_nothing_else_is_measured(bank, units, shown, cache, model) -> None:
    measured(build_context(bank, units), shown, cache)
    before = set(cache.folder.iterdir())
    classifier = ClassJudge(toy.wrap(toy.seeded(toy.network(), 1), name="other"), model)
    found = measured(build_context(bank, units, judges=[classifier]), shown, cache)
    assert len(set(cache.folder.iterdir()) - before) == 2  # as they are, and squinting
    assert any(score.metric == "judge other" for score in found)
    same_name = ClassJudge(toy.wrap(toy.seeded(toy.network(), 2), name="other"), model)
    measured(build_context(bank, units, judges=[same_name]), shown, cache)
    assert len(set(cache.folder.iterdir()) - before) == 4


def test_other_pictures_units_or_seeds_are_measured(bank, units, shown, cache) -> None:
    classifier = Counting()
    context = build_context(bank, units, judges=[classifier])
    swapped = (units[1], units[0], *shown.units[2:])
    others = (
        replace(shown, images=1 - shown.images),
        replace(shown, units=swapped),
        replace(shown, seeds=tuple(seed + 1 for seed in shown.seeds)),
    )
    for number, other in enumerate((shown, *others), 1):
        measured(context, other, cache)
        assert len(classifier.asked) == 2 * number


def test_a_damaged_file_is_made_anew(bank, units, shown, cache) -> None:
    context = build_context(bank, units)
    first = measured(context, shown, cache)
    (damaged, *_) = cache.folder.iterdir()
    whole = damaged.read_bytes()
    damaged.write_text("{")
    assert measured(context, shown, cache) == first
    assert damaged.read_bytes() == whole
