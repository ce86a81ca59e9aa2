"""Units per minute, and a step as a multiple of the bare pass, against the number of units that share a step.

The methods as users run them. Bare: the same network's forward pass over as many images, and the backward pass to the
input; windows of bare passes and of steps take turns. Units per minute count the plan and all steps of the preset; the
bank is made before. A batch that does not fit is a row that says so.

    python -m benchmarks.throughput --arch resnet50 --device cuda --dtype bf16 --batches 16 64 --window 8
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import vital
from benchmarks.common import machine, report, start
from benchmarks.networks import DTYPES, METHODS, NETWORKS, TORCHVISION, UNIT_KINDS, Case, bank_of, network
from benchmarks.timing import Windows, measured, quartiles
from vital.errors import first_line

BATCHES = (1, 2, 4, 8, 16, 32, 64)
HEAD = ["method and unit", "units", "over bare", "IQR", "step s", "plan s", "units a minute", "peak MB"]


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=NETWORKS, default="resnet50")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--kinds", nargs="+", choices=UNIT_KINDS, default=UNIT_KINDS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--size", type=int, help="side of the pictures of torchvision's networks")
    parser.add_argument("--windows", type=int, default=5, help="timed windows of each kind of step, from 3")
    parser.add_argument("--window", type=int, default=1, help="steps of a window")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def row(found: dict[str, Any]) -> list[object]:
    """A row of the table."""
    if "error" in found:
        return [found["case"], found["batch"], found["error"], *[""] * (len(HEAD) - 3)]
    shown = [f"{found['step seconds']:.3f}", f"{found['plan seconds']:.1f}"]
    rates = [f"{found['units per minute']:.1f}", f"{found['peak MB']:.0f}"]
    return [found["case"], found["batch"], *quartiles(found["over bare"]), *shown, *rates]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    given = parsed(words)
    start()
    size = given.size if given.arch in TORCHVISION else None
    model = network(given.arch, size=size, device=given.device, dtype=given.dtype)
    bank, found = bank_of(model), []
    for case in (Case(method, kind) for method in given.methods for kind in given.kinds):
        for batch in given.batches:
            try:
                own = measured(model, bank, case, batch, Windows(given.windows, given.window))
            except (vital.VitalError, RuntimeError) as why:
                own = {"batch": batch, "error": first_line(why)}
            found.append({"case": str(case), **own})
    result = {"arch": given.arch, "dtype": given.dtype, "measured": found, "machine": machine()}
    report(result, [HEAD, *map(row, found)], given.json)


if __name__ == "__main__":
    main()
