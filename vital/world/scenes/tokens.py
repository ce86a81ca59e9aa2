"""Words as numbers: the closed vocabulary of captions and concepts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from vital.world.scenes.vocabulary import FACTORS

LENGTH = 48
"""How many words of a text are read; the longest caption has fewer."""

_SMALL = [
    "a",
    "an",
    "and",
    "at",
    "behind",
    "from",
    "in",
    "it",
    "lit",
    "of",
    "on",
    "seen",
    "the",
    "thing",
    "with",
]
WORDS = ("", "?", *_SMALL, *dict.fromkeys(value for values in FACTORS.values() for value in values))
"""Every word by number: 0 fills up short texts, and 1 stands for a word that is not known."""

_NUMBERS = {word: number for number, word in enumerate(WORDS)}


def tokens(texts: Sequence[str]) -> Tensor:
    """Number the words of texts: (B, LENGTH) int64, filled up with 0. Case and punctuation do not count.

    >>> tokens(["a red cube", "red zebras"])[:, :4].gt(0).sum(1).tolist()
    [3, 2]
    """
    found = torch.zeros(len(texts), LENGTH, dtype=torch.int64)
    for row, text in enumerate(texts):
        numbers = [_NUMBERS.get(word, 1) for word in re.findall(r"\w+", text.lower())[:LENGTH]]
        found[row, : len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
    return found
