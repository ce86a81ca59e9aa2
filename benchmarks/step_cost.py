"""What a step of a method costs, as a multiple of the network's bare forward and backward pass.

The methods as users run them: the preset's own plan, with masks, transforms, noise and the redirect of dead rectifiers,
of a class unit and of an inner unit, at the network's own size: a torchvision network or a small residual network with
seeded random weights, or the world's classifier. Bare: the same network, frozen weights, gradient to the input. Bare
passes and steps take turns within one run, so that the machine's moods hit both. Steps at half the size and at the full
one are told apart; "run" is the mean over all steps of a run. Set-up is what comes before the first step: choosing
references and making templates; the bank is made before.

Goals, over a run: on ResNet-50 a class step costs at most 1.4 x bare, and an inner step, whose masks cost a sweep back
besides, at most 2.1 x; on the small networks, 16 units at once, 1.6 x and 2.2 x; on the other networks 1.5 x and 2.4 x.
The references hold at most 30 MB.

    python -m benchmarks.step_cost --arch resnet50
    python -m benchmarks.step_cost --arch world
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

import vital
from benchmarks.common import machine, report, spread, start
from benchmarks.networks import TORCHVISION, Case, bank_of, keys_of, network, units_of
from vital import objectives as obj
from vital.optim import Step
from vital.rendering.api import carry_out

SMALL_BATCH = 16


def goals(class_step: float, inner_step: float) -> dict[str, float]:
    """The goals of a network."""
    return {
        "class_step_over_bare": class_step,
        "inner_step_over_bare": inner_step,
        "references_megabytes": 30.0,
    }


GOALS = {
    "resnet50": goals(1.4, 2.1),
    **dict.fromkeys(TORCHVISION[1:], goals(1.5, 2.4)),
    **dict.fromkeys(("world", "cifar-resnet20"), goals(1.6, 2.2)),
}
"""The goals of each network: those of torchvision for a unit alone, the small ones for 16 units at once."""
METHODS = ("vital", "vital-scene", "vital-reference")


def bare_pass(model: vital.Model, batch: int) -> Callable[[], float]:
    """A function that times one forward and backward pass to the input."""
    image, module = torch.rand(batch, model.channels, *model.size).requires_grad_(), model.module

    def once() -> float:
        began = time.perf_counter()
        image.grad = None
        module(model.normalize(image)).sum().backward()
        return time.perf_counter() - began

    return once


def measure(
    model: vital.Model, bank: vital.ReferenceBank, method: str, kind: str, steps: int, batch: int
) -> dict[str, object]:
    """Time the steps of a run and bare passes in turn; the first steps of each size are warm-up."""
    method = vital.make_method(method, steps=steps)
    units = units_of(model, kind, batch)
    setting_up = time.perf_counter()
    plan = method.plan(model, units, bank, 0)
    setup = time.perf_counter() - setting_up
    bare, began = bare_pass(model, batch), 0.0
    ratios: list[float] = []
    bares: list[float] = []

    def in_turn(step: Step) -> None:
        nonlocal began
        took = time.perf_counter() - began
        bares.append(bare())
        if step.number > 1:
            ratios.append(took / bares[-2])
        began = time.perf_counter()

    carry_out(model, plan, keys=keys_of(units), callback=in_turn)
    turn = round(getattr(plan.parameterization, "coarse", 0.0) * (steps - 1))
    small, whole = ratios[2 : max(0, turn - 1)], ratios[turn + 2 :]
    medians = {"half": spread(small) if len(small) > 1 else None, "whole": spread(whole)}
    share = turn / steps if medians["half"] else 0.0
    over_run = (
        share * (medians["half"] or medians["whole"])["median"] + (1 - share) * medians["whole"]["median"]
    )  # type: ignore[index]
    return {
        **medians,
        "run": over_run,
        "share_at_half_size": share,
        "bare_seconds": spread(bares)["median"],
        "setup_seconds": setup,
        "references_megabytes": megabytes(plan.terms[0]),
    }


def megabytes(term: vital.Term) -> float:
    """Memory that the templates of a sum hold, in 10⁶ bytes."""
    parts = [part for _, part in term.parts]  # type: ignore[attr-defined]
    return sum(part.template.megabytes for part in parts if isinstance(part, obj.Alignment))


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=GOALS, default="resnet50")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, help="units that share a step; 1, and 16 of small networks")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    batch = given.batch or (1 if given.arch in TORCHVISION else SMALL_BATCH)
    model = network(given.arch)
    bank = bank_of(model)
    asked = [*(Case(method, "class") for method in METHODS), Case("vital", "inner")]
    found = {str(case): measure(model, bank, case.method, case.kind, given.steps, batch) for case in asked}
    values = {
        "class_step_over_bare": found["vital, class"]["run"],
        "inner_step_over_bare": found["vital, inner"]["run"],
        "references_megabytes": found["vital, class"]["references_megabytes"],
    }
    result = {
        **values,
        "arch": given.arch,
        "batch": batch,
        "goals": GOALS[given.arch],
        "pass": all(values[name] <= goal for name, goal in GOALS[given.arch].items()),  # type: ignore[operator]
        "measured": found,
        "machine": machine(),
    }
    rows: list[list[object]] = [["method and unit", "at half size", "at full size", "IQR", "run", "set-up s"]]
    for name, f in found.items():
        half, whole = f["half"], f["whole"]
        rows.append(
            [
                name,
                f"{half['median']:.2f}" if half else "-",  # type: ignore[index]
                f"{whole['median']:.2f}",  # type: ignore[index]
                f"{whole['q1']:.2f}-{whole['q3']:.2f}",  # type: ignore[index]
                f"{f['run']:.2f}",
                f"{f['setup_seconds']:.1f}",
            ]
        )
    where = f"{given.arch}, {batch} unit{'' if batch == 1 else 's'} a step"
    rows += [
        [name, f"{values[name]:.2f}", f"goal {goal:g}", where, "", ""]
        for name, goal in GOALS[given.arch].items()
    ]
    rows.append(["goals hold" if result["pass"] else "goals missed", "", "", "", "", ""])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
