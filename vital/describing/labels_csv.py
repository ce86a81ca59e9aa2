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

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vital.errors import DataError
from vital.records import Description
from vital.utils.io import explained, write

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


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> bytes:
    r"""Encode rows as CSV: lists as JSON, nothing for None, lines that end in a newline.

    >>> as_csv([{"unit": "fc:1", "p_value": None, "others": [["a cat", 0.5]]}], ["unit", "p_value", "others"])
    b'unit,p_value,others\nfc:1,,"[[""a cat"", 0.5]]"\n'
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(row[column]) for column in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


def write_labels(path: str | Path, descriptions: Iterable[Description]) -> None:
    """Write descriptions to a CSV file, whole or not at all; rows of other units or methods that it holds stay.

    A row of the same unit, method and seed is replaced. Raises `RunError`, and `DataError` for a file of another kind.
    """
    path = Path(path)
    held = {_key(row): row for row in read_labels(path)} if path.exists() else {}
    write(path, as_csv((held | {_key(row): row for row in rows_of(descriptions)}).values()))


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["unit"], row["method"], row["seed"]


def read_labels(path: str | Path) -> list[Row]:
    """Read a labels.csv: numbers as numbers, lists as lists, None for nothing. Raises `RunError` and `DataError`."""
    try:
        with explained(path, "read"), Path(path).open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns, rows = table.fieldnames or (), list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{str(path)!r} is no labels.csv: {error}") from error
    if lacking := [column for column in COLUMNS if column not in columns]:
        raise DataError(f"{str(path)!r} is no labels.csv: it lacks the column {', '.join(lacking)}")
    return [_read(row, path) for row in rows]


def _read(row: Mapping[str, str | None], path: str | Path) -> Row:
    found: Row = {column: row[column] or "" for column in COLUMNS}
    try:
        for column in _LISTS:
            found[column] = json.loads(found[column] or "[]")
        for column, kind in _NUMBERS.items():
            found[column] = kind(found[column]) if found[column] else None
    except ValueError as error:
        raise DataError(f"{str(path)!r} is damaged: {error} in the row of {found['unit']}") from error
    return found
