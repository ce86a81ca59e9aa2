"""Words in files: labels.csv, one schema for what any method says of any unit, and two more beside it in a run folder.

labels.csv    one row per unit and method; rows of other units and methods stay
labels.json   the same with all details, and what they were made with
scores.csv    mean scores per method and of the controls, of the last request

The columns of labels.csv, which is read and written by whoever likes:

layer      the unit's layer
unit       the unit as it is written everywhere: layer4:162, class:281
method     the describer's name
label      what it says; empty where it says nothing
candidate  what it would say if it had to
score      the method's own; it tells the candidates of one unit apart
p_value    chance of as good a score for a unit that knows nothing of the candidate; empty where not asked
status     whether the label stands, was taken back, or was not judged
reason     why it does not stand
others     the next best: JSON, a list of [text, score]
evidence   names of the images that were looked at: JSON, a list
seed       the seed
split_seed the seed of the halves of the images, on which it was chosen and judged; empty where it is not known
model      the network
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vital.describing.evaluation import table
from vital.errors import DataError, RunError
from vital.records import Description
from vital.rendering.run_folder import differences, read_run, versions
from vital.rendering.run_schema import SCHEMA, WordsFile, schema_of
from vital.utils.io import (
    as_csv,
    as_json,
    explained,
    locked,
    parse_json,
    path_of,
    read_csv,
    read_json,
    within,
    write,
)
from vital.utils.public import door

LABELS, DETAILS, SCORES = "labels.csv", "labels.json", "scores.csv"
COLUMNS = (
    "layer", "unit", "method", "label", "candidate", "score", "p_value", "status", "reason", "others", "evidence",
    "seed", "split_seed", "model",
)  # fmt: skip
_LISTS = ("others", "evidence")


def _whole(text: str) -> int:
    """Read a whole number, which tables may have written as 3.0."""
    return int(text.removesuffix(".0"))


_NUMBERS: dict[str, Callable[[str], float]] = {
    "score": float,
    "p_value": float,
    "seed": _whole,
    "split_seed": _whole,
}
Row = dict[str, Any]


def rows_of(descriptions: Iterable[Description]) -> list[Row]:
    """Give descriptions as rows: `Description.record` without its details.

    >>> from vital.units import Unit
    >>> rows_of([Description(Unit("fc", 3), "linear", "", 0.5, "dog")])[0]["candidate"]
    'dog'
    """
    return [{column: d.to_dict()[column] for column in COLUMNS} for d in descriptions]


@door
def write_labels(path: str | Path, descriptions: Iterable[Description]) -> None:
    """Write descriptions to a CSV file, whole or not at all; rows of other units or methods that it holds stay.

    A row of the same unit, method and seed is replaced. Raises `RunError`, and `DataError` for a file of another kind.
    """
    path = path_of(path)
    held = read_labels(path) if path.exists() else []
    write(path, as_csv(COLUMNS, _renewed(held, rows_of(descriptions))))


def _renewed(held: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """What is held already and what is new, which takes the place of the same unit's, method's and seed's."""
    return list({(row["unit"], row["method"], row["seed"]): row for row in (*held, *new)}.values())


@door
def read_labels(path: str | Path) -> list[Row]:
    """Read a labels.csv: numbers as numbers, lists as lists, None for nothing. Raises `RunError` and `DataError`."""
    return [_read(row, f"{str(path)!r}, line {line}") for line, row in read_csv(path, needs=COLUMNS)[1]]


def _read(row: Mapping[str, str], where: str) -> Row:
    found: Row = {column: row[column] for column in COLUMNS}
    try:
        for column in _LISTS:
            found[column] = parse_json(found[column] or "[]")
        for column, kind in _NUMBERS.items():
            found[column] = kind(found[column]) if found[column] else None
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: the {column} of {found['unit']} is damaged: {error}") from error
    if odd := [column for column in _LISTS if not isinstance(found[column], list)]:
        raise DataError(f"{where}: the {odd[0]} of {found['unit']} is damaged: it is no list")
    return found


def check_folder(path: Path, model: Mapping[str, Any]) -> None:
    """Raise where words of this network cannot be written to a folder: before long work, not after it.

    Raises `RunError` for a folder of another network, and `DataError` for a labels.csv of another kind.
    """
    for earlier in (read_run(path), read_details(path)):
        found = earlier.get("model")
        changed = differences(found, dict(model), "model") if found else []
        if changed := [change for change in changed if not change.startswith("model.spec ")]:
            raise RunError(
                f"the folder {str(path)!r} belongs to another network: {'; '.join(changed)}; choose another folder"
            )
    if (path / LABELS).exists():
        read_labels(within(path, path / LABELS))


def read_details(path: Path) -> dict[str, Any]:
    """What labels.json holds. Raises `RunError`."""
    file = path / DETAILS
    return read_json(within(path, file), schema_of(WordsFile)) if file.exists() else {}


def save_words(
    path: Path,
    model: Mapping[str, Any],
    request: Mapping[str, Any],
    descriptions: Sequence[Description],
    scores: Sequence[table.Row],
) -> None:
    """Write words to a run folder, every file whole or not at all. Raises as `check_folder` does."""
    with explained(path, "write"):
        path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        check_folder(path, model)
        new = [d.to_dict() | {"class": d.unit.label, "request": dict(request)} for d in descriptions]
        facts = {"schema": SCHEMA, "versions": versions(), "model": dict(model)}
        write(
            path / DETAILS, as_json(facts | {"labels": _renewed(read_details(path).get("labels", []), new)})
        )
        write_labels(path / LABELS, descriptions)
        if scores:
            write(path / SCORES, as_csv(table.COLUMNS, scores))
