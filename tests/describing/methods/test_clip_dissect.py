"""How CLIP-Dissect chooses among concepts that share the best score."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from vital.describing.matching.presence import presence
from vital.describing.matching.similarity import SIMILARITIES
from vital.describing.methods.clip_dissect import (
    TIE,
    ClipDissect,
    _is_packed,
    _unpacked,
    class_of_description,
    order_ties,
)
from vital.metrics import METRICS
from vital.units import Unit


def features(concepts: Sequence[str] = ("cube", "cone", "star", "torus")) -> SimpleNamespace:
    """Six images and four texts; the unit is the presence of the third text."""
    draw = torch.Generator().manual_seed(0)
    images, texts = torch.randn(9, 5, generator=draw), torch.randn(4, 5, generator=draw)
    half = torch.arange(9) != 4
    own = presence(images[half] @ texts.T)[:, 2]
    return SimpleNamespace(
        matrix=SimpleNamespace(choosing=half),
        image_embeddings=images,
        text_embeddings=texts,
        own=lambda _: own,
        context=SimpleNamespace(concepts=concepts),
    )


@pytest.mark.parametrize("equal", [1, 2, 3, 4])
def test_concepts_of_equal_scores_are_ordered_by_their_correlation_with_the_unit(equal: int) -> None:
    given, concepts = features(), torch.tensor([0, 3, 1, 2])
    scores = torch.tensor([-300.0] * equal + [-300.1] * (4 - equal))
    shown = presence(given.image_embeddings[given.matrix.choosing] @ given.text_embeddings.T)
    likeness = METRICS["correlation"](given.own(None), shown)
    best = sorted(concepts[:equal].tolist(), key=lambda i: -float(likeness[i]))
    assert order_ties(given, None, concepts, scores).tolist() == best + concepts[equal:].tolist()  # type: ignore[arg-type]


def test_scores_within_the_rounding_are_equal_and_others_are_not() -> None:
    given, concepts = features(), torch.tensor([0, 2])
    for apart, found in ((0.5e-4, [2, 0]), (TIE, [2, 0]), (2e-4, [0, 2])):
        scores = torch.tensor([0.0, -apart], dtype=torch.float64)
        assert order_ties(given, None, concepts, scores).tolist() == found  # type: ignore[arg-type]


def test_a_single_concept_is_a_label_where_its_score_is_a_number() -> None:
    context = SimpleNamespace(concepts=("a",), seed=0, model=SimpleNamespace(name="net"))
    given = SimpleNamespace(
        context=context, encoder=SimpleNamespace(name="encoder"), strongest=lambda *_: ("1.png",)
    )
    found = ClipDissect()._description(given, Unit("fc", 0), ["a"], [-3.0])  # type: ignore[arg-type]
    assert (found.label, found.score, found.others) == ("a", -3.0, ())


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (("star lit", "cone", "large star lit", "star"), 3),
        (("star lit", "cone", "large star lit", "pyramid"), 0),
        (("light", "cone", "large star", "a"), 2),
        (("star large", "cone", "large star", "cube"), 2),
    ],
)
def test_of_equal_scores_one_that_says_less_of_the_same_wins(texts: tuple[str, ...], first: int) -> None:
    given, concepts = features(texts), torch.tensor([0, 3, 1, 2])
    assert order_ties(given, None, concepts, torch.zeros(4)).tolist()[0] == first  # type: ignore[arg-type]


@pytest.mark.parametrize("others", [0, 1, 5, 50])
def test_the_first_is_the_label_and_as_many_others_stand_beside_it(others: int) -> None:
    context = SimpleNamespace(concepts=tuple("abcdefgh"), seed=3, model=SimpleNamespace(name="net"))
    given = SimpleNamespace(
        context=context,
        encoder=SimpleNamespace(name="encoder"),
        strongest=lambda _, count: ("1.png",) * count,
    )
    scores = [-float(i) for i in range(8)]
    found = ClipDissect(n_others=others)._description(given, Unit("fc", 0), list("abcdefgh"), scores)  # type: ignore[arg-type]
    assert (found.label, found.candidate, found.score, found.seed) == ("a", "a", 0.0, 3)
    assert found.others == tuple(zip("bcdefgh", scores[1:], strict=True))[:others]
    assert found.evidence == ("1.png",) * 10
    assert found.details["concepts"] == 8
    silent = ClipDissect()._description(given, Unit("fc", 0), ["a"], [-torch.inf])  # type: ignore[arg-type]
    assert (silent.label, silent.reason) == ("", "no concept has a finite score")


def test_only_the_settings_that_are_given_replace_the_published_ones() -> None:
    assert ClipDissect().chosen() == SIMILARITIES["soft-wpmi"]
    for name, value in (("top_k", 7), ("a", 0.5), ("lam", 0.25)):
        made = ClipDissect(**{name: value}).chosen()  # type: ignore[arg-type]
        assert made == replace(SIMILARITIES["soft-wpmi"], **{name: value})  # type: ignore[type-var]


@pytest.mark.parametrize("concepts", [3, 80])
def test_answers_that_were_kept_are_read_back_and_others_are_not(concepts: int) -> None:
    units, top = 4, min(50, concepts)
    draw = torch.Generator().manual_seed(0)
    scores, prior = torch.randn(units, top, generator=draw), torch.randn(concepts, generator=draw)
    numbers = torch.randint(concepts, (units, top), generator=draw)
    numbers[0, :2] = torch.tensor([0, concepts - 1])
    packed = torch.cat([scores.view(-1).double(), numbers.view(-1).double(), prior.double()])
    assert _is_packed(packed, units, concepts)
    found = _unpacked(packed, units, concepts)
    assert torch.equal(found.scores, scores.double())
    assert torch.equal(found.concepts, numbers)
    assert torch.equal(found.prior, prior.double())
    for place in (units * top, 2 * units * top - 1):
        for wrong in (-1.0, float(concepts)):
            assert not _is_packed(packed.index_fill(0, torch.tensor([place]), wrong), units, concepts)
    for other in (packed[:-1], packed.float(), torch.cat([packed, packed[:1]])):
        assert not _is_packed(other, units, concepts)


def test_a_description_speaks_of_the_classes_that_are_like_it() -> None:
    class Letters:
        name = "letters"

        def encode_text(self, texts: list[str]) -> torch.Tensor:
            counts = [[text.count(letter) + 0.01 for letter in "abcdefg"] for text in texts]
            return torch.nn.functional.normalize(torch.tensor(counts), dim=1)

    classes = ["a", "ab", "b", "c", "abb", "bbbbba", "g"]
    found = class_of_description(Letters(), "ab", classes)
    assert [name for name, _ in found[:2]] == ["ab", "abb"]
    assert len(found) == 5
    assert found[0][1] == pytest.approx(1, abs=1e-6)
    assert [x for _, x in found] == sorted((x for _, x in found), reverse=True)
    assert len(class_of_description(Letters(), "ab", classes[:3])) == 3
    assert len(class_of_description(Letters(), "ab", classes, 2)) == 2
