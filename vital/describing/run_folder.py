"""Words in a run folder: labels.csv, scores.csv and labels.json beside whatever it holds already.

labels.csv    one row per unit and method (`vital.describing.labels_csv`); rows of other units and methods stay
labels.json   the same with all details, and what they were made with
scores.csv    mean scores per method and of the controls, of the last request
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vital.describing.evaluation.table import COLUMNS, Row
from vital.describing.labels_csv import NAME, read_labels, write_labels
from vital.errors import RunError
from vital.records import Description
from vital.rendering.run_folder import SCHEMA, differences, read_run, versions
from vital.utils.io import as_csv, as_json, explained, locked, read_json, write

DETAILS, SCORES = "labels.json", "scores.csv"


def check_folder(path: Path, model: Mapping[str, Any]) -> None:
    """Raise where words of this network cannot be written to a folder: before long work, not after it.

    Raises `RunError` for a folder of another network, and `DataError` for a labels.csv of another kind.
    """
    for earlier in (read_run(path), read_json(path / DETAILS) if (path / DETAILS).exists() else {}):
        found = earlier.get("model")
        changed = differences(found, dict(model), "model") if found else []
        if changed := [change for change in changed if not change.startswith("model.spec ")]:
            raise RunError(
                f"the folder {str(path)!r} belongs to another network: {'; '.join(changed)}; choose another folder"
            )
    if (path / NAME).exists():
        read_labels(path / NAME)


def save_words(
    path: Path,
    model: Mapping[str, Any],
    request: Mapping[str, Any],
    descriptions: Sequence[Description],
    scores: Sequence[Row],
) -> None:
    """Write words to a run folder, every file whole or not at all. Raises as `check_folder` does."""
    with explained(path, "write"):
        path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        check_folder(path, model)
        earlier = read_json(path / DETAILS).get("labels", []) if (path / DETAILS).exists() else []
        records = {_key(record): record for record in earlier}
        records |= {
            _key(record): record
            for record in (d.to_dict() | {"request": dict(request)} for d in descriptions)
        }
        facts = {"schema": SCHEMA, "versions": versions(), "model": dict(model)}
        write(path / DETAILS, as_json(facts | {"labels": list(records.values())}))
        write_labels(path / NAME, descriptions)
        if scores:
            write(path / SCORES, as_csv(COLUMNS, scores))


def _key(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return record["unit"], record["method"], record["seed"]
