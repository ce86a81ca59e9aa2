"""What becomes of a unit about which a backend keeps its answer back."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import vital
from vital.backends import BuiltIn, NoAnswerError
from vital.backends.response_cache import ResponseCache
from vital.describing import Dnd
from vital.describing.base import cached_backends
from vital.describing.candidates.candidates import proposals
from vital.records import NOT_JUDGED

SMALL = Dnd(n_images=2, n_shown=2, n_real=20, n_generated=2, n_candidates=2, n_rounds=2)


@dataclass
class Refusing:
    """Refuses what is asked the first `times` times."""

    times: int
    name: str = "refusing"
    asked: int = 0

    def summarize(self, captions, count, images=None):
        self.asked += 1
        if self.asked <= self.times:
            raise NoAnswerError("small refused to answer: I will not.")
        return BuiltIn().summarize(captions, count)


def test_a_unit_that_is_refused_says_so_and_the_others_go_on(world, tmp_path: Path):
    units = ["planted:2", "planted:9"]
    context = replace(world, generator=None, summarizer=Refusing(SMALL.n_rounds))
    first = SMALL.describe(cached_backends(context, ResponseCache(tmp_path)), units)
    assert (first[0].label, first[0].candidate, first[0].status) == ("", "", NOT_JUDGED)
    assert first[0].reason == "no answer: small refused to answer: I will not."
    assert first[1].label
    assert first[1].reason == ""

    replay = ResponseCache(tmp_path, replay=True)
    silent = replace(world, generator=None, captioner=replay.captioner("world"),
                     summarizer=replay.summarizer("refusing"))  # fmt: skip
    again = SMALL.describe(silent, units)
    assert [d.to_dict() for d in again] == [d.to_dict() for d in first]

    asked = SMALL.describe(
        cached_backends(replace(context, summarizer=Refusing(0)), ResponseCache(tmp_path)), units[:1]
    )
    assert asked[0].label, "a refusal is asked again"


def test_one_round_that_is_refused_leaves_the_others():
    captions = ["a red cube", "red cubes"]
    assert proposals(Refusing(1), captions, rounds=2, count=1) == ["red cube"]
    with pytest.raises(NoAnswerError):
        proposals(Refusing(2), captions, rounds=2, count=1)


def test_the_description_of_a_refused_unit_is_no_error_of_the_library(world):
    said = vital.describe(
        world.model, ["planted:2"], images=world.images, methods=["dnd"], summarizer=Refusing(99),
        n_random_models=0, n_images=2, n_shown=2, n_real=20, n_generated=2, n_candidates=2, progress=False,
    )  # fmt: skip
    assert (said[0].status, said[0].reason[:10]) == (NOT_JUDGED, "no answer:")
