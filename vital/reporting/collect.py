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
from vital.describing.run_folder import read_details
from vital.errors import RunError
from vital.records import Description
from vital.rendering.run_folder import Render, kept_exemplars, read_run
from vital.rendering.run_folder import Run as Folder
from vital.reporting.cards import Drawn, UnitData, card, seen
from vital.reporting.images import Sizes
from vital.reporting.records import Page, Run, Table
from vital.units import Unit
from vital.utils.io import csv_lines, read_text, within

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
    runs = Runs(paths)
    found = [runs.data(key) for key in runs.units]
    found.sort(key=lambda one: natural_order(str(one.unit)))
    sizes = Sizes.of(len(found))
    bar = tqdm(found, desc="cards", unit="unit", disable=not progress, leave=False)
    return Page(
        title=title or runs.title,
        runs=runs.about(),
        cards=tuple(card(one, sizes, encoder) for one in bar),
        tables=runs.tables(),
    )


NOT_YET = "not rendered yet"
"""The status of a picture that is asked for and not there."""

Key = tuple[str, str]
"""A unit among several runs: its network, and its text."""


class Runs:
    """Run folders side by side: which units they hold, and what they hold of each, which is read when asked for.

    `units` maps the units of all folders, in the order in which they name them, to what is known of them without
    opening their files. Units of the same network in several folders are one. Raises as `page_of` does.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.folders = [Path(path) for path in paths]
        if not self.folders:
            raise RunError("there is no run to report; give one run folder or more")
        self.facts = [_read(folder) for folder in self.folders]
        self.units: dict[Key, Unit] = {}
        self._pictures: dict[Key, list[Folder]] = {}
        self._words: dict[Key, list[tuple[str, Description]]] = {}
        for folder, facts in zip(self.folders, self.facts, strict=True):
            self._gather(folder, facts)

    def _gather(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Note what one folder holds; the network, where it is known, tells equal units apart."""
        network = network_of(folder, facts)
        for entry in facts.get("renders", []):
            run = Folder(folder, Render(**{**entry, "units": tuple(entry["units"])}))
            for text in run.render.units:
                unit = Unit.parse(text)
                self.units.setdefault((network, str(unit)), unit)
                self._pictures.setdefault((network, str(unit)), []).append(run)
        if (folder / "labels.csv").is_file():
            for said in import_labels(within(folder, folder / "labels.csv"), "vital"):
                key = (network, str(said.unit))
                self.units.setdefault(key, said.unit)
                self._words.setdefault(key, []).append((_name(folder), said))

    @property
    def title(self) -> str:
        """The names of the folders."""
        return " and ".join(dict.fromkeys(map(_name, self.folders)))

    def about(self) -> tuple[Run, ...]:
        """What is known of each folder."""
        return tuple(_run(folder, facts) for folder, facts in zip(self.folders, self.facts, strict=True))

    def tables(self) -> tuple[Table, ...]:
        """The tables of scores of all folders."""
        return tuple(table for folder in self.folders for table in _tables(folder))

    def renders(self, key: Key) -> Sequence[Folder]:
        """The requests for pictures of a unit."""
        return self._pictures.get(key, ())

    def folders_of(self, key: Key) -> list[Path]:
        """The folders that hold anything of a unit."""
        found = [run.path for run in self.renders(key)]
        network, _ = key
        return [
            folder
            for folder, facts in zip(self.folders, self.facts, strict=True)
            if folder in found or (not found and network_of(folder, facts) == network)
        ]

    def words(self, key: Key) -> Sequence[tuple[str, Description]]:
        """What is said of a unit, each with the name of the folder that says so."""
        return self._words.get(key, ())

    def data(self, key: Key) -> UnitData:
        """Read what all folders hold of a unit. Raises `RunError`."""
        renders, words = self.renders(key), self.words(key)
        drawn = [read_drawn(run, self.units[key]) for run in renders]
        saved = (kept_exemplars(folder, self.units[key]) for folder in self.folders_of(key))
        label = next((str(d.record["label"]) for d in drawn if d.record.get("label")), "")
        return UnitData(
            replace(self.units[key], label=self.units[key].label or label),
            _name(renders[0].path) if renders else words[0][0],
            drawn,
            [seen(one) for one in next(filter(None, saved), [])],
            [said for _, said in words],
        )


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: pictures or words."""
    return any((folder / name).is_file() for name in ("run.json", "labels.csv"))


def _read(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"there is no run folder {str(folder)!r}")
    facts = read_run(folder)
    if not facts and (folder / "labels.json").is_file():
        facts = {"model": read_details(folder).get("model") or {}}
    if not is_run(folder):
        raise RunError(f"{str(folder)!r} is no run folder: it holds neither run.json nor labels.csv")
    return facts


def network_of(folder: Path, facts: Mapping[str, Any]) -> str:
    """What tells the networks of runs apart: the hash of the weights, or the folder where nobody knows it."""
    return str(facts.get("model", {}).get("weights_hash") or folder)


def read_drawn(run: Folder, unit: Unit) -> Drawn:
    """A prototype of a folder; one that is not there yet is a status."""
    if not run.file(unit, ".json").is_file():
        record = {"method": run.render.method, "seed": run.render.seed, "status": NOT_YET}
        return Drawn(record)
    pictures = (
        partial(run.picture, unit, masked=masked) if run.file(unit, ending).is_file() else None
        for masked, ending in ((False, ".png"), (True, "-mask.png"))
    )
    return Drawn(run.to_dict(unit), *pictures)


def _name(folder: Path) -> str:
    return folder.resolve().name


def natural_order(text: str) -> list[tuple[int, str]]:
    """What texts are sorted by in which numbers count as numbers: layer4:9 comes before layer4:10."""
    parts = re.split(r"(\d{1,18})", text)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]


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
    return [
        table
        for name in SCORES
        if (folder / name).is_file()
        for table in _table(within(folder, folder / name))
    ]


def _table(file: Path) -> list[Table]:
    """The table that a file holds; none where it is empty."""
    rows = [row for _, row in csv_lines(read_text(file), repr(str(file)))]
    return [table_of(f"{_name(file.parent)}/{file.name}", rows[0], rows[1:])] if rows else []


def table_of(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts; rows that name a control (`CONTROLS`) are marked. Long ones are cut."""
    controls = frozenset(i for i, row in enumerate(rows) if CONTROLS & set(row))
    shown = name if len(rows) <= TABLE_ROWS else f"{name}: the first {TABLE_ROWS} of {len(rows)} rows"
    return Table(shown, tuple(header), tuple(map(tuple, rows[:TABLE_ROWS])), controls)
