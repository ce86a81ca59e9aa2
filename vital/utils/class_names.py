"""Class names as people write them: case, underscores, doubled spaces and synonyms do not count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vital.errors import UnitError, UnknownNameError, unknown


def plain(name: str) -> str:
    """Strip a name of case, underscores and doubled spaces.

    >>> plain("Tabby_Cat ")
    'tabby cat'
    """
    return " ".join(name.lower().replace("_", " ").split())


def class_matches(name: str, classes: Sequence[str]) -> list[int]:
    """Find the classes that a name stands for: by whole name, and failing that by comma-separated synonym.

    More than one index means that the name is shared; none means that no class has it.

    >>> class_matches("Tabby", ["tench", "tabby, tabby cat"])
    [1]
    """
    return next((table[plain(name)] for table in _tables(tuple(classes)) if plain(name) in table), [])


@lru_cache(maxsize=8)
def _tables(classes: tuple[str, ...]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    whole: dict[str, list[int]] = {}
    parts: dict[str, list[int]] = {}
    for index, name in enumerate(classes):
        whole.setdefault(plain(name), []).append(index)
        for part in {plain(p) for p in name.split(",")}:
            parts.setdefault(part, []).append(index)
    return whole, parts


def class_index(name: str, classes: Sequence[str]) -> int:
    """Find the index of a class by name, as `class_matches` does.

    Raises `UnknownNameError` with the nearest names, and `UnitError` for a name that several classes share.

    >>> class_index("Tabby", ["tench", "tabby, tabby cat"])
    1
    """
    found = class_matches(name, classes)
    if len(found) > 1:
        shared = " and ".join(map(str, found))
        meant = " or ".join(f"class:{index}" for index in found)
        raise UnitError(f"class:{name} is the name of the classes {shared}; write {meant}")
    if found:
        return found[0]
    if not classes:
        raise UnknownNameError(
            f"the network has no class names, so class:{name} cannot be found; write class:INDEX"
        )
    raise unknown("class", name, [c.split(",")[0] for c in classes])
