"""Class names as people write them: case, underscores, doubled spaces and synonyms do not count."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from vital.errors import DataError, InvalidValueError, UnitError, UnknownNameError, said, unknown
from vital.utils.io import parse_csv, read_text


def plain(name: str) -> str:
    """Strip a name of case, underscores and doubled spaces.

    >>> plain("Tabby_Cat ")
    'tabby cat'
    """
    return " ".join(name.lower().replace("_", " ").split())


HEADINGS = {"id": "index", "idx": "index", "class_id": "index", "class": "name", "class_name": "name"}
"""What columns of a table with class names are called too."""


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
    if re.fullmatch(r"[-+]?[\d.][\d.,_eExX+-]*", name):
        raise UnitError(
            f"class:{name} is no index and no name of a class; write whole numbers from 0, as in class:0 or class:0-9"
        )
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
    return names_in(read_text(path), path)


def names_in(text: str, path: str | Path) -> list[str]:
    """Read the names of classes as `read_names` does, from the text of a file."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines or not all(lines):
        where = f"line {lines.index('') + 1} is empty" if lines else "it is empty"
        raise DataError(f"{str(path)!r} gives no name for each unit: {where}; give one name on each line")
    return _bare(lines)


def _bare(lines: Sequence[str]) -> list[str]:
    """Names without what stands around all of them: quotes, numbers of WordNet, the paths and numbers of Places365.

    >>> _bare(["n01440764 tench, Tinca tinca"]), _bare(['"cat"', '"dog"'])
    (['tench, Tinca tinca'], ['cat', 'dog'])
    """
    for form in (r'(["\'])(?P<name>.+)\1,?', r"n\d{8}\s+(?P<name>.+)"):
        found = [re.fullmatch(form, line) for line in lines]
        lines = [match["name"] for match in found if match] if all(found) else lines
    places = (re.fullmatch(r"/\w/(\S+) \d+", line) for line in lines)
    return [match[1] if match else line for match, line in zip(places, lines, strict=True)]


def read_classes(path: str | Path) -> dict[int, str] | tuple[str, ...]:
    """Read class names: a line for each class, a table with the columns index and name, or JSON with either.

    Each line may have its number in front. Of a table that has names alone, those of images, each one counts once, in
    the order of texts. A table without names gives none. Raises `RunError` and `DataError`.
    """
    text = read_text(path)
    if text.lstrip()[:1] in ("{", "["):
        return _literal(text, repr(str(path)))
    first, _, rest = text.partition("\n")
    gap = next((gap for gap in ",;\t" if gap in first), ",")
    header = [HEADINGS.get(column, column) for column in first.strip().lower().split(gap)]
    header = [HEADINGS.get(column.strip(), column.strip()) for column in header]
    if header == ["name"]:
        return tuple(names_in(rest, path))
    value = next((column for column in ("name", "label") if column in header), None)
    if not {"file", "wnid", "index"} & {*header} or len(header) < 2:
        names = names_in(text, path)
        return _numbered(names) or tuple(names)
    text = ",".join(header) + "\n" + (rest if gap == "," else _with_commas(rest, gap))
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


def _with_commas(text: str, gap: str) -> str:
    """A table whose cells stand between other signs, as CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(csv.reader(io.StringIO(text), delimiter=gap))
    return written.getvalue()


def _numbered(lines: Sequence[str]) -> dict[int, str]:
    """Names by the number in front of each, where these count all lines, from 0 or from 1; empty for others.

    >>> _numbered(["0: cat", "1: dog"]), _numbered(["3 cats", "2 dogs"])
    ({0: 'cat', 1: 'dog'}, {})
    """
    found = [re.fullmatch(r"(\d{1,9})\s*[:,;\s]\s*(.+)", line) for line in lines]
    named = {int(match[1]): _bare([match[2]])[0] for match in found if match}
    counted = [list(range(start, start + len(lines))) for start in (0, 1)]
    return named if all(found) and list(named) in counted else {}


def _literal(text: str, where: str) -> dict[int, str] | tuple[str, ...]:
    """The names in JSON, or in what Python prints: a list, or a table by index or name, be it of [wnid, name]."""
    try:
        found: Any = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(f"{where} is no list or table of class names; give one name on each line") from error
    if isinstance(found, list):
        return tuple(found)
    if isinstance(found, dict):
        return _by_index({k: v[-1] if isinstance(v, list | tuple) and v else v for k, v in found.items()})
    raise DataError(f"{where} holds no names by index; give one name on each line")


def _by_index(classes: Mapping[Any, Any]) -> dict[int, str]:
    """Names by index, of a table by index, its text, or by name as `class_to_idx` is. Raises `InvalidValueError`.

    >>> _by_index({"0": "cat"}), _by_index({"cat": 0})
    ({0: 'cat'}, {0: 'cat'})
    """
    if classes and all(isinstance(k, str) and isinstance(v, int) for k, v in classes.items()):
        classes = {index: name for name, index in classes.items()}
    try:
        found = {int(index): name for index, name in classes.items()}
    except (TypeError, ValueError):
        found = {}
    if len(found) != len(classes) or not all(isinstance(name, str) for name in found.values()):
        index, name = next(iter(classes.items()))
        raise InvalidValueError(
            f"the class names are a table such as {{{index!r}: {name!r}}}; give one text for each whole number"
        )
    return found


def names_of_outputs(classes: Mapping[int, str] | Sequence[str], outputs: int, where: str) -> tuple[str, ...]:
    """Class names as a name for each output, "" for one without. Raises `InvalidValueError` where they do not fit.

    >>> names_of_outputs({2: "owl"}, 3, "net")
    ('', '', 'owl')
    """
    if isinstance(classes, Mapping):
        classes = _by_index(classes)
        if strange := [index for index in classes if not 0 <= index < outputs]:
            raise InvalidValueError(
                f"{where} has no class {strange[0]}, which is named {classes[strange[0]]!r}; "
                f"give names for 0 to {outputs - 1}"
                + (", counted from 0" if sorted(classes) == list(range(1, outputs + 1)) else "")
            )
        return tuple(classes.get(i, "") for i in range(outputs))
    if isinstance(classes, str) or (odd := [name for name in classes if not isinstance(name, str)]):
        given = classes if isinstance(classes, str) else odd[0]
        raise InvalidValueError(f"among the class names is {said(given)}; give a text for each output")
    if len(classes) != outputs:
        raise InvalidValueError(
            f"there are {len(classes)} class names for the {outputs} outputs of {where}; give one for each"
        )
    return tuple(classes)
