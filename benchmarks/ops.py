"""How many operations a step of a method dispatches, against the number of units that share it. No clock is read.

Whole steps are counted in the middle of a run, backward pass and optimizer included: operations that compute (kernels,
one or a few each), views, operations on numbers of the host, waits of the host for the device, and transfers of the
host's numbers (constants). A run has up to four kinds of steps, at half the size or not, with the redirect of dead
rectifiers or not; each is counted alone, and "run" is the mean over the steps of the preset's own run. Bare: the same
network's forward pass and the backward pass to the input. Counts are the same on every machine with the same versions.

Goals, at the most units: a step dispatches at most 1.3 x the kernels of a step of one unit, and never waits for the
device; on a network of torchvision, whose bare pass is long, it dispatches over a run at most 2 x bare, or 4 x with
masks of relevance. The exit code is 1 where one is missed.

    python -m benchmarks.ops --arch resnet50 --units 1 32
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch

import vital
from benchmarks.common import machine, report, start
from benchmarks.counting import KERNELS, KINDS, SYNCS, Counting
from benchmarks.networks import (
    METHODS,
    NETWORKS,
    TORCHVISION,
    UNIT_KINDS,
    Case,
    bank_of,
    keys_of,
    network,
    planned,
    units_of,
)
from benchmarks.phases import Phase, held, over_run, phases
from vital.optim import Step
from vital.rendering import Plan
from vital.rendering.api import carry_out

GROWTH, MASKED, PLAIN, WAITS = 1.3, 4.0, 2.0, 0.0
WARM = 2
Counts = dict[str, float]


def bare(model: vital.Model) -> Counts:
    """What the network's own forward and backward pass dispatch, for one image."""
    image = torch.rand(
        1, model.channels, *model.size, device=model.device, dtype=model.dtype
    ).requires_grad_()
    with Counting(model.device.type) as counting:
        model.module(model.normalize(image)).sum().backward()
    return {kind: float(counting.counts[kind]) for kind in KINDS}


def counted(model: vital.Model, plan: Plan, phase: Phase, keys: Sequence[str], steps: int) -> Counts:
    """What a step of one kind dispatches: the mean over the steps of a short run, without its first and last."""
    seen: list[Counter[str]] = []

    def after(step: Step) -> None:
        del step
        seen.append(counting.counts.copy())

    with Counting(model.device.type) as counting:
        carry_out(model, held(plan, phase, steps), keys=keys, callback=after)
    kept = list(zip(seen[WARM - 1 :], seen[WARM:-1], strict=False))
    return {kind: fmean(now[kind] - before[kind] for before, now in kept) for kind in KINDS}


def measure(
    model: vital.Model, bank: vital.ReferenceBank, case: Case, units: int, steps: int
) -> dict[str, Any]:
    """Count the steps of all kinds that a run of these units has."""
    chosen = units_of(model, case.kind, units)
    plan = planned(model, bank, case, chosen)
    shares = phases(plan)
    found = {phase: counted(model, plan, phase, keys_of(chosen), steps) for phase in shares}
    run = {kind: over_run({p: counts[kind] for p, counts in found.items()}, shares) for kind in KINDS}
    return {"run": run, **{str(phase): counts for phase, counts in found.items()}}


def judged(found: dict[str, Any], alone: Counts, limit: float | None) -> tuple[dict[str, Any], list[str]]:
    """The figures that the goals are about, and what is said of each goal that is missed."""
    few, many = found.values()
    growth = {kind: counts[KERNELS] / few[kind][KERNELS] for kind, counts in many.items()}
    over = many["run"][KERNELS] / alone[KERNELS]
    syncs = max(counts[SYNCS] for counts in many.values())
    goals = [
        (f"{value:.2f} x the kernels of fewer units, {kind}", value, GROWTH) for kind, value in growth.items()
    ]
    goals += [(f"{syncs:g} waits for the device in a step", syncs, WAITS)]
    goals += [] if limit is None else [(f"{over:.2f} x bare", over, limit)]
    missed = [f"{said} (goal {goal:g})" for said, value, goal in goals if value > goal]
    return {"growth": growth, "over bare": over, "syncs": syncs}, missed


def of_network(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Count all that is asked for on one network."""
    model = network(name, size=given.size if name in TORCHVISION else None, device=given.device)
    bank, alone = bank_of(model), bare(model)
    found: dict[str, Any] = {"bare": alone, "cases": {}, "missed": [], "missing": []}
    for case in (Case(method, kind) for method in given.methods for kind in given.kinds):
        try:
            counts = {n: measure(model, bank, case, n, given.steps) for n in sorted(given.units)}
        except vital.VitalError as why:
            found["missing"].append(f"{name}, {case}: {why}")
            continue
        limit = (MASKED if case.masks else PLAIN) if name in TORCHVISION else None
        figures, missed = judged(counts, alone, limit)
        found["cases"][str(case)] = {"counts": counts, **figures}
        found["missed"] += [f"{name}, {case}: {line}" for line in missed]
    return found


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", nargs="+", choices=NETWORKS, default=["resnet50", "small-vit", "world"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--kinds", nargs="+", choices=UNIT_KINDS, default=UNIT_KINDS)
    parser.add_argument("--units", nargs=2, type=int, default=(1, 32), help="few and many units of a step")
    parser.add_argument("--steps", type=int, default=5, help="steps of each kind, of which two are warm-up")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures of torchvision's networks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    if given.steps <= WARM or len(set(given.units)) == 1:
        parser.error(f"allowed are more than {WARM} steps, and two numbers of units that differ")
    return given


def table(found: dict[str, dict[str, Any]]) -> list[list[object]]:
    """A row for each kind of step of each method and number of units."""
    rows: list[list[object]] = [["network", "method and unit", "units", "steps", *KINDS, "kernels over bare"]]
    for name, own in found.items():
        rows.append([name, "bare", 1, "", *(f"{own['bare'][kind]:g}" for kind in KINDS), ""])
        for case, measured in own["cases"].items():
            for units, counts in measured["counts"].items():
                for kind, seen in counts.items():
                    shown = [f"{seen[what]:.0f}" for what in KINDS]
                    over = f"{seen[KERNELS] / own['bare'][KERNELS]:.2f}"
                    rows.append([name, case, units, kind, *shown, over])
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Count, print, and say whether the goals hold."""
    given = parsed(words)
    start()
    found = {name: of_network(name, given) for name in given.arch}
    missed = [line for own in found.values() for line in own["missed"]]
    missing = [line for own in found.values() for line in own["missing"]]
    result = {
        "goals": {"growth": GROWTH, "over bare": PLAIN, "over bare with masks": MASKED, "syncs": WAITS},
        "pass": not missed,
        "networks": found,
        "machine": machine(),
    }
    report(result, table(found), given.json)
    if not given.json:
        print(
            "\n".join(
                [*(f"missed: {line}" for line in missed), *(f"not measured: {line}" for line in missing)]
            )
        )
        print("goals hold" if not missed else "goals missed")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
