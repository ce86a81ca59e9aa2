"""Class names as people write them: case, underscores, doubled spaces and synonyms do not count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from vital.errors import DataError, InvalidValueError, UnitError, UnknownNameError, unknown
from vital.utils.io import parse_csv, read_text


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
            f"the network has no class names, so class:{name} cannot be found; write class:INDEX, or give them with "
            "--classes FILE or classes="
        )
    raise unknown("class", name, [c.split(",")[0] for c in classes])


def read_names(path: str | Path) -> list[str]:
    """Read the names of classes, a line for each, synonyms behind commas; lines as Places365 has them too.

    `/b/bow_window/indoor 60` is the name bow_window/indoor. Empty lines at the end do not count; one between others
    would shift all names below it and raises `DataError`, as does a file without names.
    """
    lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    if not lines or not all(lines):
        where = f"line {lines.index('') + 1} is empty" if lines else "it is empty"
        raise DataError(f"{str(path)!r} gives no name for each unit: {where}; give one name on each line")
    return [found[1] if (found := re.fullmatch(r"/\w/(\S+) \d+", line)) else line for line in lines]


def read_classes(path: str | Path) -> dict[int, str] | tuple[str, ...]:
    """Read class names: a line for each class, or a CSV file with the columns index and name.

    Of a CSV file that has names alone, those of images, each one counts once, in the order of texts. A table without
    names gives none. Raises `RunError` and `DataError`.
    """
    text = read_text(path)
    header = [column.strip() for column in text.partition("\n")[0].split(",")]
    value = next((column for column in ("name", "label") if column in header), None)
    if not {"file", "wnid", "index"} & {*header} or len(header) < 2:
        return tuple(read_names(path))
    rows = [row for _, row in parse_csv(text, repr(str(path)))[1]] if value else []
    if value is None or all(row[value].strip().isdecimal() for row in rows):
        return ()
    if "index" not in header:
        return tuple(sorted({row[value].strip() for row in rows} - {""}))
    found: dict[int, str] = {}
    for row in rows:
        index, name = row["index"].strip(), row[value].strip()
        if not index.isdecimal() or found.setdefault(int(index), name) != name:
            why = (
                f"the index is {index!r}"
                if not index.isdecimal()
                else f"class {index} has two names, {name!r} too"
            )
            raise DataError(f"{str(path)!r}: {why}; give each class one whole number from 0 and one name")
    return found


def names_of_outputs(classes: Mapping[int, str] | Sequence[str], outputs: int, where: str) -> tuple[str, ...]:
    """Class names as a name for each output, "" for one without. Raises `InvalidValueError` where they do not fit.

    >>> names_of_outputs({2: "owl"}, 3, "net")
    ('', '', 'owl')
    """
    if isinstance(classes, Mapping):
        if strange := [index for index in classes if not 0 <= index < outputs]:
            raise InvalidValueError(
                f"{where} has no class {strange[0]}, which is named {classes[strange[0]]!r}; "
                f"give names for 0 to {outputs - 1}"
            )
        return tuple(classes.get(i, "") for i in range(outputs))
    if len(classes) != outputs:
        raise InvalidValueError(
            f"there are {len(classes)} class names for the {outputs} outputs of {where}; give one for each"
        )
    return tuple(classes)
