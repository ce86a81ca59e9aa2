"""Writes a site, and writes it again where its runs have changed: unit by unit, each file whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vital.errors import InvalidValueError, RunError
from vital.reporting.collect import Key, Runs, is_run
from vital.reporting.site.layout import Layout
from vital.reporting.site.pictures import put, write_pictures
from vital.reporting.site.plan import Plan, content_of, files_of, stamp_of
from vital.reporting.site.records import record_of
from vital.reporting.views import Around, view_of
from vital.utils.hashing import sha256
from vital.utils.io import as_json, explained, locked, path_of, read_json, resolved
from vital.utils.progress import Progress
from vital.utils.public import public

FORMAT = 1
MARK, RECORD, UNITS, STAMPS = "site.json", "unit.json", "units.json", ".stamps.json"
AHEAD = 32
"""How many units are worked on or wait for a worker at once."""
SHOW_SECONDS = 30.0
"""How often the index is written while units are, so that a site can be looked at before it is done."""


@dataclass(frozen=True)
class Site:
    """A site as it was written: its folder, how many units it shows, and how many of them were written anew."""

    path: Path
    units: int
    written: int
    removed: int = 0

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.path / "index.html"


@public
def write_site(
    folder: str | Path, *runs: str | Path, title: str | None = None, about: str = "", progress: bool = False
) -> Site:
    """Write a static site with a page for every unit of some run folders.

    It needs no server, no network and no other file. Written again, it holds what the runs hold then, and only the
    pages of units of which something has changed are made anew, so that a site can be written while its runs grow. The
    links of units stay. Units of the same network in several runs share a page.

    Parameters
    ----------
    folder
        Where the site goes: a new or empty folder, or one that holds a site.
    runs
        Run folders; those of one network first whose links are to be without a hash.
    title
        The heading; by default the networks.
    about
        What stands below the heading: what the site shows.
    progress
        Whether to show a bar.

    Returns
    -------
    Site
        What was written.

    Raises
    ------
    RunError, InvalidValueError
        For a run folder that cannot be read, and a folder that cannot be written or holds something else.

    Examples
    --------
    >>> import tempfile, vital
    >>> from vital.records import Description
    >>> from vital.describing.run_folder import write_labels
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_labels(Path(folder) / "run" / "labels.csv", [Description(vital.Unit("fc", 3), "dnd", "a cat", 0.5)])
    ...     site = vital.write_site(Path(folder) / "site", Path(folder) / "run")
    ...     site.units, (site.path / "units" / "fc" / "3" / "index.html").is_file()
    (1, True)

    """
    folder = path_of(folder)
    earlier = _checked(folder, [resolved(path_of(run)) for run in runs])
    found = Runs(runs)
    plan = Plan(found, str(earlier.get("network", "")))
    with explained(folder, "write"):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        return _Writing(folder, plan, title or found.title, about).run(progress)


def is_site(folder: Path) -> bool:
    """Whether a folder holds a site."""
    return (folder / MARK).is_file() and (folder / "index.html").is_file()


def _checked(folder: Path, runs: Sequence[Path]) -> dict[str, Any]:
    """What is known of the site in a folder; nothing for a new one.

    Raises where the folder holds something else than the runs that are shown.
    """
    if (folder / MARK).is_file():
        found = read_json(folder / MARK)
        if found.get("site") != FORMAT:
            raise RunError(
                f"{str(folder / MARK)!r} is of another version; choose another folder for the site"
            )
        return found
    if is_run(folder):
        raise InvalidValueError(
            f"{str(folder)!r} is a run folder; give another, such as {str(folder / 'site')!r}"
        )
    with explained(folder, "read"):
        if folder.exists() and any(
            not entry.name.startswith(".") and resolved(entry) not in runs for entry in folder.iterdir()
        ):
            raise InvalidValueError(
                f"{str(folder)!r} holds something that is no site; give a new or empty folder"
            )
    return {}


class _Writing:
    """One writing of a site."""

    def __init__(self, folder: Path, plan: Plan, title: str, about: str = "") -> None:
        self.folder, self.plan = folder, plan
        self.layout = Layout(folder, plan, title, about)
        self.rows: dict[Key, list[Any]] = {}
        self.stamps: dict[str, list[str]] = {}
        self.inputs: dict[str, str] = {}
        self.written = 0
        self.earlier: dict[str, Any] = {}
        with suppress(RunError):
            self.earlier = read_json(folder / STAMPS) if (folder / STAMPS).is_file() else {}

    def run(self, progress: bool) -> Site:
        """Write everything; the index comes first with what is there, then from time to time, and last."""
        mark = {"site": FORMAT, "network": self.plan.main, "title": self.layout.title}
        put(self.folder / MARK, as_json(mark))
        self.layout.write_assets()
        self.layout.write_sheets()
        self._write_index()
        shown = time.monotonic()
        with Progress("site", len(self.plan.keys), "unit", shown=progress) as bar:
            for key, row, is_new in bar.each(self._units()):
                self.rows[key] = row
                self.written += is_new
                if time.monotonic() - shown > SHOW_SECONDS:
                    self._write_index()
                    shown = time.monotonic()
        removed = self._remove_others()
        self._write_index()
        self.stamps[UNITS] = [sha256(repr(sorted(self.inputs.items())))]
        fresh = self.stamps[UNITS] == self.earlier.get(UNITS)  # or a stopped writing has left them behind
        if self.written or removed or not fresh or not (self.folder / UNITS).is_file():
            self.layout.write_downloads([self._folder(key) / RECORD for key in self.plan.keys])
        put(self.folder / STAMPS, as_json(self.stamps))
        return Site(self.folder, len(self.plan.keys), self.written, removed)

    def _folder(self, key: Key) -> Path:
        return self.folder / self.plan.address(key).folder

    def _units(self) -> Iterator[tuple[Key, list[Any], bool]]:
        """Write the units, some at once, and give their rows of the index in order."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            waiting: deque[tuple[Key, Future[tuple[list[Any], bool]]]] = deque()
            try:
                for key, around in self.plan.around():
                    waiting.append((key, pool.submit(self._unit, key, around)))
                    if len(waiting) >= AHEAD:
                        first, work = waiting.popleft()
                        yield first, *work.result()
                for first, work in waiting:
                    yield first, *work.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _unit(self, key: Key, around: Around) -> tuple[list[Any], bool]:
        """Write a unit where something of it has changed: its row of the index, and whether it was written."""
        view = view_of(self.plan.runs.data(key), self.plan.address(key), around)
        seen = json.dumps([asdict(view), self.layout.several_runs], sort_keys=True)
        inputs = sha256([self.layout.version, seen, self._content(key)])[:32]
        folder = self._folder(key)
        self.inputs[self.plan.address(key).folder] = inputs
        with suppress(RunError):
            record = read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
            if record.get("inputs") == inputs:
                return self.layout.row(record), False
        (folder / RECORD).unlink(missing_ok=True)
        runs = self.plan.runs
        done = write_pictures(view, runs.renders(key), runs.folders_of(key), folder)
        put(folder / "index.html", self.layout.unit_page(view, done))
        _clean(folder, {*done.files, "index.html"})
        record = record_of(view, done) | {"inputs": inputs}
        put(folder / RECORD, as_json(record))
        return self.layout.row(record), True

    def _content(self, key: Key) -> str:
        """The hash of what run folders hold of a unit, as it was where no file has changed since."""
        name = self.plan.address(key).folder
        files = files_of(self.plan.runs, key)
        stamp = stamp_of(files)
        known = self.earlier.get(name)
        content = known[1] if known and known[0] == stamp else content_of(files)
        self.stamps[name] = [stamp, content]
        return str(content)

    def _write_index(self) -> None:
        """Write the index of what is there, which may be the work of an earlier time."""
        for key in self.plan.keys:
            file = self._folder(key) / RECORD
            if key not in self.rows and file.is_file():
                with suppress(RunError, KeyError, TypeError):
                    self.rows[key] = self.layout.row(read_json(file))
        self.layout.write_index(self.rows)

    def _remove_others(self) -> int:
        """Remove the pages of units that no run holds any more."""
        kept = {self._folder(key) for key in self.plan.keys}
        gone = [file.parent for file in self.folder.glob("units*/*/*/index.html") if file.parent not in kept]
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
        layers = {folder.parent for folder in kept}
        for layer in {folder.parent for folder in gone} - layers:
            shutil.rmtree(layer, ignore_errors=True)
        return len(gone)


def _clean(folder: Path, kept: set[str]) -> None:
    """Remove the files of an earlier time."""
    for entry in os.scandir(folder):
        if entry.is_file() and entry.name not in kept and not entry.name.startswith("."):
            Path(entry.path).unlink(missing_ok=True)
