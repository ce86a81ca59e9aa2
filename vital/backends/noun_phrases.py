"""What captions share: noun phrases found without a language model.

A caption is cut at punctuation and at small words ("a", "on", "is") into runs such as "large red striped cube". Every
choice of up to four words of a run that stand close together, in their order, is a phrase that the caption has:
"striped cube", "red cube", "cube". Phrases with the same words are one, whatever their order and number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

WORDS, REACH = 4, 5
"""The most words of a phrase, and how many neighboring words of a caption it is chosen from."""

_SMALL = """
    a about across after against all along also am among an and another any are around as at be been before behind
    being below beneath beside between beyond both but by can close closeup containing each either etc every few for
    from full has have having her here hers him his how i image images in inside into is it its itself kind lit lot
    many might more most much my near next no nor not of off on onto or other others our out over part perhaps photo
    photograph photographs photos picture pictures probably seen several she shot show showing shown shows some
    something that the their them then there these they this those through to too toward towards type under up upon
    very view was we were what when where which while who whose will with within without you your"""
SMALL = frozenset(_SMALL.split())
"""Words that no phrase is made of; they stand around what a caption is about."""

POSITIONS = frozenset(
    ("above", "back", "bottom", "center", "centre", "front", "left", "middle", "right", "side", "top")
)
"""Words that say where: alone they are told with what leads to them, "lit from the left"."""

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s'’-]")
_BARE = re.compile(r"\b(?:the|in|on|at|to) ")
_JOINING = frozenset({"and", "of"})
_Run = list[tuple[str, str]]


@dataclass(frozen=True)
class Phrase:
    """A phrase and how many captions have it."""

    text: str
    count: int
    words: frozenset[str] = field(default=frozenset(), repr=False)

    def weight(self, captions: int) -> float:
        """Share of the captions that have it, × 1, 1.25, 1.5, 1.75 for one to four words.

        >>> Phrase("striped cube", 8, frozenset({"striped", "cube"})).weight(10)
        1.0
        """
        return self.count / captions * (0.75 + 0.25 * len(self.words))


def shared_phrases(captions: Sequence[str]) -> list[Phrase]:
    """List the phrases of captions, heaviest first (see `Phrase.weight`); ties in the order of the alphabet.

    Phrases that only one caption has are left out where others are shared. Of phrases in the same captions only the
    longest is kept. The spelling is the commonest.

    >>> [p.text for p in shared_phrases(["A small red cube on sand.", "red cubes in the snow"])]
    ['red cube']
    """
    spellings: dict[frozenset[str], Counter[str]] = {}
    counts: Counter[frozenset[str]] = Counter()
    for caption in captions:
        own = dict(_phrases(caption))
        counts.update(own.keys())
        for words, text in own.items():
            spellings.setdefault(words, Counter())[text] += 1
    least = 2 if any(count > 1 for count in counts.values()) else 1
    kept = {words: count for words, count in counts.items() if count >= least}
    found = [
        Phrase(_commonest(spellings[words]), count, words)
        for words, count in kept.items()
        if words not in _contained(kept)
    ]
    return sorted(found, key=lambda p: (-p.weight(len(captions)), p.text))


def parts(text: str, most: int = 2) -> list[str]:
    """List the phrases of up to `most` words that a text holds, in its order, itself among them where it is one.

    >>> parts("large red cubes")
    ['large', 'large red', 'large cubes', 'red', 'red cubes', 'cubes']
    """
    return list(dict.fromkeys(told for words, told in _phrases(text) if len(words) <= most))


def vocabulary(text: str) -> frozenset[str]:
    """Collect what a text says: the stems of its words without the small ones; places with what leads to them.

    An image whose caption holds the vocabulary of a phrase shows it. "In", "on", "at" and "the" do not tell places
    apart.

    >>> sorted(vocabulary("Two red cubes on the left, lit from the left"))
    ['cube', 'left', 'lit from left', 'red', 'two']
    """
    words = (word for run in _runs(text) for word, _ in run)
    return frozenset(stem(_BARE.sub("", word) if " " in word else word) for word in words)


def _commonest(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda text: (-spellings[text], len(text), text))


def _contained(counts: dict[frozenset[str], int]) -> set[frozenset[str]]:
    """Phrases with one word less than another that is in as many captions: they are in the same ones."""
    parts = ((words - {word}, count) for words, count in counts.items() for word in words)
    return {part for part, count in parts if counts.get(part) == count}


def _phrases(caption: str) -> Iterator[tuple[frozenset[str], str]]:
    for run in _runs(caption):
        for start in range(len(run)):
            near = range(start + 1, min(start + REACH, len(run)))
            for length in range(WORDS):
                for rest in combinations(near, length):
                    yield _phrase(run, (start, *rest))


def _phrase(run: _Run, chosen: tuple[int, ...]) -> tuple[frozenset[str], str]:
    text = run[chosen[0]][0]
    for before, place in pairwise(chosen):
        word, joint = run[place]
        text += (joint if place == before + 1 else " ") + word
    return frozenset(stem(run[place][0]) for place in chosen), text


def _runs(caption: str) -> Iterator[_Run]:
    """Cut a caption into runs of words, each with what joins it to the one before: a space, " and " or " of "."""
    run: list[str] = []
    lead: list[str] = []
    for token in [*_TOKEN.findall(caption.lower()), "."]:
        if (token[0].isalnum() and token not in SMALL) or (run and token in _JOINING):
            run.append(token)
            continue
        if run:
            yield _told(run, lead)
        lead = [*([] if run else lead), token] if token in SMALL else []
        run = []


def _told(run: list[str], lead: list[str]) -> _Run:
    """Bring what joins words to the words, and tell where with its lead."""
    before = ["", *run]
    words = [
        (word, f" {before[i]} " if before[i] in _JOINING else " ")
        for i, word in enumerate(run)
        if word not in _JOINING
    ]
    if any(word not in POSITIONS for word, _ in words):
        return words
    return [(" ".join([*lead, *(word for word, _ in words)]), " ")]


def stem(word: str) -> str:
    """Take off the ending of a plural.

    >>> [stem(word) for word in ("cubes", "boxes", "berries", "glass", "torus", "stripes")]
    ['cube', 'box', 'berry', 'glass', 'torus', 'stripe']
    """
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("xes", "ches", "shes", "sses", "zes")) else word[:-1]
