"""The page of results: benchmarks/README.md from all files of results, with wins and losses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.kept import RESULTS, section
from vital.comparing import Table
from vital.comparing.base import PART, ranked, sign
from vital.comparing.table import read_long

FIRST = ("judge", "zero shot@1", "distance (held out)", "path similarity")
GOAL = 0.9
LEGEND = """Every method renders the same units with the same seeds, at its own number of steps, at that of `vital`
(`--budget steps`), or with as many as fit into its time (`--budget time`). What the pictures are measured by, and
what each number is worth, stands in docs/compare.md.

Means over units with 95 % intervals (bootstrap over units); in bold the best method of each metric that is informative.
Under `informative` stands whether the metric tells `vital` from its controls; where not, its number says nothing.
Path similarity was measured before it left out units whose natural images spread too far (docs/compare.md).
Distances of sets are given for the pictures of one seed (mean over seeds) and for all pictures: equal n compare.

The comparisons of methods below were rendered with the preset of before (results/earlier-presets.md);
the blind readings with that of their day. How far the numbers agree with people: results/eye-agreement.md.
The presets on ImageNet networks: results/imagenet-networks.md. Other layouts of a network: results/layouts.md.
What a step dispatches and costs: results/engine.md. How time and memory grow: results/scaling.md.
What commands that are killed, stopped or refused room lose: results/faults.md.
What readers make of damaged input: results/fuzz.md; commands of hostile files: results/hostile.md."""


def write_page(results: Path) -> None:
    """Write the page from all that a folder of results holds: that of the project beside its folder, others within."""
    files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(results.glob("*.json"))]
    place = results.parent if results.resolve() == RESULTS else results
    (place / "README.md").write_text(page(files), encoding="utf-8")


def firsts(table: Table, own: str = "vital") -> dict[str, str]:
    """Which method is first in each of the metrics of the goals; of equal ones, `own`."""
    found = {}
    for metric in (m for m in table.metrics if m.startswith(FIRST)):
        first = table.leaders(metric)
        if first and table.cell(own, metric):
            found[metric] = own if own in first else first[0]
    return found


def seeds_of(table: Table) -> dict[str, list[int]]:
    """The seeds of each method and control, by the scores of its pictures, and those of the twins."""
    found: dict[str, set[int]] = {name: set() for name in (*table.methods, *table.controls)}
    for score in table.scores:
        if score.seed is not None:
            name = "twins" if score.unit.startswith("twin-") else score.method
            found.setdefault(name, set()).add(score.seed)
    return {name: sorted(seeds) for name, seeds in found.items()}


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """Write benchmarks/README.md from files of results."""
    lines = ["# Feature-visualization methods in numbers", "", LEGEND, ""]
    for found in sorted(results, key=lambda one: "scores" not in one):
        if "scores" not in found:  # another benchmark's
            lines += section(found)
            continue
        table = table_of(found)
        lines += [f"## {found['place']}, {found['steps']}", "", f"{measured_on(found, table)}.", ""]
        lines += [
            turned(table),
            *wins(table),
            *(
                f"- {layer}: the judge names {share:.1%} (goal {GOAL:.0%})"
                for layer, share in named(table).items()
            ),
            *by_layer(table),
            *(f"- {note}" for note in found["notes"]),
            "",
        ]
    return "\n".join(lines)


def measured_on(found: Mapping[str, Any], table: Table) -> str:
    """Units, seeds, the machine and the versions of a file of results."""
    own = {s.unit for s in table.scores if s.unit and not s.unit.startswith("twin-")}
    seeds = {name: len(numbers) for name, numbers in seeds_of(table).items()}
    most = max(seeds.values())
    fewer = "; ".join(f"{name}: {count}" for name, count in seeds.items() if count < most)
    on = found["machine"]
    where = f"{on['cpu']}, {on['cores']} cores, threads used: {on['threads']}"
    made = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"{len(own)} units, {most} seeds{f' ({fewer})' if fewer else ''}; {where}; {made}"


def table_of(found: Mapping[str, Any]) -> Table:
    """The table behind a file of results."""
    scores = tuple(read_long(found["scores"]))
    return Table(scores, tuple(found["methods"]), tuple(found["controls"]), found.get("main", "vital"))


def turned(table: Table) -> str:
    """The wide table with a row for each metric, the best method in bold: on a page, metrics are more than methods."""
    columns = [list(column) for column in zip(*table.wide(), strict=True)]
    names = [name.removeprefix(f"{table.main}, ") for name in columns[0]]
    lines = [f"| {' | '.join(['metric', *names[1:]])} |", f"|{'---|' * len(names)}"]
    for metric, (head, *cells) in zip(table.columns, columns[1:], strict=True):
        best = names.index(table.best(metric)) - 1 if table.best(metric) else -1
        marked = [f"**{cell}**" if place == best else cell for place, cell in enumerate(cells)]
        lines.append(f"| {' | '.join([head, *marked])} |")
    return "\n".join([*lines, ""])


def named(table: Table) -> dict[str, float]:
    """Which share of the main method's pictures the judge names, by layer; the goal is `GOAL` of each."""
    found: dict[str, float] = {}
    for layer in dict.fromkeys(
        score.unit.split(":")[0] for score in table.scores if score.metric.startswith("judge")
    ):
        own = table.of_layer(layer)
        cells = [
            cell
            for metric in own.metrics
            if metric.startswith("judge") and ranked(metric) and (cell := own.cell(own.main, metric))
        ]
        found |= {layer: min(cell.mean for cell in cells)} if cells else {}
    return found


def wins(table: Table) -> list[str]:
    """A line for each metric of the goals: won, or lost to whom."""
    return [
        f"- {metric}: " + ("won" if method == "vital" else f"lost to {method}")
        for metric, method in firsts(table).items()
    ]


def by_layer(table: Table) -> list[str]:
    """A small table of what judges and distances of sets say of the units of each layer, where there are several."""
    layers = dict.fromkeys(name.split(PART)[1] for name in table.parts if name.startswith("Fréchet"))
    if not layers:
        return []
    rows = [f"| of one layer | {' | '.join(table.methods)} |", f"|{'---|' * (len(table.methods) + 1)}"]
    for layer in layers:
        own = table.of_layer(layer)
        judged = [name for name in own.metrics if name.startswith(("judge", "zero shot@1"))]
        rows += [_row(f"{layer}: {name}", own, name) for name in judged]
        rows += [
            _row(name, table, name)
            for name in table.parts
            if name.startswith("Fréchet") and name.endswith(f"{PART}{layer}")
        ]
    return ["", *rows, ""]


def _row(label: str, table: Table, metric: str) -> str:
    cells = [table.cell(method, metric) for method in table.methods]
    means = [f"{cell.mean:.3g}" if cell else "" for cell in cells]
    return f"| {label} {sign(metric)} | {' | '.join(means)} |"
