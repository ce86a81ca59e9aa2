"""What a step costs with the same network laid out in other ways, as a multiple of a step with the network as it is.

Whole steps of `vital` and `fourier` on class units: the network as it is; in torch.channels_last
(`vital.load_model(..., channels_last=True)`); with batch norm folded into the convolutions before it; compiled by
torch.compile. The last two are measured alone: relevance and deep inversion read batch norm, and torch.compile follows
no pass that is recorded for relevance or stops at an inner layer. Windows of all take turns, and each is held against
the plain one of its turn: in CPU time on a CPU, by the clock elsewhere. The steps that redirect, the first few of a
run, are left out.

    python -m benchmarks.layouts --arch resnet50 --size 112 --batch 8
    python -m benchmarks.layouts --arch resnet50 --batch 64 --device cuda --dtype bf16 --window 8
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import vital
from benchmarks.common import machine, report, spread, start
from benchmarks.networks import DTYPES, Case, bank_of, keys_of, network, planned, units_of
from benchmarks.phases import Phase, held, over_run, settled
from benchmarks.timing import WARM, quartiles, wait
from vital.errors import InvalidValueError, first_line
from vital.optim import Step
from vital.rendering import Plan
from vital.rendering.api import carry_out

METHODS = ("vital", "fourier")
PLAIN = "plain"
HEAD = ["method and unit", "layout", "over plain", "IQR", "step s"]
Seconds = dict[Phase, list[float]]


def copied(model: vital.Model) -> vital.Model:
    """The same with a network of its own."""
    return replace(model, module=copy.deepcopy(model.module))


def channels_last(model: vital.Model) -> vital.Model:
    """The network in another memory layout."""
    return vital.load_model(copied(model), channels_last=True)


def folded(model: vital.Model) -> vital.Model:
    """The network with each batch norm folded into the convolution before it, as far as torch.fx can follow."""
    made = copied(model)
    parts, found = dict(made.module.named_modules()), 0
    for node in fx.symbolic_trace(made.module).graph.nodes:
        before = node.args[0] if node.op == "call_module" else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        conv, norm = parts[str(before.target)], parts[str(node.target)]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            made.module.set_submodule(str(before.target), fuse_conv_bn_eval(conv, norm))
            made.module.set_submodule(str(node.target), nn.Identity())
            found += 1
    if not found:
        raise InvalidValueError(f"{model.name} has no batch norm behind a convolution")
    made.module.requires_grad_(False)
    return made


def compiled(model: vital.Model) -> vital.Model:
    """The network compiled as a whole, when it first runs."""
    made = copied(model)
    vital.list_layers(made)  # while hooks still see all layers
    torch.compiler.reset()
    made.module.compile(fullgraph=True, dynamic=False)
    return made


LAYOUTS: dict[str, Callable[[vital.Model], vital.Model]] = {
    PLAIN: copied,
    "channels_last": channels_last,
    "folded": folded,
    "compiled": compiled,
}
MEASURED_ALONE = ("folded", "compiled")


def seconds(model: vital.Model, plan: Plan, keys: Sequence[str], steps: int) -> float:
    """What a step takes in a short run, without its first and last steps: CPU time on a CPU, else by the clock."""
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    read: list[float] = []

    def after(step: Step) -> None:
        if step.number in (WARM, WARM + steps):
            wait(model.device)
            read.append(clock())

    carry_out(model, plan, keys=keys, callback=after)
    return (read[1] - read[0]) / steps


def in_turn(
    models: Mapping[str, vital.Model], plan: Plan, keys: Sequence[str], given: argparse.Namespace
) -> tuple[dict[str, Seconds], dict[str, str], dict[Phase, float]]:
    """Seconds of steps of each kind, a list for each layout; why others failed; the shares of the kinds."""
    shares = settled(plan)
    taken: dict[str, Seconds] = {name: {phase: [] for phase in shares} for name in models}
    failed: dict[str, str] = {}
    for turn in range(given.windows):
        names = [*models][turn % len(models) :] + [*models][: turn % len(models)]
        for phase in shares:
            short = held(plan, phase, WARM + given.window)
            for name in names:
                if name not in failed:
                    try:
                        taken[name][phase].append(seconds(models[name], short, keys, given.window))
                    except (vital.VitalError, RuntimeError) as why:
                        if name == PLAIN:
                            raise
                        failed[name] = first_line(why)
    return taken, failed, shares


def measured(
    models: Mapping[str, vital.Model], bank: vital.ReferenceBank, case: Case, given: argparse.Namespace
) -> dict[str, Any]:
    """Time a method with each layout; the plan is that of the plain network, so that all do the same."""
    units = units_of(models[PLAIN], case.kind, given.batch)
    plan = planned(models[PLAIN], bank, case, units)
    taken, failed, shares = in_turn(models, plan, keys_of(units), given)
    means = {
        name: [
            over_run(dict(zip(own, turn, strict=True)), shares) for turn in zip(*own.values(), strict=True)
        ]
        for name, own in taken.items()
        if name not in failed
    }
    return {
        "layouts": {
            name: {
                "over plain": spread([a / b for a, b in zip(own, means[PLAIN], strict=True)]),
                "step seconds": statistics.median(own),
            }
            for name, own in means.items()
        },
        "failed": failed,
    }


def winner(found: Mapping[str, Any]) -> str | None:
    """The layout that is faster than the plain one by more than its spread, and the fastest of those."""
    ratios = {name: own["over plain"] for name, own in found["layouts"].items() if name != PLAIN}
    faster = [name for name, ratio in ratios.items() if ratio["q3"] < 1]
    return min(faster, key=lambda name: ratios[name]["median"], default=None)


def said(case: str, found: Mapping[str, Any], device: str) -> list[str]:
    """Which layout wins a case, and what is missing, in sentences."""
    best = winner(found)
    if best is None:
        lines = [f"{case}, on {device}: nothing is faster than the plain network by more than its spread"]
    else:
        ratio = " x plain, ".join(quartiles(found["layouts"][best]["over plain"]))
        alone = " (measured alone)" if best in MEASURED_ALONE else ""
        lines = [f"{case}, on {device}: {best} wins{alone}, {ratio}"]
    return lines + [f"{case}: {name} is not measured: {why}" for name, why in found["failed"].items()]


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--arch", default="resnet50", help="one of benchmarks.networks, or any of torchvision"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--layouts", nargs="+", choices=[*LAYOUTS][1:], default=[*LAYOUTS][1:])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--size", type=int, help="side of the pictures; the network's own by default")
    parser.add_argument("--batch", type=int, default=8, help="units that share a step")
    parser.add_argument("--windows", type=int, default=5, help="turns, from 3")
    parser.add_argument("--window", type=int, default=2, help="steps of a window")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, and say which layout wins."""
    given = parsed(words)
    start()
    model = network(given.arch, size=given.size, device=given.device, dtype=given.dtype)
    bank, models, missing = bank_of(model), {}, dict[str, str]()
    for name in (PLAIN, *given.layouts):
        try:
            models[name] = LAYOUTS[name](model)
        except Exception as why:  # noqa: BLE001  torch.fx and torch.compile raise whatever they like
            missing[name] = first_line(why)
    found = {}
    for case in (Case(method, "class") for method in given.methods):
        own = measured(models, bank, case, given)
        found[str(case)] = {**own, "failed": missing | own["failed"], "winner": winner(own)}
    rows: list[list[object]] = [HEAD]
    for told, own in found.items():
        for name, layout in own["layouts"].items():
            rows.append([told, name, *quartiles(layout["over plain"]), f"{layout['step seconds']:.3f}"])
    settings = {name: getattr(given, name) for name in ("arch", "device", "dtype", "size", "batch")}
    report({**settings, "measured": found, "machine": machine()}, rows, given.json)
    if not given.json:
        lines = [line for told, own in found.items() for line in said(told, own, given.device)]
        print("\n".join(lines))


if __name__ == "__main__":
    main()
