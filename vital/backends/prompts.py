"""What a language model is asked about captions; `vital.backends.answers` reads what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from vital.backends.answers import read_descriptions, read_phrase
from vital.backends.phrases_summarizer import check_count
from vital.backends.protocols import NoAnswerError
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

Schema = dict[str, Any]
"""A JSON schema of the answer, for servers that hold a model to one."""


def _object(name: str, kind: Schema) -> Schema:
    return {"type": "object", "properties": {name: kind}, "required": [name], "additionalProperties": False}


DESCRIPTIONS = _object("descriptions", {"type": "array", "items": {"type": "string"}})
PHRASE = _object("phrase", {"type": "string"})


def question(captions: Sequence[str], count: int) -> list[dict[str, str]]:
    """Put the question about captions as the messages of a chat; a caption is kept to one line."""
    listed = "\n".join(f"- {' '.join(caption.split())}" for caption in captions)
    return [{"role": "user", "content": QUESTION.format(captions=listed, count=count)}]


def simplification(caption: str) -> list[dict[str, str]]:
    """Ask for a caption in short, as the messages of a chat."""
    return [{"role": "user", "content": SHORTER.format(caption=" ".join(caption.split()))}]


class Chat(ABC):
    """A summarizer that is a language model: what is asked, and how its answers are read, is the same for all."""

    @abstractmethod
    def answer(self, messages: list[dict[str, str]], schema: Schema | None = None) -> str:
        """Give the model's answer to a chat, which a server that can holds to the JSON schema."""

    def summarize(self, captions: list[str], count: int, images: Images | None = None) -> list[str]:
        """Propose up to `count` descriptions of what the captions share; the images are not looked at."""
        del images
        check_count(count)
        said = [caption for caption in captions if caption.strip()]
        return read_descriptions(self.answer(question(said, count), DESCRIPTIONS), count) if said else []

    def simplify(self, captions: list[str]) -> list[str]:
        """Bring each caption to one short phrase, with one question each; captions stay where no phrase comes back."""
        return [self.phrase(caption) or caption for caption in captions]

    def phrase(self, caption: str) -> str:
        """Bring a caption to one short phrase; empty where the answer holds none, or is kept back."""
        if not caption.strip():
            return ""
        try:
            return read_phrase(self.answer(simplification(caption), PHRASE), "")
        except NoAnswerError:
            return ""
