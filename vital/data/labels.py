"""Labels of images: read from a CSV file or a sequence, and held against the classes of a network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from vital.data.items import is_vector, missing, plain_label, whole
from vital.errors import DataError
from vital.utils.class_names import class_matches
from vital.utils.io import read_csv
from vital.utils.parts import told

KEYS = ("file", "wnid")
VALUES = ("index", "label", "name")
Labels = tuple[tuple[int | None, ...], tuple[str, ...]]
BY_INDEX = "labels=, a CSV file with the columns file and index"
MOST = 2**63
"""What labels are below: those that a tensor can hold."""
LABELING = f"sort the images into a folder per class, or give {BY_INDEX}"


def numbered(values: Sequence[Any]) -> Labels:
    """Turn labels into whole numbers: (labels, names); texts become names in sorted order, None stays None.

    One-hot vectors say a number.

    >>> numbered(["cat", None, "ant"])
    ((1, None, 0), ('ant', 'cat'))
    >>> numbered([3, 1])
    ((3, 1), ())
    """
    values = [None if missing(v) else v for v in values]
    if any(is_vector(v) for v in values):
        values = [_one_hot(v, i) for i, v in enumerate(values)]
    if all(v is None or whole(v) is not None for v in values):
        found = [whole(v) for v in values]
        if (index := next((i for i, v in enumerate(found) if v is not None and v >= MOST), None)) is not None:
            raise DataError(f"label {index} is {told(values[index])}; allowed are whole numbers below {MOST}")
        return tuple(None if v is None or v < 0 else v for v in found), ()  # -1 is said of no label
    for index, value in enumerate(values):
        if value is not None and not (isinstance(value, str) and value.strip()) and whole(value) is None:
            raise DataError(
                f"label {index} is {told(value)}; allowed are whole numbers alone or names alone, and None"
            )
    if not all(v is None or isinstance(v, str) for v in values):
        raise DataError("the labels mix kinds; allowed are whole numbers alone or names alone, and None")
    names = sorted({str(v) for v in values if v is not None})
    place = {name: i for i, name in enumerate(names)}
    return tuple(None if v is None else place[v] for v in values), tuple(names)


def _one_hot(value: Any, index: int) -> int | str | None:
    found = plain_label(value)
    if found is None and value is not None:
        raise DataError(
            f"label {index} is a vector that is not one-hot; give one class for each image, its number or its name"
        )
    return found


def read_labels(path: Path, names: Sequence[str]) -> Labels:
    """Read the labels of the named files from a CSV file: (labels, class names).

    The column `file` or `wnid` holds a path, a file name, a stem or the name of a top folder; the label is `index`
    (the network's own), `label` (likewise, or a name) or `name`. Files without a row get None. Raises `RunError` for a
    file that cannot be read, and `DataError` for one that is no such table, or has rows that fit several files by name
    or contradict each other.
    """
    rows = _rows(path)
    used: dict[str, str] = {}
    values: list[str | None] = []
    for name in names:
        key, by_folder = _row_of(name, rows)
        if key is not None and not by_folder and key in used:
            raise DataError(f"{path}: {key!r} fits several images ({used[key]}, {name}); write their paths")
        if key is not None:
            used[key] = name
        values.append(None if key is None else rows[key])
    if not used:
        raise DataError(
            f"{path} names none of the {len(names)} images; its first row is for {next(iter(rows))!r}"
        )
    if all(v is None or v.isdecimal() for v in values):
        return tuple(None if v is None else int(v) for v in values), ()
    return numbered(values)


def _row_of(name: str, rows: dict[str, str]) -> tuple[str | None, bool]:
    """The row for a file, the surest way first: by path, file name or stem, and failing these by top folder."""
    path = PurePosixPath(name)
    found = next((key for key in (name, path.name, path.stem) if key in rows), None)
    if found is None and len(path.parts) > 1 and path.parts[0] in rows:
        return path.parts[0], True
    return found, False


def _rows(path: Path) -> dict[str, str]:
    """The label of each row under what the row is for."""
    header, lines = read_csv(path)
    key, value = _columns(path, header)
    rows: dict[str, str] = {}
    for line, row in lines:
        _add(rows, row[key], row[value].strip(), f"{path}, line {line}", value)
    if not rows:
        raise DataError(f"the labels {path} hold no rows")
    return rows


def _columns(path: Path, header: Sequence[str]) -> tuple[str, str]:
    key = next((k for k in KEYS if k in header), None)
    value = next((v for v in VALUES if v in header), None)
    if key is None or value is None:
        have = ", ".join(header)
        raise DataError(
            f"{path} has the columns {have}; wanted are file or wnid, and one of index, label and name"
        )
    return key, value


def _add(rows: dict[str, str], key: str, label: str, place: str, column: str) -> None:
    if not label or (column == "index" and not label.isdecimal()):
        allowed = "a whole number from 0" if column == "index" else "a text"
        raise DataError(f"{place}: the {column} is {label!r}; allowed is {allowed}")
    key = key.strip().replace("\\", "/").removeprefix("./")
    if rows.setdefault(key, label) != label:
        raise DataError(f"{place}: {key!r} is labeled {label!r} after {rows[key]!r}")


def match_class(index: int, own: Sequence[str], classes: Sequence[str], outputs: int, where: str) -> set[int]:
    """Find which of a set's own label names stand for one class of the network.

    By name; failing any match, as whole numbers; failing these, by order where both sides have equally many, with a
    warning where the network has names. Raises `DataError` where neither is certain.
    """
    matches = [_network_classes(name, classes) for name in own]
    if not any(matches):
        return {label for label, found in enumerate(_numbers(own, classes, outputs, where)) if found == index}
    for name, found in zip(own, matches, strict=True):
        if index in found and len(found) > 1:
            shared = " and ".join(map(str, found))
            raise DataError(f"{where}: the name {name!r} is that of the classes {shared}; {LABELING}")
    labels = {label for label, found in enumerate(matches) if index in found}
    strangers = [name for name, found in zip(own, matches, strict=True) if not found]
    if not labels and strangers:
        wanted = f"{index} ({classes[index]})" if 0 <= index < len(classes) else f"{index}"
        raise DataError(
            f"{where}: no label is the name of class {wanted}, and {len(strangers)} match no class "
            f"({_some(strangers)}); rename its folder, or give {BY_INDEX}"
        )
    return labels


def match_classes(
    own: Sequence[str], classes: Sequence[str], outputs: int, where: str, used: Collection[int] | None = None
) -> dict[int, int]:
    """Find the network's class of each of a set's own labels, by the rules of `match_class`: label -> class.

    `used` are the labels that images have, by default all: no other needs a class. Raises `DataError` that names the
    labels of which no class, or more than one, is certain.

    >>> match_classes(["dog", "cat"], ["cat", "dog", "cow"], 3, "set")
    {0: 1, 1: 0}
    """
    asked = range(len(own)) if used is None else sorted(used)
    matches = [_network_classes(name, classes) for name in own]
    if not any(matches):
        numbers = _numbers(own, classes, outputs, where)
        return {label: numbers[label] for label in asked}
    for what, bad in (
        ("match no class of the network", [own[label] for label in asked if not matches[label]]),
        ("are names of several classes", [own[label] for label in asked if len(matches[label]) > 1]),
    ):
        if bad:
            raise DataError(
                f"{where}: {len(bad)} of the {len(asked)} labels {what} ({_some(bad)}); rename them or leave them "
                f"out, or give {BY_INDEX}"
            )
    return {label: matches[label][0] for label in asked}


def _network_classes(name: str, classes: Sequence[str]) -> list[int]:
    whole_name = class_matches(name, classes)
    return whole_name or sorted({i for part in name.split(",") for i in class_matches(part, classes)})


def _numbers(own: Sequence[str], classes: Sequence[str], outputs: int, where: str) -> list[int]:
    """The classes of labels whose names are whole numbers, or else of as many as the network has, in order."""
    in_order = len(own) == outputs
    if all(name.isdecimal() for name in own):
        found = [int(name) for name in own]
        if in_order and sorted(found) == list(range(outputs)) != found:
            _refuse_orders(own, where)
        if outputs and (high := max(found)) >= outputs:
            raise DataError(
                f"{where}: the label {high} is no class of the network, which has 0 to {outputs - 1}"
            )
        return found
    if in_order:
        if list(own) == sorted(own) != sorted(own, key=_naturally):
            _refuse_orders(own, where)
        if classes:
            warnings.warn(
                f"{where}: no label is the name of a class of the network, so their order decides: {own[0]!r} is "
                f"taken for {classes[0]!r}; rename the folders, or give {BY_INDEX}, where that is wrong",
                stacklevel=2,
            )
        return list(range(outputs))
    has = f"has {outputs} classes" if outputs else "has no class names"
    raise DataError(
        f"{where}: the {len(own)} label names ({_some(own)}) match no class of the network, which {has}; "
        f"rename the folders, or give {BY_INDEX}"
    )


def _refuse_orders(own: Sequence[str], where: str) -> None:
    """Raise `DataError` for names whose place depends on who sorts them."""
    place, name = next((i, n) for i, n in enumerate(own) if sorted(own, key=_naturally).index(n) != i)
    raise DataError(
        f"{where}: the name {name!r} is class {sorted(own, key=_naturally).index(name)} by number and class {place} in "
        "the order of texts, by which torchvision sorts folders and timm does not; write zeros in front of the "
        f"numbers, give the network its class names, or give {BY_INDEX}"
    )


def _naturally(name: str) -> list[int | str]:
    """How a name is sorted where its numbers count as such: texts and numbers by turns."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))]


def _some(names: Sequence[str], count: int = 3) -> str:
    return ", ".join(map(repr, names[:count])) + (", …" if len(names) > count else "")
