"""Texts without a model: names made alike, shared words, and the likeness of their letters."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vital.errors import InvalidValueError

Similar = NDArray[np.float64]
"""(A, B): how alike text a and text b are."""

FILLERS = frozenset(
    (
        "a",
        "an",
        "the",
        "of",
        "and",
        "or",
        "in",
        "on",
        "with",
        "at",
        "to",
        "for",
        "by",
        "from",
        "as",
        "is",
        "are",
    )
)
"""Words that say nothing of what is seen."""
_FORMATS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Characters that turn the direction of writing around."""


def plain_name(text: str) -> str:
    """A name without case and separators: '/', '-', '_' and doubled spaces do not count.

    Two tables of the same classes often differ in just these, and then every such class counts as wrong.

    >>> plain_name("Bow_window/indoor") == plain_name("bow window-indoor")
    True
    """
    return " ".join(re.split(r"[\s/_\-]+", text.strip().lower())).strip()


def synonyms(name: str) -> tuple[str, ...]:
    """The names in a line with commas between them, made alike; a list is taken apart, never read as one text.

    >>> synonyms("tench, Tinca tinca")
    ('tench', 'tinca tinca')
    """
    found = (plain_name(part) for part in name.split(","))
    return tuple(dict.fromkeys(part for part in found if part))


def words(text: str) -> frozenset[str]:
    """The words of a text in lower case: runs of letters, without fillers and without the s of a plural.

    >>> sorted(words("Mushrooms in the grass"))
    ['gras', 'mushroom']
    """
    found = (word for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in FILLERS)
    return frozenset(w[:-1] if w.endswith("s") and len(w) > 3 else w for w in found)


def shared_word(a: str, b: str) -> bool:
    """Whether two texts have a word in common, whichever it is.

    >>> shared_word("mushrooms in nature", "a mushroom")
    True
    """
    return bool(words(a) & words(b))


def jaccard(a: str, b: str) -> float:
    """The share of the words of either text that are in both, in [0, 1]; 0 where there are none.

    >>> jaccard("red bird", "a red red fish and a cat")
    0.25
    """
    left, right = words(a), words(b)
    return len(left & right) / len(left | right) if left | right else 0.0


def trigrams(text: str) -> Counter[str]:
    """Runs of three characters of a text in lower case, whose other characters than letters are spaces.

    Two spaces stand before and behind, so that the first and the last letters count as much as the others.

    >>> sorted(trigrams("ox"))
    ['  o', ' ox', 'ox ', 'x  ']
    """
    letters = "".join(c if c.isalpha() else " " for c in text.lower())
    if not letters.strip():
        return Counter()
    padded = f"  {letters}  "
    return Counter(padded[i : i + 3] for i in range(len(padded) - 2))


def trigram_cosine(labels: Sequence[str], names: Sequence[str]) -> Similar:
    """The cosine between the trigram counts of labels and names: (labels, names), in [0, 1].

    A text without letters is like nothing. Raises `InvalidValueError` for a string in the place of a list.

    >>> trigram_cosine(["tench", ""], ["tench", "ox"]).round(2).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    left, right = ([trigrams(text) for text in listed(texts)] for texts in (labels, names))
    found: dict[str, list[tuple[int, float]]] = {}
    for column, counts in enumerate(right):
        for gram, share in _shares(counts).items():
            found.setdefault(gram, []).append((column, share))
    index = {gram: (np.array([c for c, _ in at]), np.array([x for _, x in at])) for gram, at in found.items()}
    similar = np.zeros((len(left), len(right)))
    for row, counts in enumerate(left):
        for gram, share in _shares(counts).items():
            if gram in index:
                columns, shares = index[gram]
                similar[row, columns] += share * shares
    return similar


def listed(texts: Iterable[str]) -> list[str]:
    """The texts, held to be a list of strings.

    A published column is void because a string was embedded letter by letter, and a list as its printed form: both
    raise `InvalidValueError` here.
    """
    if isinstance(texts, str):
        raise InvalidValueError(f"the texts are the string {texts[:40]!r}; give a list of texts")
    found = list(texts)
    if other := [text for text in found if not isinstance(text, str)]:
        raise InvalidValueError(
            f"one of the texts is {other[0]!r}, a {type(other[0]).__name__}; each must be one text"
        )
    return found


def _shares(counts: Counter[str]) -> dict[str, float]:
    """Counts as a vector of length 1."""
    length = float(np.sqrt(sum(n * n for n in counts.values())))
    return {gram: n / length for gram, n in counts.items()}


def shortened(names: Sequence[str], most: int = 4) -> str:
    """The first names with commas, and how many there are where that is not all.

    >>> shortened(["a", "b", "c"], most=2)
    'a, b, … (3 in all)'
    """
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def printable(text: str) -> str:
    r"""The text, its control characters and those that turn the direction of writing shown by their number.

    >>> printable("cat\u202egod"), printable("a\x00b"), printable("Ελλάδα")
    ('cat[U+202E]god', 'a[U+0000]b', 'Ελλάδα')
    """
    text = _FORMATS.sub(lambda found: _numbered(found[0]), text)
    return "".join(
        _numbered(c) if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" else c for c in text
    )


def _numbered(character: str) -> str:
    return f"[U+{ord(character):04X}]"
