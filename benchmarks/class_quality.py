"""Are class prototypes recognized, and how many steps do they need?

Renders every class of a trained network and shows the pictures to another one, the judge. Then takes the alignment
loss as published (unweighted, against the same labeled references) of `vital-reference` after all its steps, and
looks for the step at which `vital`, aligned to these references, gets there.

Goals: the judge names at least nine tenths of the classes of `vital` in at most 512 steps; `vital` reaches the final
loss of `vital-reference` in at most 500 steps.

    python -m benchmarks.class_quality --model nets.py:resnet56 --weights resnet56.safetensors \\
        --judge nets.py:resnet20 --judge-weights resnet20.safetensors --images train.npz --size 32
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import vital
from benchmarks.common import machine, report, start
from vital import objectives as obj
from vital.records import Prototypes
from vital.rendering import Vital, VitalReference
from vital.rendering.methods.vital_reference import layers_and_weights
from vital.tracing import Tracer, list_layers
from vital.units import OUTPUT

GOAL_STEPS, GOAL_SHARE, BUDGET = 500, 0.9, 512
FRAMES = 60


def recognized(model: vital.Model, prototypes: Prototypes) -> float:
    """The share of prototypes whose class the model ranks first."""
    pictures = torch.stack([p.image for p in prototypes]).to(model.dtype)
    with torch.no_grad(), Tracer(model, [OUTPUT]) as tracer:
        found = tracer(pictures)[OUTPUT].argmax(1).tolist()
    return sum(f == p.unit.index for f, p in zip(found, prototypes, strict=True)) / len(prototypes)


def published_loss(
    model: vital.Model, bank: vital.ReferenceBank, prototypes: Prototypes
) -> list[dict[int, float]]:
    """For each prototype, the published loss of its frames by step."""
    layers, weights = layers_and_weights(model, (), ())
    curves = []
    for prototype in prototypes:
        template = bank.template(prototype.unit, layers, count=50, selection="class")
        term = obj.Alignment(template, dict(zip(layers, weights, strict=True)))
        frames = torch.stack([frame for _, frame in prototype.frames]).to(model.dtype)
        with torch.no_grad(), Tracer(model, layers) as tracer:
            losses: Tensor = term(tracer(frames))
        curves.append(dict(zip([s for s, _ in prototype.frames], losses.tolist(), strict=True)))
    return curves


def reached(curve: dict[int, float], level: float) -> int | None:
    """The first step at which the loss is at or below the level."""
    return next((step for step, loss in curve.items() if loss <= level), None)


def measure(
    model: vital.Model, judge: vital.Model, bank: vital.ReferenceBank, out: Path | None
) -> dict[str, object]:
    """Render all classes by both methods and compare."""
    units = [f"{OUTPUT}:0-{list_layers(model)[OUTPUT].channels - 1}"]
    batch = list_layers(model)[OUTPUT].channels
    render = {"bank": bank, "batch": batch, "frames": FRAMES}
    methods: dict[str, vital.Method] = {
        "vital": Vital(),
        # the published loss sees everything at all layers
        "vital, labeled references": Vital(
            n_references=50,
            selection="class",
            steps=BUDGET,
            unit_weight=0.0,
            tv=0.0,
            noise=0.0,
            relevance=None,
        ),
        "vital-reference": VitalReference(),
    }
    made = {name: vital.render(model, units, method=method, **render) for name, method in methods.items()}  # type: ignore[arg-type]
    if out:
        out.mkdir(parents=True, exist_ok=True)
        for name, prototypes in made.items():
            prototypes.to_grid(10, 96).save(out / f"{name.replace(' ', '-')}.png")
    curves = {name: published_loss(model, bank, made[name]) for name in list(made)[1:]}
    levels = [list(curve.values())[-1] for curve in curves["vital-reference"]]
    steps = [reached(c, level) for c, level in zip(curves["vital, labeled references"], levels, strict=True)]
    mean = {n: {s: sum(c[s] for c in cs) / len(cs) for s in cs[0]} for n, cs in curves.items()}
    on_average = reached(mean["vital, labeled references"], sum(levels) / len(levels))
    share = {name: recognized(judge, prototypes) for name, prototypes in made.items()}
    return {
        "recognized_by_judge": share,
        "recognized_by_own": {name: recognized(model, prototypes) for name, prototypes in made.items()},
        "steps": {name: method.options()["steps"] for name, method in methods.items()},
        "final_loss": {name: list(curve.values())[-1] for name, curve in mean.items()},
        "steps_to_reference_loss": on_average,
        "steps_to_reference_loss_per_class": steps,
        "goals": {"recognized_by_judge": GOAL_SHARE, "steps_to_reference_loss": GOAL_STEPS},
        "pass": share["vital"] >= GOAL_SHARE and on_average is not None and on_average <= GOAL_STEPS,
        "machine": machine(),
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--model", "--judge", "--images"):
        parser.add_argument(name, required=True)
    for name in ("--weights", "--judge-weights"):
        parser.add_argument(name)
    parser.add_argument("--size", type=int)
    parser.add_argument("--out", type=Path, help="a folder for contact sheets")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    model = vital.load_model(given.model, weights=given.weights, size=given.size)
    judge = vital.load_model(given.judge, weights=given.judge_weights, size=given.size)
    bank = vital.build_bank(model, [], vital.load_images(given.images), progress=True)
    result = measure(model, judge, bank, given.out)
    shares, own, steps = (result[k] for k in ("recognized_by_judge", "recognized_by_own", "steps"))
    rows: list[list[object]] = [["method", "steps", "judge", "own"]]
    rows += [[n, steps[n], f"{shares[n]:.0%}", f"{own[n]:.0%}"] for n in shares]  # type: ignore[index,attr-defined]
    rows.append(["steps to the reference's final loss", result["steps_to_reference_loss"], "", ""])
    rows.append(["goals hold" if result["pass"] else "goals missed", "", "", ""])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
