"""What a unit might respond to, in words: proposals of a summarizer, and the parts of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch

from vital.backends import BuiltIn, NoAnswerError, Summarizer, parts, vocabulary
from vital.types import Images
from vital.utils.random import generator

_VAGUE = frozenset(("design", "designs", "graphic", "graphics"))


@dataclass(frozen=True)
class Candidate:
    """A text, the words that it says, and the share of the captions that say them too."""

    text: str
    words: frozenset[str] = field(repr=False)
    support: float = 0.0


def proposals(
    summarizer: Summarizer,
    captions: Sequence[str],
    images: Images | None = None,
    *,
    rounds: int = 5,
    count: int = 1,
    seed: object = 0,
) -> list[str]:
    """Ask a summarizer `rounds` times for up to `count` descriptions, each time with the captions in another order.

    The orders are drawn from `seed`; the first is the captions' own. Best first: those proposed in the most rounds, of
    equals those that stood higher on average. The built-in summarizer, which no order changes, is asked once for
    `rounds` × `count`. Source: Describe-and-Dissect (TMLR 2025), which asks five times for one. Raises `NoAnswerError`
    where no round is answered.
    """
    if isinstance(summarizer, BuiltIn):
        rounds, count = 1, rounds * count
    votes: Counter[str] = Counter()
    stood: Counter[str] = Counter()
    kept_back = list[NoAnswerError]()
    for round_ in range(rounds):
        order = list(range(len(captions)))
        if round_:
            order = torch.randperm(len(captions), generator=generator("captions", seed, round_)).tolist()
        shown = None if images is None else images[order]
        try:
            said = summarizer.summarize([captions[i] for i in order], count, shown)
        except NoAnswerError as error:
            kept_back.append(error)
            continue
        for place, text in enumerate(said):
            votes[clean(text)] += 1
            stood[clean(text)] += place
    if len(kept_back) == rounds:
        raise kept_back[0]
    return sorted(filter(None, votes), key=lambda text: (-votes[text], stood[text] / votes[text]))


def clean(text: str) -> str:
    """Bring a description to lower case, without quotes, a full stop and doubled spaces.

    >>> clean(' "Striped  Cubes." ')
    'striped cubes'
    """
    return " ".join(text.lower().strip("\"'`“” ").rstrip(".").split())


def with_backgrounds(texts: Iterable[str]) -> list[str]:
    """Add "… background" after a text that ends in design or graphic, which generators draw as text and logos.

    Source: Describe-and-Dissect (TMLR 2025).

    >>> with_backgrounds(["blue design", "cube"])
    ['blue design', 'cube', 'blue design background']
    """
    given = list(texts)
    return [*given, *(f"{text} background" for text in given if text.split()[-1] in _VAGUE)]


def candidates(texts: Iterable[str], captions: Sequence[str], most: int = 0) -> list[Candidate]:
    """Make candidates of texts, and of their parts of up to `most` words; those with the same words are one.

    A summary tends to say more than the unit asks for: of red things it says "large red cubes", when those excite it
    most. The parts stand beside it, and the scores choose. Parts come after all texts; texts without words are left
    out. Of two with the same words the one that needs fewer small words beside them is kept.

    >>> [c.text for c in candidates(["red cubes"], ["a red cube", "a cone"], most=1)]
    ['red cubes', 'red', 'cubes']
    """
    given = list(texts)
    pieces = [piece for text in given for piece in parts(text, most)] if most else []
    said = [vocabulary(caption) for caption in captions]
    found: dict[frozenset[str], Candidate] = {}
    for text in (*given, *pieces):
        words = vocabulary(text)
        known = found.get(words)
        if words and (known is None or len(text.split()) < len(known.text.split())):
            share = sum(words <= own for own in said) / max(1, len(said))
            found[words] = Candidate(text, words, share)
    return list(found.values())


def joined(best: Sequence[Candidate], captions: Sequence[str], longest: int = 3) -> list[str]:
    """Join candidates two by two to one text of up to `longest` words, in the order in which captions say them.

    Those that share a word are not joined. What captions say apart may be what the unit asks for. Source: the pairs of
    words of CLIP-Dissect (ICLR 2023).

    >>> found = candidates(["cube", "striped"], [])
    >>> joined(found, ["a striped cone", "a small cube"])
    ['striped cube']
    """
    pairs = (
        sorted(two, key=lambda c: _stands(c, captions))
        for two in combinations(best, 2)
        if len(two[0].words | two[1].words) <= longest and not two[0].words & two[1].words
    )
    return [f"{first.text} {second.text}" for first, second in pairs]


def _stands(candidate: Candidate, captions: Sequence[str]) -> float:
    """Where captions say a candidate's last word, on average: 0 at their beginning, 1 at their end or nowhere."""
    word = candidate.text.split()[-1]
    found = [caption.lower().find(word) / len(caption) for caption in captions if word in caption.lower()]
    return sum(found) / len(found) if found else 1.0
