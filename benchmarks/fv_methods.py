"""Feature-visualisation methods beside each other, on the known-answer world and on CIFAR-10: wins and losses.

Every method renders the same units with the same seeds, at its own number of steps and, with --steps, at equal ones.
What the pictures are measured by, and what each number is worth, stands in docs/compare.md.

    python -m benchmarks.fv_methods world --out runs/fv-world
    python -m benchmarks.fv_methods cifar10 --data DIR --nets DIR --out runs/fv-cifar
    python -m benchmarks.fv_methods write          # benchmarks/README.md from benchmarks/results/*.json

CIFAR-10 needs `--data` with resnet20.safetensors, resnet56.safetensors and train5k.npz, and `--nets` with
cifar_resnet.py.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vital
from benchmarks.common import machine, report, start
from vital.compare import ClassJudge, Comparison, Table, compare, write_comparison
from vital.compare.table import read_long
from vital.runs import versions

METHODS = ("vital", "vital-reference", "fourier", "maco", "deep-inversion", "pixels")
FIRST = ("judge", "zero shot@1", "distance (held out)", "path similarity")
LEGEND = """Means over units with 95 % intervals (bootstrap over units); the best method of each metric in bold. `worth`
names the controls that score as well as `vital`: a metric that they please says nothing."""
HERE = Path(__file__).parent
RESULTS = HERE / "results"


def world(given: argparse.Namespace) -> Comparison:
    """Half of the units are classes, half planted units; the world's judge, encoder and truths."""
    half = given.units // 2
    units = [f"class:{(5 * i) % 64}" for i in range(half)] + [
        f"planted:{i * 44 // half}" for i in range(half)
    ]
    return compare(vital.load_model("world"), units, images=vital.images("world"), **settings(given))


def cifar10(given: argparse.Namespace) -> Comparison:
    """The ten classes of ResNet-56, with ResNet-20 as the witness."""
    nets = Path(given.nets) / "cifar_resnet.py"

    def load(name: str) -> vital.Model:
        return vital.load_model(
            f"{nets}:{name}", weights=str(Path(given.data) / f"{name}.safetensors"), size=32
        )

    model = load("resnet56")
    pictures = vital.images(Path(given.data) / "train5k.npz")
    return compare(
        model, "class:0-9", images=pictures, judges=[ClassJudge(load("resnet20"), model)], **settings(given)
    )


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """What both comparisons share."""
    methods = given.methods.split(",")
    steps = {name: {"steps": given.steps} for name in methods} if given.steps else {}
    return {
        "methods": methods,
        "seeds": given.seeds,
        "out": given.out,
        "options": steps,
        "controls": () if given.no_controls else vital.compare.CONTROLS,
        "progress": False,
    }


PLACES = {"world": world, "cifar10": cifar10}


def firsts(table: Table, own: str = "vital") -> dict[str, str]:
    """Which method is first in each of the metrics of the goals."""
    return {m: table.best(m) for m in table.metrics if m.startswith(FIRST) and table.cell(own, m)}


def result(name: str, found: Comparison, given: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """All that a file of results holds."""
    first = firsts(found.table)
    return {
        "place": name,
        "seeds": given.seeds,
        "steps": given.steps or "each method's own",
        "methods": list(found.table.methods),
        "controls": list(found.table.controls),
        "first": first,
        "pass": all(method == "vital" for method in first.values()),
        "notes": list(found.notes),
        "seconds": round(seconds),
        "machine": machine(),
        "versions": versions(),
        "scores": found.table.long_csv().decode(),
    }


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """Write benchmarks/README.md from files of results."""
    lines = [
        "# Feature-visualisation methods in numbers",
        "",
        (__doc__ or "").split("\n\n")[1],
        "",
        LEGEND,
        "",
    ]
    for r in results:
        table = Table(tuple(read_long(r["scores"])), tuple(r["methods"]), tuple(r["controls"]), "vital")
        where = f"{r['machine']['cores']} cores ({r['machine']['cpu']}), torch {r['versions']['torch']}"
        lines += [
            f"## {r['place']}, steps: {r['steps']}",
            "",
            f"{r['seeds']} seeds; {where}; {r['seconds']} s.",
            "",
        ]
        lines += [
            table.markdown(),
            *(f"- {metric}: {method} is first" for metric, method in firsts(table).items()),
        ]
        lines += [*(f"- {note}" for note in r["notes"]), ""]
    return "\n".join(lines)


def main() -> None:
    """Measure one place, or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", choices=[*PLACES, "write"])
    parser.add_argument("--methods", default=",".join(METHODS))
    for name, default in (("units", 32), ("seeds", 3), ("steps", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("data", "nets"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    if given.place == "write":
        files = sorted(RESULTS.glob("*.json"))
        (HERE / "README.md").write_text(
            page([json.loads(f.read_text(encoding="utf-8")) for f in files]), encoding="utf-8"
        )
        return
    began = time.perf_counter()
    found = PLACES[given.place](given)
    row = result(given.place, found, given, time.perf_counter() - began)
    if given.out:
        write_comparison(found, given.out)
    RESULTS.mkdir(exist_ok=True)
    name = f"{given.place}-{given.steps or 'own'}.json"
    (RESULTS / name).write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    report(row, found.table.wide(), given.json)


if __name__ == "__main__":
    main()
