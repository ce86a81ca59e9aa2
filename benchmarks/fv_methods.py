"""Feature-visualisation methods beside each other, on the known-answer world and on CIFAR-10: wins and losses.

Every method renders the same units with the same seeds, at its own number of steps, at that of `vital`
(`--equal steps`), or with as many as fit into its time (`--equal seconds`). What the pictures are measured by, and
what each number is worth, stands in docs/compare.md.

    python -m benchmarks.fv_methods world --out runs/fv-world
    python -m benchmarks.fv_methods cifar10 --data DIR --nets DIR --out runs/fv-cifar
    python -m benchmarks.fv_methods write          # benchmarks/README.md from benchmarks/results/*.json

CIFAR-10 needs `--data` with resnet20.safetensors, resnet56.safetensors and train5k.npz, and `--nets` with
cifar_resnet.py. MACO takes 8 crops a step where its paper takes 32, since its cost grows with them. Pictures and scores
stay in the folder `--out`, and a run that was stopped, or that gets another method, goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import vital
from benchmarks.common import machine, report, start
from vital.compare import CONTROLS, ClassJudge, Comparison, Table, compare, write_comparison
from vital.compare.metrics import PART, better
from vital.compare.table import read_long
from vital.runs import versions

METHODS = ("vital", "vital-reference", "fourier", "maco", "deep-inversion", "pixels")
FIRST = ("judge", "zero shot@1", "distance (held out)", "path similarity")
CROPS = 8
BATCH = 16
EQUAL = {"": "own steps", "steps": "equal steps", "seconds": "equal seconds"}
LEGEND = """Means over units with 95 % intervals (bootstrap over units); the best method of each metric in bold. Under
`worth` stands whether the metric tells `vital` from its controls: where it does not, its number says nothing here.
Distances of sets are given for the pictures of one seed (mean over seeds) and for all pictures: equal n compare."""
HERE = Path(__file__).parent
RESULTS = HERE / "results"


def world(given: argparse.Namespace) -> Comparison:
    """Half of the units are classes, half planted units; the world's judge, encoder and truths."""
    half = given.units // 2
    classes = [f"class:{(5 * i) % 64}" for i in range(half)]
    planted = [f"planted:{i * 44 // half}" for i in range(half)]
    return compare(
        vital.load_model("world"), [*classes, *planted], images=vital.images("world"), **settings(given)
    )


def cifar10(given: argparse.Namespace) -> Comparison:
    """The ten classes of ResNet-56, with ResNet-20 as the witness."""
    nets, data = Path(given.nets) / "cifar_resnet.py", Path(given.data)

    def load(name: str) -> vital.Model:
        return vital.load_model(f"{nets}:{name}", weights=str(data / f"{name}.safetensors"), size=32)

    model = load("resnet56")
    judges = [ClassJudge(load("resnet20"), model)]
    return compare(
        model, "class:0-9", images=vital.images(data / "train5k.npz"), judges=judges, **settings(given)
    )


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """What both comparisons share."""
    methods = given.methods.split(",")
    fewer = dict(pair.split("=") for pair in given.fewer.split(",") if pair)
    return {
        "methods": methods,
        "seeds": given.seeds,
        "fewer": {name: int(number) for name, number in fewer.items()},
        "out": given.out,
        "equal": given.equal,
        "options": {"maco": {"crops": CROPS}} if "maco" in methods else {},
        "controls": [name for name in CONTROLS if name not in given.without.split(",")],
        "batch": BATCH,
        "progress": False,
    }


PLACES = {"world": world, "cifar10": cifar10}


def firsts(table: Table, own: str = "vital") -> dict[str, str]:
    """Which method is first in each of the metrics of the goals; of equal ones, `own`."""
    found = {}
    for metric in (m for m in table.metrics if m.startswith(FIRST)):
        ours, best = table.cell(own, metric), table.cell(table.best(metric), metric)
        if ours and best:
            found[metric] = own if ours.mean == best.mean else table.best(metric)
    return found


def result(name: str, found: Comparison, given: argparse.Namespace) -> dict[str, Any]:
    """All that a file of results holds."""
    first = firsts(found.table)
    return {
        "place": name,
        "seeds": given.seeds,
        "steps": EQUAL[given.equal],
        "methods": list(found.table.methods),
        "controls": list(found.table.controls),
        "first": first,
        "pass": all(method == "vital" for method in first.values()),
        "notes": [
            *found.notes,
            *([f"maco takes {CROPS} crops a step"] if "maco" in found.table.methods else []),
        ],
        "machine": machine() | {"threads": torch.get_num_threads()},
        "versions": versions(),
        "scores": found.table.long_csv().decode(),
    }


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """Write benchmarks/README.md from files of results."""
    lines = ["# Feature-visualisation methods in numbers", "", *(__doc__ or "").split("\n\n")[1].split("\n")]
    lines += ["", LEGEND, ""]
    for found in results:
        table = table_of(found)
        where = f"{found['machine']['cpu']}, {found['machine']['threads']} thread, torch {found['versions']['torch']}"
        lines += [f"## {found['place']}, {found['steps']}", "", f"{found['seeds']} seeds; {where}.", ""]
        lines += [
            turned(table),
            *wins(table),
            *by_layer(table),
            *(f"- {note}" for note in found["notes"]),
            "",
        ]
    return "\n".join(lines)


def table_of(found: Mapping[str, Any]) -> Table:
    """The table behind a file of results."""
    scores = tuple(read_long(found["scores"]))
    return Table(scores, tuple(found["methods"]), tuple(found["controls"]), "vital")


def turned(table: Table) -> str:
    """The wide table with a row for each metric, the best method in bold: on a page, metrics are more than methods."""
    columns = [list(column) for column in zip(*table.wide(), strict=True)]
    names = [name.removeprefix(f"{table.main}, ") for name in columns[0]]
    lines = [f"| {' | '.join(['metric', *names[1:]])} |", f"|{'---|' * len(names)}"]
    for metric, (head, *cells) in zip(table.metrics, columns[1:], strict=True):
        best = names.index(table.best(metric)) - 1 if table.best(metric) else -1
        marked = [f"**{cell}**" if place == best else cell for place, cell in enumerate(cells)]
        lines.append(f"| {' | '.join([head, *marked])} |")
    return "\n".join([*lines, ""])


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
            if name.startswith("Fréchet") and name.endswith(layer)
        ]
    return ["", *rows, ""]


def _row(label: str, table: Table, metric: str) -> str:
    cells = [table.cell(method, metric) for method in table.methods]
    means = [f"{cell.mean:.3g}" if cell else "" for cell in cells]
    return f"| {label} {'↑' if better(metric) == 'higher' else '↓'} | {' | '.join(means)} |"


def main() -> None:
    """Measure one place, or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", choices=[*PLACES, "write"])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--fewer", default="", help="METHOD=SEEDS,...: other numbers of seeds")
    parser.add_argument("--without", default="", help="controls to leave out")
    parser.add_argument("--equal", default="", choices=EQUAL)
    for name, default in (("units", 32), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("data", "nets"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if given.place == "write":
        files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))]
        (HERE / "README.md").write_text(page(files), encoding="utf-8")
        return
    found = PLACES[given.place](given)
    row = result(given.place, found, given)
    if given.out:
        write_comparison(found, given.out)
    RESULTS.mkdir(exist_ok=True)
    name = f"{given.place}-{EQUAL[given.equal].replace(' ', '-')}.json"
    (RESULTS / name).write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    report(row, found.table.wide(), given.json)


if __name__ == "__main__":
    main()
