from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests import toy
from vital.comparing import ClassJudge, build_context
from vital.comparing.base import MEASURES
from vital.comparing.measures import measured
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import Kept
from vital.comparing.variants import real_images


@dataclass
class Counting:
    """A witness that counts how often it is asked."""

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
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "scores")


def test_what_was_measured_is_read_and_not_measured_again(bank, units, shown, kept) -> None:
    witness = Counting()
    bench = build_context(bank, units, judges=[witness])
    first = measured(bench, shown, kept)
    times = {file: file.stat().st_mtime_ns for file in kept.folder.iterdir()}
    assert len(times) == len(MEASURES)
    assert measured(bench, shown, kept) == first
    assert witness.asked == [len(shown.images)] * 2  # once as they are, and once squinting
    assert {file: file.stat().st_mtime_ns for file in kept.folder.iterdir()} == times


def test_the_same_pictures_under_another_name_are_not_measured_again(bank, units, shown, kept) -> None:
    witness = Counting()
    bench = build_context(bank, units, judges=[witness])
    first, second = measured(bench, shown, kept), measured(bench, shown.named("other"), kept)
    assert [replace(score, method="other") for score in first] == second
    assert len(witness.asked) == 2


def test_another_witness_is_asked_and_nothing_else_is_measured(bank, units, shown, kept, model) -> None:
    measured(build_context(bank, units), shown, kept)
    before = set(kept.folder.iterdir())
    witness = ClassJudge(toy.wrap(toy.seeded(toy.network(), 1), name="other"), model)
    found = measured(build_context(bank, units, judges=[witness]), shown, kept)
    assert len(set(kept.folder.iterdir()) - before) == 2  # as they are, and squinting
    assert any(score.metric == "judge other" for score in found)
    same_name = ClassJudge(toy.wrap(toy.seeded(toy.network(), 2), name="other"), model)
    measured(build_context(bank, units, judges=[same_name]), shown, kept)
    assert len(set(kept.folder.iterdir()) - before) == 4


def test_other_pictures_units_or_seeds_are_measured(bank, units, shown, kept) -> None:
    witness = Counting()
    bench = build_context(bank, units, judges=[witness])
    swapped = (units[1], units[0], *shown.units[2:])
    others = (
        replace(shown, images=1 - shown.images),
        replace(shown, units=swapped),
        replace(shown, seeds=tuple(seed + 1 for seed in shown.seeds)),
    )
    for number, other in enumerate((shown, *others), 1):
        measured(bench, other, kept)
        assert len(witness.asked) == 2 * number


def test_a_damaged_file_is_made_anew(bank, units, shown, kept) -> None:
    bench = build_context(bank, units)
    first = measured(bench, shown, kept)
    (damaged, *_) = kept.folder.iterdir()
    whole = damaged.read_bytes()
    damaged.write_text("{")
    assert measured(bench, shown, kept) == first
    assert damaged.read_bytes() == whole
