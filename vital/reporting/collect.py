"""Run folders to what pages show: pictures, exemplars, labels and scores, as they lie there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from vital.describing.evaluation.importers import import_labels
from vital.describing.run_folder import read_details
from vital.errors import RunError
from vital.records import Description
from vital.rendering.run_folder import Render, kept_exemplars, read_run
from vital.rendering.run_folder import Run as Folder
from vital.reporting.addresses import file_name
from vital.reporting.cards import Drawn, UnitData, seen
from vital.reporting.facts import (
    CIRCUIT,
    Link,
    read_circuit,
    read_classes,
    read_failures,
    read_feeders,
    read_histogram,
    read_neighbors,
)
from vital.reporting.findings import FINDINGS, findings_of, tables_of
from vital.reporting.records import NOT_YET, RANDOM, Finding, Run, Table
from vital.units import Unit
from vital.utils.io import check_links, did_you_mean, locked, path_of, resolved, within

Key = tuple[str, str]
"""A unit among several runs: its network, and its text."""

T = TypeVar("T")


class Runs:
    """Run folders side by side: which units they hold, and what they hold of each, which is read when asked for.

    `units` maps the units of all folders, in the order in which they name them, to what is known of them without
    opening their files. Units of the same network in several folders are one, and so are a unit and that of a control:
    the same network with random weights. A folder needs a run.json, a labels.csv,
    or what a comparison or an explanation left there, unless another process is writing it. Raises `RunError` for one
    that has none or is damaged, and `DataError` for a table that cannot be read.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.folders = [path_of(path) for path in paths]
        if not self.folders:
            raise RunError("there is no run to report; give one run folder or more")
        self.names = dict(zip(self.folders, _told_apart(self.folders), strict=True))
        self.facts = [_read(folder) for folder in self.folders]
        self.controls = {
            folder for folder, facts in zip(self.folders, self.facts, strict=True) if is_control(facts)
        }
        self.units: dict[Key, Unit] = {}
        self._pictures: dict[Key, list[Folder]] = {}
        self._words: dict[Key, list[tuple[str, Description]]] = {}
        self._control_words: dict[Key, list[tuple[str, Description]]] = {}
        told = list(zip(self.folders, self.facts, strict=True))
        trained = [(folder, facts) for folder, facts in told if folder not in self.controls]
        for folder, facts in trained:
            self._gather(folder, network_of(folder, facts), facts)
        for folder, facts in told:
            if folder in self.controls:
                own = network_of(folder, facts)
                alike = (network_of(*one) for one in trained if _is_control_of(facts, one[1]))
                for network in dict.fromkeys(alike) or [own]:
                    self._gather(folder, network, facts)
        for key, renders in self._pictures.items():
            self._pictures[key] = _side_by_side(renders, self.controls)

    def _gather(self, folder: Path, network: str, facts: Mapping[str, Any]) -> None:
        """Note what one folder holds of a network, which tells equal units apart where it is known."""
        beside = folder in self.controls and network != network_of(folder, facts)
        words = self._control_words if beside else self._words
        for entry in facts.get("renders", []):
            run = Folder(folder, Render(**{**entry, "units": tuple(entry["units"])}))
            for text in run.render.units:
                unit = Unit.parse(text)
                self.units.setdefault((network, str(unit)), unit)
                self._pictures.setdefault((network, str(unit)), []).append(run)
        if (folder / "labels.csv").is_file():
            names = _class_names(folder)
            for said in import_labels(within(folder, folder / "labels.csv"), "vital"):
                key = (network, str(said.unit))
                unit = self.units.setdefault(key, said.unit)
                if not unit.label and names.get(key[1]):
                    self.units[key] = replace(unit, label=names[key[1]])
                words.setdefault(key, []).append((self.names[folder], said))

    @property
    def title(self) -> str:
        """The names of the networks, without those of controls beside them; where one is not known, of the folder."""
        networks = {network for network, _ in self.units}
        told = [
            (self.names[folder], title_of(facts.get("model") or {}), network_of(folder, facts))
            for folder, facts in zip(self.folders, self.facts, strict=True)
        ]
        shown = [one for one in told if one[2] in networks] or told
        return " and ".join(dict.fromkeys(title or name for name, title, _ in shown))

    def about(self) -> tuple[Run, ...]:
        """What is known of each folder."""
        told = zip(self.folders, self.facts, strict=True)
        return tuple(_run(self.names[folder], facts) for folder, facts in told)

    def tables(self) -> tuple[Table, ...]:
        """The tables of scores of all folders."""
        return tuple(table for folder in self.folders for table in tables_of(folder, self.names[folder]))

    def findings(self) -> tuple[Finding, ...]:
        """What the folders hold beyond single units: comparisons, circuits, explanations, served classes."""
        return tuple(found for folder in self.folders for found in findings_of(folder, self.names[folder]))

    def in_use(self) -> bool:
        """Whether another process is writing one of the folders."""
        return any(map(_in_use, self.folders))

    def renders(self, key: Key) -> Sequence[Folder]:
        """The requests for pictures of a unit."""
        return self._pictures.get(key, ())

    def control_of(self, folder: Path) -> str:
        """What is said of the pictures and words of a folder that is a control; "" of another."""
        return RANDOM if folder in self.controls else ""

    def folders_of(self, key: Key) -> list[Path]:
        """The folders that hold anything of a unit, without those of its controls."""
        network, _ = key
        found = [run.path for run in self.renders(key) if self._own(run.path, network)]
        return [
            folder
            for folder, facts in zip(self.folders, self.facts, strict=True)
            if folder in found or (not found and network_of(folder, facts) == network)
        ]

    def _own(self, folder: Path, network: str) -> bool:
        """Whether a folder is of a network, not of a control that stands beside it."""
        return network_of(folder, self.facts[self.folders.index(folder)]) == network

    def words(self, key: Key) -> Sequence[tuple[str, Description]]:
        """What is said of a unit, each with the name of the folder that says so."""
        return self._words.get(key, ())

    @cached_property
    def _circuits(self) -> dict[Path, dict[str, list[Link]]]:
        """What feeds which unit, by run folder; nothing for one whose circuit.json is missing or damaged."""
        found: dict[Path, dict[str, list[Link]]] = {folder: {} for folder in self.folders}
        for folder in self.folders:
            with suppress(RunError):
                found[folder] = read_circuit(folder / CIRCUIT) if (folder / CIRCUIT).is_file() else {}
        return found

    @cached_property
    def _failures(self) -> dict[Path, list[tuple[str, str, str]]]:
        """The units without words by run folder; nothing for one where that cannot be read."""
        found: dict[Path, list[tuple[str, str, str]]] = {folder: [] for folder in self.folders}
        for folder in self.folders:
            with suppress(RunError):
                found[folder] = read_failures(folder)
        return found

    def failures(self) -> tuple[str, ...]:
        """How many units have no words by a method, and why, a line for each reason."""
        counts = Counter((method, why) for rows in self._failures.values() for _, method, why in rows)
        return tuple(
            f"{count} unit{'' if count == 1 else 's'} without words by {method}: {why}"
            for (method, why), count in counts.items()
        )

    def data(self, key: Key) -> UnitData:
        """Read what all folders hold of a unit; what is damaged becomes a fault, and the rest is there."""
        read, unit, text = _Reader(), self.units[key], key[1]
        folders, renders = self.folders_of(key), self.renders(key)
        drawn = [
            read(read_drawn, run, unit, stem, self.names[run.path], self.control_of(run.path))
            for run, stem in zip(renders, stems(renders), strict=True)
        ]
        saved = read.first(kept_exemplars, folders, unit) or []
        by, neighbors = read.first(read_neighbors, folders, unit) or ("", [])
        feeders = (read(read_feeders, folder, unit, self._circuits[folder]) for folder in folders)
        made = UnitData(
            unit=unit,
            network=key[0],
            drawn=[one for one in drawn if one is not None],
            seen=[seen(one) for one in saved],
            said=list(self.words(key)),
            said_of_control=list(self._control_words.get(key, ())),
            histogram=read.first(read_histogram, folders, text),
            compared_by=by,
            neighbors=neighbors,
            feeders=next(filter(None, feeders), []),
            classes=read.first(read_classes, folders, text) or [],
            lacking=[
                f"no words by {method}: {why}"
                for folder in folders
                for name, method, why in self._failures[folder]
                if name == text
            ],
        )
        made.faults = read.faults
        return made


class _Reader:
    """Reads files, and keeps what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[RunError] = []

    def __call__(self, what: Callable[..., T], *given: Any) -> T | None:
        try:
            return what(*given)
        except RunError as error:
            self.faults.append(error)
            return None

    def first(self, what: Callable[..., T], folders: Sequence[Path], *given: Any) -> T | None:
        """What the first folder holds that holds anything."""
        found = (self(what, folder, *given) for folder in folders)
        return next((one for one in found if one and one != ("", [])), None)


def stems(renders: Sequence[Folder]) -> list[str]:
    """How the files of a unit's prototypes are called: by method and seed, and by run where two are alike."""
    found: list[str] = []
    for run in renders:
        stem = f"{file_name(run.render.method)}-{run.render.seed}"
        if stem in found:
            stem = f"{stem}.{file_name(resolved(run.path).name)}"
        found.append(stem if stem not in found else f"{stem}.{len(found)}")
    return found


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: pictures or words."""
    return any((folder / name).is_file() for name in ("run.json", "labels.csv"))


def _read(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"there is no run folder {str(folder)!r}{did_you_mean(folder)}")
    check_links(folder)
    try:
        facts = read_run(folder)
    except RunError:
        if (folder / "run.json").is_file() or not _in_use(folder):
            raise
        facts = {}
    if not facts and (folder / "labels.json").is_file():
        facts = {"model": read_details(folder).get("model") or {}}
    if not (is_run(folder) or any((folder / name).is_file() for name in FINDINGS) or _in_use(folder)):
        raise RunError(f"{str(folder)!r} is no run folder: it holds neither run.json nor labels.csv")
    return facts


def _in_use(folder: Path) -> bool:
    """Whether another process is writing a folder; asked only where something lacks, since asking holds it shortly."""
    if not (folder / ".lock").is_file():
        return False
    try:
        with locked(folder):
            return False
    except RunError:
        return True


def _class_names(folder: Path) -> dict[str, str]:
    """The names of classes among the units that words are of, where labels.json tells them."""
    rows: Iterable[Mapping[str, Any]] = read_details(folder).get("labels") or ()
    return {str(row["unit"]): str(row["class"]) for row in rows if row.get("class")}


def name_of(model: Mapping[str, Any]) -> str:
    """The name of a network on a page that others read, which need not say where files lie on this machine.

    >>> name_of({"spec": "/home/me/nets/own.py:build"}), name_of({"spec": "hf:~/own", "weights": "random"})
    ('own.py:build', 'hf:own')
    """
    parts = str(model.get("spec") or model.get("name") or "").split(":")
    name = ":".join(Path(part).name if part.startswith(("/", "~", ".")) else part for part in parts)
    return name.removesuffix(f", {RANDOM}")


def title_of(model: Mapping[str, Any]) -> str:
    """The name of a network, and whether its weights are random.

    >>> title_of({"spec": "hf:~/own", "weights": "random"})
    'hf:own, random weights'
    """
    name = name_of(model)
    return f"{name}, {RANDOM}" if name and is_control({"model": model}) else name


def heading_of(network: str, count: int) -> str:
    """What a page is called: the network, and how many units of it are shown.

    >>> heading_of("world", 8), heading_of("world", 1), heading_of("world", 0)
    ('world: 8 units', 'world: 1 unit', 'world')
    """
    return f"{network}: {count:,} unit{'' if count == 1 else 's'}" if count else network


def is_control(facts: Mapping[str, Any]) -> bool:
    """Whether a run is of a network with random weights."""
    return (facts.get("model") or {}).get("weights") == "random"


def _is_control_of(control: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether two networks have the name and the code in common."""
    one, other = ({"name": "", "code": "", **(told.get("model") or {})} for told in (control, facts))
    name = str(one["name"]).removesuffix(f", {RANDOM}")
    return bool(name) and name == str(other["name"]) and one["code"] == other["code"]


def _side_by_side(renders: Sequence[Folder], controls: Collection[Path]) -> list[Folder]:
    """Requests in order, each before those of the same method and seed in controls."""
    own = [run for run in renders if run.path not in controls]
    ways = [(run.render.method, run.render.seed) for run in own]
    rest = [run for run in renders if run.path in controls]
    found: list[Folder] = []
    for i, run in enumerate(own):
        found.append(run)
        if ways[i] not in ways[i + 1 :]:
            found += [one for one in rest if (one.render.method, one.render.seed) == ways[i]]
    return [*found, *(run for run in rest if run not in found)]


def network_of(folder: Path, facts: Mapping[str, Any]) -> str:
    """What tells the networks of runs apart: the hash of the weights, or the folder where nobody knows it."""
    return str(facts.get("model", {}).get("weights_hash") or folder)


def read_drawn(run: Folder, unit: Unit, stem: str = "", name: str = "", control: str = "") -> Drawn:
    """A prototype of a folder; one that is not there yet is a status. Raises `RunError`."""
    if not run.file(unit, ".json").is_file():
        record = {"method": run.render.method, "seed": run.render.seed, "status": NOT_YET}
        return Drawn(record, run=name, stem=stem, control=control)
    picture, masked, frames = (run.file(unit, ending) for ending in (".png", "-mask.png", ".gif"))
    return Drawn(
        {"method": run.render.method, "seed": run.render.seed, **run.to_dict(unit)},
        partial(run.picture, unit) if picture.is_file() else None,
        partial(run.picture, unit, masked=True) if masked.is_file() else None,
        run=name,
        stem=stem,
        frames=frames if frames.is_file() else None,
        control=control,
    )


def _told_apart(folders: Sequence[Path]) -> list[str]:
    """The names of folders, each with the folder that it lies in where two are called the same."""
    places = [resolved(folder) for folder in folders]
    times = Counter(place.name for place in dict.fromkeys(places))
    return [
        f"{place.parent.name}/{place.name}" if times[place.name] > 1 and place.parent.name else place.name
        for place in places
    ]


def natural_order(text: str) -> list[tuple[int, str]]:
    """What texts are sorted by in which numbers count as numbers: layer4:9 comes before layer4:10."""
    parts = re.split(r"(\d{1,18})", text)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]


def _run(name: str, facts: Mapping[str, Any]) -> Run:
    """The facts of a folder by heading: network, weights, versions, what was rendered."""
    model, versions = facts.get("model", {}), facts.get("versions", {})
    shown = {
        "network": name_of(model),
        "weights": f"{model.get('weights') or ''} {str(model.get('weights_hash') or '')[:12]}".strip(),
        "input": " × ".join(map(str, model.get("size", []))),
        "computed on": f"{model.get('device', '')}, {model.get('dtype', '')}".strip(", "),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    for entry in facts.get("renders", []):
        shown[f"{entry['method']}, seed {entry['seed']}"] = _request(entry)
    return Run(
        name, RANDOM if is_control(facts) else "", {key: value for key, value in shown.items() if value}
    )


def _request(entry: Mapping[str, Any]) -> str:
    """One render in words: how many units, from what, with which options; those that are not set are left out."""
    images = entry.get("images")
    source = f" from {images['count']} images ({str(images['hash'])[:8]})" if images else ""
    options = (f"{name} {value}" for name, value in entry.get("options", {}).items() if value is not None)
    count = len(entry["units"])
    return f"{count} unit{'' if count == 1 else 's'}{source}; {', '.join(options)}"
