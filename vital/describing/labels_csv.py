"""labels.csv: one schema for what any method says of any unit, written by `vital` and read by whoever likes.

layer      the unit's layer
unit       the unit as it is written everywhere: layer4:162, class:281
method     the describer's name
label      what it says; empty where it says nothing
candidate  what it would say if it had to
score      the method's own; it tells the candidates of one unit apart
p_value    chance of as good a score for a unit that knows nothing of the candidate; empty where not asked
others     the next best: JSON, a list of [text, score]
evidence   names of the images that were looked at: JSON, a list
seed       the seed
model      the network
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vital.errors import DataError
from vital.records import Description
from vital.utils.io import as_csv, read_csv, write

COLUMNS = (
    "layer", "unit", "method", "label", "candidate", "score", "p_value", "others", "evidence", "seed", "model",
)  # fmt: skip
NAME = "labels.csv"
_LISTS = ("others", "evidence")
_NUMBERS = {"score": float, "p_value": float, "seed": int}
Row = dict[str, Any]


def rows_of(descriptions: Iterable[Description]) -> list[Row]:
    """Give descriptions as rows: `Description.record` without its details.

    >>> from vital.units import Unit
    >>> rows_of([Description(Unit("fc", 3), "linear", "", 0.5, "dog")])[0]["candidate"]
    'dog'
    """
    return [{column: d.to_dict()[column] for column in COLUMNS} for d in descriptions]


def write_labels(path: str | Path, descriptions: Iterable[Description]) -> None:
    """Write descriptions to a CSV file, whole or not at all; rows of other units or methods that it holds stay.

    A row of the same unit, method and seed is replaced. Raises `RunError`, and `DataError` for a file of another kind.
    """
    path = Path(path)
    held = {_key(row): row for row in read_labels(path)} if path.exists() else {}
    write(path, as_csv(COLUMNS, (held | {_key(row): row for row in rows_of(descriptions)}).values()))


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["unit"], row["method"], row["seed"]


def read_labels(path: str | Path) -> list[Row]:
    """Read a labels.csv: numbers as numbers, lists as lists, None for nothing. Raises `RunError` and `DataError`."""
    return [_read(row, f"{str(path)!r}, line {line}") for line, row in read_csv(path, needs=COLUMNS)[1]]


def _read(row: Mapping[str, str], where: str) -> Row:
    found: Row = {column: row[column] for column in COLUMNS}
    try:
        for column in _LISTS:
            found[column] = json.loads(found[column] or "[]")
        for column, kind in _NUMBERS.items():
            found[column] = kind(found[column]) if found[column] else None
    except ValueError as error:
        raise DataError(f"{where}: the {column} of {found['unit']} is damaged: {error}") from error
    return found
