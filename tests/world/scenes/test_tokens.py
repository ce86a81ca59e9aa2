import torch

from vital.world.scenes.concepts import concepts
from vital.world.scenes.grammar import caption, sample
from vital.world.scenes.tokens import LENGTH, WORDS, tokens


def test_every_caption_and_concept_is_read_whole_and_without_unknown_words() -> None:
    scenes = sample(torch.Generator().manual_seed(0), 300, pairs=0.5)
    texts = [caption(s) for s in scenes] + [c.name for c in concepts()]
    numbers = tokens(texts)
    assert not (numbers == 1).any()
    assert (numbers[:, -1] == 0).all()


def test_texts_that_differ_have_numbers_that_differ() -> None:
    texts = {caption(s) for s in sample(torch.Generator().manual_seed(0), 200, pairs=0.5)}
    assert len({tuple(row) for row in tokens(sorted(texts)).tolist()}) == len(texts)


def test_case_and_punctuation_do_not_count_and_unknown_words_do() -> None:
    assert torch.equal(tokens(["A red, cube."]), tokens(["a red cube"]))
    assert tokens(["a zebra"])[0, 1] == 1


def test_long_texts_are_cut() -> None:
    assert tokens(["red " * 100]).shape == (1, LENGTH)


def test_no_word_is_there_twice() -> None:
    assert len(set(WORDS)) == len(WORDS)
