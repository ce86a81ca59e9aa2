"""What a language model is asked about captions, and how its answer is read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from vital.backends.phrases_summarizer import check_count
from vital.types import Images

QUESTION = """\
One unit of a vision network responds strongly to a few images. These captions tell of them, one image a line:

{captions}

A caption may be wrong, and may tell of things that have nothing to do with the unit. Find what most of the captions \
have in common: a thing, a part, a pattern, a color, a place or a scene. Write up to {count} different short \
descriptions of it, the likeliest first: one a line, one to five words each, the plainest words, and nothing else."""

SHORTER = """\
A caption tells of a picture. Write what the picture shows as one plain phrase of at most eight words: leave out what \
every picture has, that it is a picture, and whatever the caption says twice.

Caption: there is a photo of a brown dog sitting on top of a couch in a living room
Phrase: brown dog on a couch

Caption: {caption}
Phrase:"""

LONGEST = 8
"""Answers of more words are remarks, not descriptions."""

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_MARK = re.compile(r"^(?:[-*•]+|\(?\d+[.):]|\d+ [-–—])\s*")
_QUOTES = "\"'`*_“”‘’ "


def question(captions: Sequence[str], count: int) -> list[dict[str, str]]:
    """Put the question about captions as the messages of a chat; a caption is kept to one line."""
    listed = "\n".join(f"- {' '.join(caption.split())}" for caption in captions)
    return [{"role": "user", "content": QUESTION.format(captions=listed, count=count)}]


def simplification(caption: str) -> list[dict[str, str]]:
    """Ask for a caption in short, as the messages of a chat."""
    return [{"role": "user", "content": SHORTER.format(caption=" ".join(caption.split()))}]


def read_phrase(answer: str, caption: str) -> str:
    """Read the phrase that a caption was brought to: the answer's first line, or the caption where that is empty.

    >>> read_phrase('Phrase: "Brown dog."', "a brown dog"), read_phrase("", "a brown dog")
    ('Brown dog', 'a brown dog')
    """
    lines = [line.strip() for line in _THOUGHT.sub("", answer).splitlines() if line.strip()]
    said = lines[0].removeprefix("Phrase:") if lines else ""
    return " ".join(said.strip(_QUOTES).rstrip(".,;:").strip(_QUOTES).split()) or caption


def read_answer(answer: str, count: int) -> list[str]:
    r"""Read up to `count` descriptions, in lower case, each once; one line may hold several between commas.

    >>> read_answer('1. "Striped cubes"\n2. stripes.\n3. Stripes', 5)
    ['striped cubes', 'stripes']
    """
    lines = [line for line in _THOUGHT.sub("", answer).splitlines() if line.strip()]
    if len(lines) == 1:
        lines = re.split(r"[,;]", lines[0])
    plain = (" ".join(_MARK.sub("", line.strip()).strip(_QUOTES).rstrip(".,;:").split()) for line in lines)
    kept = dict.fromkeys(text.strip(_QUOTES).lower() for text in plain if len(text.split()) <= LONGEST)
    return [text for text in kept if text][:count]


class Chat(ABC):
    """A summarizer that is a language model: what is asked, and how its answers are read, is the same for all."""

    @abstractmethod
    def answer(self, messages: list[dict[str, str]]) -> str:
        """Give the model's answer to a chat."""

    def summarize(self, captions: list[str], count: int, images: Images | None = None) -> list[str]:
        """Propose up to `count` descriptions of what the captions share; the images are not looked at."""
        del images
        check_count(count)
        return read_answer(self.answer(question(captions, count)), count) if captions else []

    def simplify(self, captions: list[str]) -> list[str]:
        """Bring each caption to one short phrase, with one question each."""
        return [read_phrase(self.answer(simplification(caption)), caption) for caption in captions]
