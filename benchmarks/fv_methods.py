"""Feature-visualization methods beside each other, on the known-answer world and on CIFAR-10: wins and losses.

Every method renders the same units with the same seeds, at its own number of steps, at that of `vital`
(`--budget steps`), or with as many as fit into its time (`--budget time`). What the pictures are measured by, and
what each number is worth, stands in docs/compare.md.

    python -m benchmarks.fv_methods world --out runs/fv-world
    python -m benchmarks.fv_methods world --out runs/fv-world --kept          # no rendering: what is there, measured
    python -m benchmarks.fv_methods world --out runs/fv-world --seeds-of controls=1,twins=1 --set maco.n_transforms=16
    python -m benchmarks.fv_methods cifar10 --data DIR --nets DIR --out runs/fv-cifar
    python -m benchmarks.fv_methods write          # benchmarks/README.md from benchmarks/results/*.json

CIFAR-10 needs `--data` with resnet20.safetensors, resnet56.safetensors and train5k.npz, and `--nets` with
cifar_resnet.py. MACO takes 8 crops a step where its paper takes 32, since its cost grows with them. Pictures and scores
stay in the folder `--out`: a run that was stopped goes on, and of another method or other options only that is
rendered. A run writes its file of results and the page at its end; one that is stopped (control-C or SIGTERM), or
fails, measures what is there, and writes these with what is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import vital
from benchmarks.common import machine, report, start
from benchmarks.fv_page import FIRST, GOAL, firsts, named, seeds_of, write_page
from benchmarks.kept import RESULTS
from vital.comparing import CONTROLS, ClassJudge, Comparison, compare, write_comparison
from vital.errors import VitalError, first_line
from vital.rendering.run_folder import versions

METHODS = ("vital", "vital-reference", "fourier", "maco", "deep-inversion", "pixels")
CROPS = 8
BATCH = 16
EQUAL = {None: "own steps", "steps": "equal steps", "time": "equal seconds"}


def world(given: argparse.Namespace) -> Comparison:
    """Half of the units are classes, half planted units; the world's judge, encoder and truths."""
    half = given.units // 2
    classes = [f"class:{(5 * i) % 64}" for i in range(half)]
    planted = [f"planted:{i * 44 // half}" for i in range(half)]
    return compare(
        vital.load_model("world"), [*classes, *planted], images=vital.load_images("world"), **settings(given)
    )


def cifar10(given: argparse.Namespace) -> Comparison:
    """The ten classes of ResNet-56, with ResNet-20 as the independent classifier."""
    nets, data = Path(given.nets) / "cifar_resnet.py", Path(given.data)

    def load(name: str) -> vital.Model:
        return vital.load_model(f"{nets}:{name}", weights=str(data / f"{name}.safetensors"), size=32)

    model = load("resnet56")
    judges = [ClassJudge(load("resnet20"), model)]
    return compare(
        model, "class:0-9", images=vital.load_images(data / "train5k.npz"), judges=judges, **settings(given)
    )


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """What both comparisons share."""
    methods, own = given.methods.split(","), pairs(given.seeds_of)
    return {
        "methods": methods,
        "seeds": {"others": given.seeds, **{name: int(number) for name, number in own.items()}},
        "out": given.out,
        "budget": given.budget,
        "options": options(given, methods),
        "controls": [name for name in CONTROLS if name not in given.without.split(",")],
        "batch": BATCH,
        "render_missing": not given.kept,
        "progress": False,
    }


def pairs(text: str) -> dict[str, str]:
    """Read NAME=VALUE,NAME=VALUE."""
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


def options(given: argparse.Namespace, methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The options of methods that are not their own: those of this benchmark, and those asked for."""
    found: dict[str, dict[str, Any]] = {"maco": {"n_transforms": CROPS}} if "maco" in methods else {}
    for place, value in pairs(given.set).items():
        name, _, field = place.partition(".")
        found.setdefault(name, {})[field] = value
    return found


PLACES = {"world": world, "cifar10": cifar10}


def result(found: Comparison, given: argparse.Namespace, stopped: str = "") -> dict[str, Any]:
    """All that a file of results holds; `stopped` says why the run ended early."""
    table, first = found.table, firsts(found.table)
    unmeasured = [name for name in FIRST if not any(metric.startswith(name) for metric in first)]
    said = [
        f"{name} has {field} = {value}"
        for name, own in options(given, table.methods).items()
        if name in table.methods
        for field, value in own.items()
    ]
    absent = [f"{name} is not measured" for name in unmeasured]
    return {
        "place": given.place,
        "seeds": seeds_of(table),
        "steps": EQUAL[given.budget],
        "methods": list(table.methods),
        "controls": list(table.controls),
        "main": table.main,
        "won": [metric for metric, method in first.items() if method == "vital"],
        "lost": {metric: method for metric, method in first.items() if method != "vital"},
        "named": named(table),
        "pass": not unmeasured and set(first.values()) == {"vital"} and min(named(table).values()) >= GOAL,
        "notes": [
            *([f"the run is not complete: {stopped}"] if stopped else []),
            *found.notes,
            *absent,
            *said,
        ],
        "machine": machine(),
        "versions": versions(),
        "scores": table.long_csv().decode(),
    }


def carried_out(given: argparse.Namespace) -> tuple[Comparison, str]:
    """A comparison, and why it ended early: then what its folder holds is measured, and nothing more rendered."""
    try:
        return PLACES[given.place](given), ""
    except (KeyboardInterrupt, VitalError, RuntimeError) as stop:
        if given.kept:
            raise
        given.kept = True
        why = first_line(stop).replace(str(given.out), "the run folder")
        return PLACES[given.place](given), why


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", choices=[*PLACES, "write"])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds-of", default="", help="METHOD=SEEDS,...: other numbers of seeds")
    parser.add_argument("--without", default="", help="controls to leave out")
    parser.add_argument("--budget", choices=["steps", "time"])
    for name, default in (("units", 32), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("data", "nets"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--set", default="", help="METHOD.FIELD=VALUE,...: other options of methods")
    parser.add_argument("--kept", action="store_true", help="render nothing: measure what the folder holds")
    parser.add_argument("--out", type=Path, help="the folder of pictures and scores: runs/fv-PLACE")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of files of results")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    given.out = given.out or Path("runs") / f"fv-{given.place}"
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Measure one place, or write the page."""
    given = parsed(words)
    start()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if given.place == "write":
        write_page(given.results)
        return
    found, stopped = carried_out(given)
    row = result(found, given, stopped)
    write_comparison(found, given.out)
    given.results.mkdir(parents=True, exist_ok=True)
    name = f"{given.place}-{EQUAL[given.budget].replace(' ', '-')}.json"
    (given.results / name).write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(given.results)
    report(row, found.table.wide(), given.json)
    if stopped:
        raise SystemExit(f"the run is not complete: {stopped}")


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a job in the background ignores the first
        signal.signal(number, signal.default_int_handler)
    main()
