"""Lists of concepts: the words that describers choose from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vital.errors import DataError, InvalidValueError, VitalError
from vital.utils.io import read_text

WORLD = "world"
"""The name of the built-in list: every value of every factor of the known-answer world, and pairs of them."""

LONGEST = 200
HINT = f"give plain text with one word or short phrase a line, or {WORLD} for the built-in list"


def read_concepts(source: str | Path | Iterable[str]) -> tuple[str, ...]:
    """Read a list of concepts: a text file with one a line, the built-in list `world`, or texts.

    Spaces around them, blank lines and repeated ones (case and spaces do not count) are dropped, the first spelling
    stays, and so does the order. Raises `DataError` for a file that is not such a list, `RunError` for one that cannot
    be read, and `InvalidValueError` for texts that are none.

    >>> read_concepts(["dog", " red  cube", "", "Dog"])
    ('dog', 'red cube')
    """
    if isinstance(source, Path | str):
        return world_concepts() if str(source) == WORLD else _of_file(Path(source))
    texts = list(source)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise InvalidValueError(f"a concept is {wrong[0]!r}; allowed are texts")
    few = "{} different concepts are given; at least 2 are needed to choose from"
    return _enough(texts, InvalidValueError, few)


def world_concepts() -> tuple[str, ...]:
    """List the concepts of the known-answer world in words.

    >>> world_concepts()[0], "striped cube" in world_concepts()
    ('small', True)
    """
    from vital.world.scenes.concepts import concepts

    return tuple(concept.name for concept in concepts())


def _enough(texts: Iterable[str], kind: type[VitalError], few: str) -> tuple[str, ...]:
    if len(found := distinct(texts)) < 2:
        raise kind(few.format(len(found)))
    return found


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Tidy spaces and drop what is empty or was there before."""
    found: dict[str, str] = {}
    for text in texts:
        tidy = " ".join(text.split())
        if tidy:
            found.setdefault(tidy.casefold(), tidy)
    return tuple(found.values())


def _of_file(path: Path) -> tuple[str, ...]:
    text = read_text(path, HINT)
    if any(ord(letter) < 32 and letter not in "\t\n\r\f\v" for letter in text):
        raise DataError(f"{str(path)!r} holds control characters and is no list of words; {HINT}")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST:
            raise DataError(f"line {number} of {str(path)!r} has {len(line)} characters; {HINT}")
    few = f"{str(path)!r} holds {{}} different concepts, and at least 2 are needed; {HINT}"
    return _enough(lines, DataError, few)
