"""Run folders to the records of a page: pictures, exemplars, labels and scores, as they lie there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vital.backends import TextEncoder
from vital.describing.evaluation.importers import import_labels
from vital.errors import RunError
from vital.rendering.run_folder import Render, kept_exemplars, read_run
from vital.rendering.run_folder import Run as Folder
from vital.reporting.cards import Drawn, UnitData, card, seen
from vital.reporting.images import Sizes
from vital.reporting.records import Page, Run, Table
from vital.units import Unit
from vital.utils.io import csv_lines, read_text

CONTROLS = frozenset(("constant word", "shuffled units", "random weights", "next name", "control"))
"""What rows of tables are called that know nothing of the units."""

SCORES = ("scores.csv", "names.csv")
"""The tables of a run folder that a page shows."""

TABLE_ROWS = 200
"""How many rows of a table of scores a page shows."""


def page_of(
    paths: Sequence[str | Path],
    title: str | None = None,
    *,
    encoder: TextEncoder | None = None,
    progress: bool = False,
) -> Page:
    """Read run folders into one page; units of the same network in several folders share a card.

    `encoder` says how far labels agree; without one the words in common do.

    A folder needs a run.json or a labels.csv. Raises `RunError` for one that has neither or is damaged, and
    `DataError` for a table that cannot be read.
    """
    folders = [Path(path) for path in paths]
    if not folders:
        raise RunError("there is no run to report; give one run folder or more")
    notes = [_read(folder) for folder in folders]
    found: dict[tuple[str, str], UnitData] = {}
    for folder, facts in zip(folders, notes, strict=True):
        _gather(folder, facts, found)
    every = sorted(found.values(), key=lambda one: _natural(str(one.unit)))
    sizes = Sizes.of(len(every))
    bar = tqdm(every, desc="cards", unit="unit", disable=not progress, leave=False)
    return Page(
        title=title or " and ".join(dict.fromkeys(_name(folder) for folder in folders)),
        runs=tuple(_run(folder, facts) for folder, facts in zip(folders, notes, strict=True)),
        cards=tuple(card(one, sizes, encoder) for one in bar),
        tables=tuple(table for folder in folders for table in _tables(folder)),
    )


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: pictures or words."""
    return any((folder / name).is_file() for name in ("run.json", "labels.csv"))


def _read(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"there is no run folder {str(folder)!r}")
    facts = read_run(folder)
    if not is_run(folder):
        raise RunError(f"{str(folder)!r} is no run folder: it holds neither run.json nor labels.csv")
    return facts


def _gather(folder: Path, facts: Mapping[str, Any], found: dict[tuple[str, str], UnitData]) -> None:
    """Add what one folder holds to what was found; the network, where it is known, tells equal units apart."""
    network = str(facts.get("model", {}).get("weights_hash") or folder)

    def of(unit: Unit) -> UnitData:
        return found.setdefault((network, str(unit)), UnitData(unit, _name(folder)))

    for entry in facts.get("renders", []):
        run = Folder(folder, Render(**{**entry, "units": tuple(entry["units"])}))
        for text in run.render.units:
            unit = Unit.parse(text)
            one = of(unit)
            one.drawn.append(_drawn(run, unit))
            one.unit = replace(unit, label=one.unit.label or str(one.drawn[-1].record.get("label") or ""))
            if not one.seen:
                one.seen += [seen(kept) for kept in kept_exemplars(folder, unit)]
    if (folder / "labels.csv").is_file():
        for said in import_labels(folder / "labels.csv", "vital"):
            of(said.unit).said.append(said)


def _drawn(run: Folder, unit: Unit) -> Drawn:
    """A prototype of a folder; one that is not there yet is a status."""
    if not run.file(unit, ".json").is_file():
        record = {"method": run.render.method, "seed": run.render.seed, "status": "not rendered yet"}
        return Drawn(record)
    pictures = (
        partial(run.picture, unit, masked=masked) if run.file(unit, ending).is_file() else None
        for masked, ending in ((False, ".png"), (True, "-mask.png"))
    )
    return Drawn(run.to_dict(unit), *pictures)


def _name(folder: Path) -> str:
    return folder.resolve().name


def _natural(text: str) -> list[tuple[int, str]]:
    """Numbers in a text count as numbers: layer4:9 comes before layer4:10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _run(folder: Path, facts: Mapping[str, Any]) -> Run:
    """The facts of a folder by heading: network, weights, versions, what was rendered."""
    model, versions = facts.get("model", {}), facts.get("versions", {})
    shown = {
        "network": model.get("name") or "",
        "weights": f"{model.get('weights') or ''} {str(model.get('weights_hash') or '')[:12]}".strip(),
        "input": " × ".join(map(str, model.get("size", []))),
        "computed on": f"{model.get('device', '')}, {model.get('dtype', '')}".strip(", "),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    for entry in facts.get("renders", []):
        shown[f"{entry['method']}, seed {entry['seed']}"] = _request(entry)
    control = "random weights" if model.get("weights") == "random" else ""
    return Run(_name(folder), control, {key: value for key, value in shown.items() if value})


def _request(entry: Mapping[str, Any]) -> str:
    """One render in words: how many units, from what, with which options."""
    images = entry.get("images")
    source = f" from {images['count']} images ({str(images['hash'])[:8]})" if images else ""
    options = ", ".join(f"{name}={value}" for name, value in entry.get("options", {}).items())
    return f"{len(entry['units'])} units{source}; {options}"


def _tables(folder: Path) -> list[Table]:
    """The tables of scores that a folder holds."""
    return [table for name in SCORES if (folder / name).is_file() for table in _table(folder / name)]


def _table(file: Path) -> list[Table]:
    """The table that a file holds; none where it is empty."""
    rows = [row for _, row in csv_lines(read_text(file), repr(str(file)))]
    return [table_of(f"{_name(file.parent)}/{file.name}", rows[0], rows[1:])] if rows else []


def table_of(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts; rows that name a control (`CONTROLS`) are marked. Long ones are cut."""
    controls = frozenset(i for i, row in enumerate(rows) if CONTROLS & set(row))
    shown = name if len(rows) <= TABLE_ROWS else f"{name}: the first {TABLE_ROWS} of {len(rows)} rows"
    return Table(shown, tuple(header), tuple(map(tuple, rows[:TABLE_ROWS])), controls)
