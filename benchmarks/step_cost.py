"""What a step of alignment costs, as a multiple of the network's bare forward and backward pass.

ResNet-50 with seeded random weights at 224 pixels, one image, 50 references. A class step aligns conv1 and layer1 to
layer4; an inner step, of a unit of layer4, aligns the same layers under masks of relevance (z+). Bare: the same
network, frozen weights, gradient to the input. Bare passes and steps take turns within one run, so that the machine's
moods hit both. Set-up is what comes before the first inner step: the template of 50 references with their relevance.

Goals: a class step costs at most 1.35 x bare, an inner step at most 2.2 x; the references hold at most 30 MB; set-up
takes at most 15 seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

import vital
from benchmarks.common import machine, report, spread, start
from vital import objectives as obj
from vital import parameterisations as par
from vital import views
from vital.engine import Step
from vital.recipes.vital_reference import PUBLISHED
from vital.reference import make_template
from vital.reference.bank import TOGETHER

GOALS = {
    "class_step_over_bare": 1.35,
    "inner_step_over_bare": 2.2,
    "references_megabytes": 30.0,
    "setup_seconds": 15.0,
}
UNIT = "layer4:7"
LAYERS = next(iter(PUBLISHED))


def bare_pass(model: vital.Model) -> Callable[[], float]:
    """A function that times one forward and backward pass to the input."""
    image, module = torch.rand(1, 3, 224, 224).requires_grad_(), model.module

    def once() -> float:
        began = time.perf_counter()
        image.grad = None
        module(model.normalise(image)).sum().backward()
        return time.perf_counter() - began

    return once


def measure(
    model: vital.Model, canvas: vital.types.Parameterisation, steps: int, rule: str = ""
) -> dict[str, dict[str, float]]:
    """Time steps and bare passes in turn; the first fifth is warm-up."""
    references = torch.split(torch.rand(50, 3, 224, 224), TOGETHER)
    setting_up = time.perf_counter()
    template = make_template(model, LAYERS, references, unit=UNIT, rule=rule)
    setup = time.perf_counter() - setting_up
    bare, began = bare_pass(model), 0.0
    step_times: list[float] = []
    bare_times: list[float] = []

    def in_turn(step: Step) -> None:
        nonlocal began
        if step.number > 1:
            step_times.append(time.perf_counter() - began)
        bare_times.append(bare())
        began = time.perf_counter()

    vital.optimise(
        model, obj.Alignment(template), canvas, [views.Roll(30)], steps=steps, redirect=0, each_step=in_turn
    )
    skip = steps // 5
    ratios = [s / b for s, b in zip(step_times, bare_times, strict=False)]
    return {
        "step_seconds": spread(step_times[skip:]),
        "bare_seconds": spread(bare_times[skip:]),
        "ratio": spread(ratios[skip:]),
        "references_megabytes": {"median": template.megabytes},
        "setup_seconds": {"median": setup},
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    model = vital.load_model("torchvision:resnet50", weights="none")
    for parameter in model.module.parameters():
        parameter.requires_grad_(False)
    model.module.eval()
    canvases: dict[str, vital.types.Parameterisation] = {
        "pixels": par.Pixels(224, mean=model.mean, std=model.std),
        "fourier": par.Fourier(224),
    }
    found = {name: measure(model, canvas, given.steps) for name, canvas in canvases.items()}
    found["inner, fourier"] = measure(model, canvases["fourier"], given.steps, "zplus")
    inner = found["inner, fourier"]
    values = {
        "class_step_over_bare": max(found[name]["ratio"]["median"] for name in canvases),
        "inner_step_over_bare": inner["ratio"]["median"],
        "references_megabytes": inner["references_megabytes"]["median"],
        "setup_seconds": inner["setup_seconds"]["median"],
    }
    result = {
        **values,
        "goals": GOALS,
        "pass": all(values[name] <= goal for name, goal in GOALS.items()),
        "measured": found,
        "machine": machine(),
    }
    rows: list[list[object]] = [["step", "step ms", "bare ms", "ratio", "IQR"]]
    for name, f in found.items():
        ratio = f["ratio"]
        step_ms, bare_ms = (f"{1e3 * f[k]['median']:.0f}" for k in ("step_seconds", "bare_seconds"))
        rows.append(
            [name, step_ms, bare_ms, f"{ratio['median']:.2f}", f"{ratio['q1']:.2f}-{ratio['q3']:.2f}"]
        )
    rows += [[name, f"{values[name]:.2f}", f"goal {goal:g}", "", ""] for name, goal in GOALS.items()]
    rows.append(["goals hold" if result["pass"] else "goals missed", "", "", "", ""])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
