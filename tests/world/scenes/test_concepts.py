import pytest
import torch

from vital.errors import UnknownNameError
from vital.world.scenes.concepts import Concept, concepts, labels, truths
from vital.world.scenes.grammar import Scene, Thing, sample
from vital.world.scenes.vocabulary import FACTORS


def test_there_is_a_concept_for_every_value_and_no_name_twice() -> None:
    single, every = concepts(pairs=False), concepts()
    assert {c.wants[0] for c in single} == {(f, v) for f, values in FACTORS.items() for v in values}
    assert every[: len(single)] == single
    assert len({c.name for c in every}) == len(every) == len({frozenset(c.wants) for c in every})


def test_a_pair_asks_one_thing_for_both_values() -> None:
    scene = Scene(Thing("cube", colour="red"), Thing("cone", colour="blue", place="left"))
    wanted = {
        (("colour", "red"), ("solid", "cube")): True,
        (("colour", "blue"), ("solid", "cone")): True,
        (("colour", "blue"), ("solid", "cube")): False,
        (("solid", "cone"), ("background", "grass")): True,
        (("solid", "cone"), ("background", "snow")): False,
    }
    assert {wants: Concept(wants).holds(scene) for wants in wanted} == wanted


def test_many_truths_at_once_are_the_truths_one_by_one() -> None:
    scenes = sample(torch.Generator().manual_seed(2), 40, pairs=0.5)
    wanted = concepts()[::7]
    expected = torch.tensor([[c.holds(s) for c in wanted] for s in scenes])
    assert torch.equal(truths(scenes, wanted), expected)
    assert expected.any()


def test_every_concept_can_hold() -> None:
    for concept in concepts():
        fixed = dict(concept.wants)
        if fixed.get("material", "striped") in ("striped", "checkered", "dotted") or "accent" not in fixed:
            assert concept.holds(sample(torch.Generator().manual_seed(0), 1, **fixed)[0]), concept.name


def test_labels_number_the_values_and_mark_a_missing_accent() -> None:
    scenes = [Scene(Thing("cube", "striped", "red", "white")), Scene()]
    numbers = labels(scenes)
    assert set(numbers) == set(FACTORS)
    assert numbers["solid"].tolist() == [0, 1]
    assert numbers["accent"].tolist() == [FACTORS["accent"].index("white"), -1]
    assert numbers["solid"].dtype == torch.int64


def test_a_concept_of_nothing_known_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="'red'"):
        Concept((("colour", "rad"),))
    with pytest.raises(UnknownNameError, match="'colour'"):
        Concept((("color", "red"),))
