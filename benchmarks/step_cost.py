"""What a step of a method costs, as a multiple of the network's bare forward and backward pass.

The methods as users run them: the preset's own plan, with masks, transforms, noise and the redirect of dead rectifiers,
of a class unit and of an inner unit, on a torchvision network with seeded random weights at its own size. Bare: the
same network, frozen weights, gradient to the input. Bare passes and steps take turns within one run, so that the
machine's moods hit both. Steps at half the size and at the full one are told apart; "run" is the mean over all steps of
a run. Set-up is what comes before the first step: choosing references and making templates; the bank is made before.

Goals: over a run, a class step costs at most 1.5 x bare; an inner step, whose masks cost a sweep back besides, at most
2.4 x; the references hold at most 30 MB.

    python -m benchmarks.step_cost --arch resnet50
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

import vital
from benchmarks.common import machine, report, spread, start
from vital import objectives as obj
from vital.data import ImageSet
from vital.optim import Step
from vital.rendering import stages
from vital.rendering.api import carry_out
from vital.units import OUTPUT

ARCHITECTURES = ("resnet50", "vit_b_16", "convnext_tiny", "mobilenet_v3_large")
GOALS = {"class_step_over_bare": 1.5, "inner_step_over_bare": 2.4, "references_megabytes": 30.0}
METHODS = ("vital", "vital-scene", "vital-reference")


def bare_pass(model: vital.Model, batch: int) -> Callable[[], float]:
    """A function that times one forward and backward pass to the input."""
    image, module = torch.rand(batch, 3, *model.size).requires_grad_(), model.module

    def once() -> float:
        began = time.perf_counter()
        image.grad = None
        module(model.normalize(image)).sum().backward()
        return time.perf_counter() - began

    return once


def measure(
    model: vital.Model, bank: vital.ReferenceBank, method: str, unit: str, steps: int, batch: int
) -> dict[str, object]:
    """Time the steps of a run and bare passes in turn; the first steps of each size are warm-up."""
    method = vital.make_method(method, steps=steps)
    units = model.units([unit] * batch)
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

    carry_out(model, plan, keys=[f"{unit} {i}" for i in range(batch)], callback=in_turn)
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


def images(count: int = 64) -> ImageSet:
    """Colored clouds: pictures of the right kind of spectrum, from a seed."""
    few = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return vital.load_images(torch.nn.functional.interpolate(few, (224, 224), mode="bicubic").clamp(0, 1))


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", choices=ARCHITECTURES, default=ARCHITECTURES[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=1, help="units that share a step")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    model = vital.load_model(f"torchvision:{given.arch}", weights="random")
    for parameter in model.module.parameters():
        parameter.requires_grad_(False)
    model.module.eval()
    layer = stages(model)[-2]
    bank = vital.build_bank(model, [layer], images(), progress=False, disk=False)
    asked = [(method, f"{OUTPUT}:7") for method in METHODS] + [("vital", f"{layer}:7")]
    found = {
        f"{m}, {'class' if u.startswith(OUTPUT) else 'inner'}": measure(
            model, bank, m, u, given.steps, given.batch
        )
        for m, u in asked
    }
    values = {
        "class_step_over_bare": found["vital, class"]["run"],
        "inner_step_over_bare": found["vital, inner"]["run"],
        "references_megabytes": found["vital, class"]["references_megabytes"],
    }
    result = {
        **values,
        "arch": given.arch,
        "batch": given.batch,
        "goals": GOALS,
        "pass": all(values[name] <= goal for name, goal in GOALS.items()),  # type: ignore[operator]
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
    rows += [[name, f"{values[name]:.2f}", f"goal {goal:g}", "", "", ""] for name, goal in GOALS.items()]
    rows.append(["goals hold" if result["pass"] else "goals missed", "", "", "", "", ""])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
