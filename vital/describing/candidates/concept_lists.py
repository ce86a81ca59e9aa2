"""Lists of concepts: the words that describers choose from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vital.describing.candidates.concept_files import LineError, concepts_in, tidied
from vital.errors import DataError, InvalidValueError, VitalError
from vital.utils.io import read_text
from vital.utils.logs import busy

Concepts = str | Path | Iterable[str]
WORLD = "world"
"""The name of the built-in list: every value of every factor of the known-answer world, and pairs of them."""

TABLES = (".csv", ".tsv")
HINT = f"give plain text with one word or short phrase a line, or {WORLD} for the built-in list"


def concepts_for(encoder: object, concepts: Concepts | None) -> Concepts | None:
    """The concepts that are given; where none are, the encoder `world`, by name or loaded, brings its own list.

    >>> concepts_for("world", None), concepts_for("world", "mine.txt"), concepts_for(None, None)
    ('world', 'mine.txt', None)
    """
    return WORLD if concepts is None and getattr(encoder, "name", encoder) == WORLD else concepts


def read_concepts(source: str | Path | Iterable[str]) -> tuple[str, ...]:
    """Read a list of concepts: a file, the built-in list `world`, or texts.

    A file has one concept a line, or is a table, JSON, or a list of Places365, ImageNet or WordNet (see
    `vital.describing.candidates.concept_files`). Spaces around concepts, characters without width, blank lines and
    repeated concepts (case and spaces do not count) are dropped, the first spelling stays, and so does the order.
    Raises `DataError` for a file that is not such a list, `RunError` for one that cannot be read, and
    `InvalidValueError` for texts that are none.

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
        tidy = tidied(text)
        if tidy:
            found.setdefault(tidy.casefold(), tidy)
    return tuple(found.values())


def _of_file(path: Path) -> tuple[str, ...]:
    text = read_text(path, HINT)
    few = f"{str(path)!r} holds {{}} different concepts, and at least 2 are needed; {HINT}"
    with busy(f"reading the concepts in {str(path)!r}"):
        try:
            texts = concepts_in(text, table=path.suffix.lower() in TABLES)
        except LineError as error:
            raise DataError(f"line {error.line} of {str(path)!r}: {error}; {HINT}") from error
        return _enough(texts, DataError, few)
