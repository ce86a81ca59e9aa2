import numpy as np
import pytest

from vital.errors import InvalidValueError
from vital.utils.text import (
    jaccard,
    listed,
    plain_name,
    shared_word,
    shortened,
    synonyms,
    trigram_cosine,
    trigrams,
    words,
)


@pytest.mark.parametrize("text", ["bow_window/indoor", "Bow window-indoor", " bow-window  indoor "])
def test_separators_and_case_do_not_count(text):
    assert plain_name(text) == "bow window indoor"


def test_a_list_is_never_read_as_one_text():
    for wrong in ("a cat", [["a cat", "a dog"]], [None]):
        with pytest.raises(InvalidValueError):
            listed(wrong)
        with pytest.raises(InvalidValueError):
            trigram_cosine(["a cat"], wrong)


def test_synonyms_stand_apart_and_once():
    assert synonyms("tree frog, tree-frog, ") == ("tree frog",)


def test_words_are_alike_without_plural_and_filler():
    assert shared_word("Mushrooms in the wood", "mushroom")
    assert not shared_word("a photo of the sea", "the top of a hill")
    assert words("gas, cats and buses") == {"gas", "cat", "buse"}
    assert jaccard("red birds", "a red bird") == 1.0
    assert jaccard("of the", "of the") == 0.0


def test_the_cosine_of_trigrams_is_that_of_their_counts():
    left, right = ["red fish", "ÜBER-kopf", "", "banana"], ["a red fish", "uber", "überkopf", "Banana ban"]
    grams = sorted({g for t in left + right for g in trigrams(t)})
    a, b = (np.array([[trigrams(t)[g] for g in grams] for t in part], dtype=float) for part in (left, right))
    lengths = np.maximum(np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1), 1e-12)
    np.testing.assert_allclose(trigram_cosine(left, right), a @ b.T / lengths, atol=1e-12)


def test_four_names_are_listed_and_of_more_it_is_said_how_many() -> None:
    assert [shortened(list("abcde")[:count]) for count in (0, 1, 4)] == ["", "a", "a, b, c, d"]
    assert shortened(list("abcde")) == "a, b, c, d, … (5 in all)"
