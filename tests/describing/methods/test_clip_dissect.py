"""How CLIP-Dissect chooses among concepts that share the best score."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch

from vital.describing.matching.presence import presence
from vital.describing.methods.clip_dissect import TIE, ClipDissect, order_ties
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
