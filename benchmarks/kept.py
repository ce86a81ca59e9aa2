"""Rows of benchmarks, kept as they come and found again under their own settings alone, and results for the page."""

from __future__ import annotations

import json
import statistics
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.common import machine
from vital.rendering.run_folder import versions
from vital.utils.hashing import key_of
from vital.utils.io import append_json, json_lines, write

RESULTS = Path(__file__).resolve().parent / "results"

Row = dict[str, Any]


class Kept:
    """Rows in a file of JSON lines, written as they come; a row is found only under the settings that it was made with.

    Several processes may write to one file. Without a file nothing is kept. Rows of other settings stay and are not
    seen; a line that was cut off is nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._own: dict[str, Row] = {}

    def find(self, settings: Mapping[str, Any]) -> Row | None:
        """The row of these settings, with its `machine`, or None."""
        return self._known().get(key_of(settings))

    def add(self, settings: Mapping[str, Any], row: Mapping[str, Any]) -> Row:
        """Keep a row, at once."""
        line = {"settings": settings, "row": {**row, "machine": machine() | versions()}}
        made: Row = json.loads(json.dumps(line))
        self._own[key_of(made["settings"])] = made["row"]
        if self.file:
            append_json(self.file, [line])
        return made["row"]

    def of(self, settings: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> Row:
        """The row of these settings, or else a new one, printed and kept."""
        if (found := self.find(settings)) is not None:
            return found
        made = self.add(settings, make())
        print({k: v for k, v in made.items() if k != "machine"}, flush=True)
        return made

    def _known(self) -> dict[str, Row]:
        found = dict(self._own)
        for line in json_lines(self.file) if self.file else ():
            with suppress(KeyError, TypeError):
                found[key_of(line["settings"])] = line["row"]
        return found


def published(name: str, result: Mapping[str, Any], rows: Sequence[Row], folder: Path = RESULTS) -> Row:
    """Write what there is of a result to `folder`/`name`.json, with the rows' machines, and the page beside the folder.

    A result has a `title`, a `budget`, `seeds`, `tables` (lists of rows, the names of the columns first), `verdicts`
    (wins and losses, a line each), `missing` (what was not measured, a line each) and `pass`.
    """
    machines = list({json.dumps(row["machine"], sort_keys=True): row["machine"] for row in rows}.values())
    whole = {**result, "machines": machines, "rows": list(rows)}
    write(folder / f"{name}.json", f"{json.dumps(whole, indent=1, ensure_ascii=False)}\n".encode())
    from benchmarks.fv_page import write_page

    write_page(folder)
    return whole


def arguments(
    doc: str | None, out: str, numbers: Mapping[str, int], switches: Sequence[str]
) -> ArgumentParser:
    """What may be said on the command line of any benchmark that keeps its rows: whole numbers and switches by name."""
    parser = ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the file of results goes")
    parser.add_argument("--device", default="cpu")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in switches:
        parser.add_argument(f"--{name}", action="store_true")
    return parser


def gathered(
    found: Mapping[str, Row | None], said: Mapping[str, Row | None]
) -> tuple[list[Row], list[Row], list[str]]:
    """The rows that are there, those of words, and the names of what is missing."""
    missing = [name for name, row in found.items() if row is None]
    missing += [f"words of {name}" for name, row in said.items() if row is None]
    return [row for row in found.values() if row], [row for row in said.values() if row], missing


def section(found: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown of one result."""
    seeds = found["seeds"]
    lines = [f"## {found['title']}", ""]
    lines += [f"{found['budget']} {seeds} seed{'' if seeds == 1 else 's'}; {_where(found['machines'])}.", ""]
    for table in found["tables"]:
        head, *rows = [f"| {' | '.join(map(str, row))} |" for row in table]
        lines += [head, f"|{'---|' * len(table[0])}", *rows, ""]
    lines += [f"- {line}" for line in found["verdicts"]]
    lines += [f"- not measured: {line}" for line in found["missing"]]
    return [*lines, ""]


def _where(machines: Sequence[Mapping[str, Any]]) -> str:
    said = []
    for one in machines:
        threads = f"{one['threads']} thread{'' if one['threads'] == 1 else 's'}"
        where = [one["gpu"]] if "gpu" in one else []
        said.append(", ".join([*where, one["cpu"], threads, f"torch {one['torch']}"]))
    return "; ".join(dict.fromkeys(said)) or "nothing was run"


def about(values: Sequence[float], scale: float = 100) -> str:
    """A mean, with the smallest and the largest where there are several: in percent.

    >>> about([0.5, 0.25]), about([])
    ('37.5 (25.0 to 50.0)', '')
    """
    if not values:
        return ""
    mean, low, high = (scale * f(values) for f in (statistics.fmean, min, max))
    return f"{mean:.1f}" + (f" ({low:.1f} to {high:.1f})" if len(values) > 1 else "")
