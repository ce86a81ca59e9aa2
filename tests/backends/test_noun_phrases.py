import itertools
import re

import pytest
import torch

from vital.backends.noun_phrases import SMALL, Phrase, parts, shared_phrases, stem, vocabulary
from vital.world import caption, sample


def best(captions: list[str], count: int = 1) -> list[str]:
    return [phrase.text for phrase in shared_phrases(captions)[:count]]


def world(seed: int, count: int = 10, **fixed: str) -> list[str]:
    return [caption(scene) for scene in sample(torch.Generator().manual_seed(seed), count, **fixed)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"material": "striped", "solid": "cube"}, "striped cube"),
        ({"colour": "red", "solid": "torus"}, "red torus"),
        ({"colour": "orange", "material": "glass"}, "orange glass"),
        ({"solid": "star"}, "star"),
        ({"background": "snow"}, "snow"),
        ({"light": "right"}, "lit from the right"),
    ],
)
def test_what_scenes_share_comes_first(fixed, words, seed):
    assert best(world(seed, **fixed)) == [words]


def test_what_most_scenes_share_beats_what_few_do():
    captions = world(0, 8, material="striped", solid="cube") + world(1, 2)
    assert best(captions) == ["striped cube"]


def test_english_captions_give_their_noun_phrase():
    captions = [
        "a red fire hydrant on the side of a street",
        "A fire hydrant in the snow.",
        "there is a yellow fire hydrant with a chain",
        "a photo of two fire hydrants next to each other",
        "a dog on a lawn",
    ]
    found = shared_phrases(captions)
    assert [(p.text, p.count) for p in found] == [("fire hydrant", 4)]


def test_what_and_and_of_join_stays_joined_where_it_stands_together():
    assert best(["a bowl of fruit on a table", "the bowl of fruit"]) == ["bowl of fruit"]
    assert best(["cats and dogs on a sofa", "two cats and dogs"]) == ["cats and dogs"]
    assert best(["a red and white cube", "a blue and white cube"]) == ["white cube"]


def test_a_short_word_has_a_plural_too():
    assert [stem(word) for word in ("dogs", "cats", "gas", "ties", "pies", "flies")] == [
        "dog", "cat", "gas", "tie", "pie", "fly",
    ]  # fmt: skip


def test_order_and_number_do_not_make_another_phrase():
    found = shared_phrases(["red cubes", "red cube", "a cube, red"])
    assert [(p.text, p.count) for p in found if len(p.words) == 2] == [("red cube", 2)]
    assert found[2] == Phrase("red cube", 2, frozenset({"red", "cube"}))
    found = shared_phrases(["striped big cubes", "big striped cubes", "the big striped cubes"])
    assert [(p.text, p.count) for p in found] == [("big striped cubes", 3)]


def test_a_place_is_told_with_what_leads_to_it():
    assert best(["a cube, on the left on grass", "a sphere on the left side", "a cone on the left"]) == [
        "on the left"
    ]


def test_captions_that_share_nothing_give_their_own_words():
    assert set(best(["a dog", "the sea"], 5)) == {"dog", "sea"}


@pytest.mark.parametrize("captions", [[], [""], ["the of a, and"], ["!!!"]])
def test_captions_that_say_nothing_give_nothing(captions):
    assert shared_phrases(captions) == []


def test_accents_and_other_scripts_are_words():
    assert best(["un café noir", "le café"]) == ["café"]
    assert best(["赤い 立方体", "立方体"]) == ["立方体"]


def test_the_order_of_captions_does_not_matter():
    captions = world(3, 6)
    assert shared_phrases(captions) == shared_phrases(captions[::-1])


def test_counts_are_those_of_an_enumeration_by_hand():
    """Slow and plain: the words of each caption between small words, and every choice of up to three in a row."""
    captions = [
        "small red cube on big sand",
        "red cube in red sand",
        "small cube on red sand",
        "a big red cube",
    ]
    sets = []
    for line in captions:
        runs = [
            [stem(w) for w in run.split()]
            for run in re.split(rf"\b(?:{'|'.join(SMALL)})\b", line)
            if run.strip()
        ]
        sets.append(
            {
                frozenset(c)
                for run in runs
                for n in range(1, 5)
                for c in itertools.combinations(run, n)
                if len(run) <= 5
            }
        )
    counts = {words: sum(words in own for own in sets) for words in set().union(*sets)}
    shared = {w: c for w, c in counts.items() if c > 1}
    closed = {
        w: c for w, c in shared.items() if not any(w < other and c == shared[other] for other in shared)
    }
    assert {p.words: p.count for p in shared_phrases(captions)} == closed
    weights = [p.count / 4 * (0.75 + 0.25 * len(p.words)) for p in shared_phrases(captions)]
    assert weights == sorted(weights, reverse=True)
    assert [p.weight(4) for p in shared_phrases(captions)] == weights


def test_long_captions_take_words_that_stand_close_together_alone():
    line = " ".join(f"word{i}" for i in range(40))
    assert all(len(p.words) <= 4 for p in shared_phrases([line]))
    spread = [" ".join(["alpha", *(f"x{n}{i}" for i in range(9)), "omega"]) for n in range(3)]
    assert set(best(spread, 9)) == {"alpha", "omega"}


def test_parts_are_the_short_phrases_of_a_text():
    assert parts("red and white cubes on the left", 1) == ["red", "white", "cubes", "on the left"]
    assert parts("red and white cubes", 2)[:3] == ["red", "red and white", "red cubes"]
    assert parts("of the", 2) == []
    reach = [text for text in parts("red big wet old cold dog") if text.startswith("red ")]
    assert reach == ["red big", "red wet", "red old", "red cold"]  # of five neighbors


def test_a_vocabulary_is_what_a_text_says():
    assert vocabulary("Red cubes, in the middle") == {"red", "cube", "middle"}
    assert vocabulary("a cube lit from the left, seen from the front") == {
        "cube",
        "lit from left",
        "seen from front",
    }
    assert vocabulary("at the left") == vocabulary("on the left") == {"left"}
    assert vocabulary("the of a") == frozenset()
