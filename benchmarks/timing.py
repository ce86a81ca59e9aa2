"""What steps cost by the clock, beside the network's bare pass in turn, on any device.

The clock is read around whole windows of steps and of bare passes, and only there the host waits for the device. Each
kind of step of a run is held alone (`benchmarks.phases`); "run" is the mean over the steps of the preset's own run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import vital
from benchmarks.common import spread
from benchmarks.networks import Case, keys_of, planned, units_of
from benchmarks.phases import Phase, held, over_run, settled
from vital.comparing.cost import MB, peak_bytes
from vital.optim import Step
from vital.rendering import Plan
from vital.rendering.api import carry_out

WARM = 2
QUARTILES = ("q1", "median", "q3")


@dataclass(frozen=True)
class Windows:
    """How many windows are timed of each kind of step, and of how many steps one is."""

    count: int = 5
    length: int = 1

    @property
    def steps(self) -> int:
        """The steps of a run, with those before the clock runs."""
        return WARM + self.count * self.length


def wait(device: torch.device) -> None:
    """Wait until a device has done all that it was asked for; a CPU has."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def bare_pass(model: vital.Model, batch: int, length: int) -> Callable[[], float]:
    """A function that times a window of forward and backward passes to the input, in seconds a pass."""
    image = torch.rand(batch, model.channels, *model.size, device=model.device, dtype=model.image_dtype)
    image.requires_grad_()

    def window() -> float:
        wait(model.device)
        began = time.perf_counter()
        for _ in range(length):
            image.grad = None
            with model.casting():
                found = model.module(model.as_input(image))
            found.float().sum().backward()
        wait(model.device)
        return (time.perf_counter() - began) / length

    return window


def in_turn(
    model: vital.Model, plan: Plan, phase: Phase, keys: list[str], windows: Windows
) -> list[tuple[float, float]]:
    """Seconds of a step of one kind and of a bare pass, a pair for each window."""
    bare, began = bare_pass(model, len(keys), windows.length), 0.0
    bare()
    pairs: list[tuple[float, float]] = []

    def after(step: Step) -> None:
        nonlocal began
        done = step.number - WARM
        if done < 0 or done % windows.length or len(pairs) == windows.count:
            return
        wait(model.device)
        if done:
            pairs.append(((time.perf_counter() - began) / windows.length, bare()))
        began = time.perf_counter()

    carry_out(model, held(plan, phase, windows.steps), keys=keys, callback=after)
    return pairs


def measured(
    model: vital.Model, bank: vital.ReferenceBank, case: Case, batch: int, windows: Windows
) -> dict[str, Any]:
    """Time a method on so many units at once; "plan" is what comes before the first step, "peak" in MB."""
    units, began = units_of(model, case.kind, batch), time.perf_counter()
    plan = planned(model, bank, case, units)
    wait(model.device)
    planning, shares, keys = time.perf_counter() - began, settled(plan), keys_of(units)
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    pairs = {phase: in_turn(model, plan, phase, keys, windows) for phase in shares}
    ratios = {phase: spread([step / bare for step, bare in own]) for phase, own in pairs.items()}
    step = over_run({p: statistics.median(s for s, _ in own) for p, own in pairs.items()}, shares)
    return {
        "batch": batch,
        "over bare": {q: over_run({p: found[q] for p, found in ratios.items()}, shares) for q in QUARTILES},
        "phases": {str(phase): found for phase, found in ratios.items()},
        "step seconds": step,
        "bare seconds": statistics.median(bare for own in pairs.values() for _, bare in own),
        "plan seconds": planning,
        "units per minute": 60 * batch / (planning + plan.steps * step),
        "peak MB": peak(model, held(plan, max(shares, key=lambda phase: not phase.half), 2), keys),
    }


def peak(model: vital.Model, plan: Plan, keys: list[str]) -> float:
    """The most memory at once: on a GPU since it was last reset, else what tensors of a short run take."""
    if model.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / MB
    return peak_bytes(lambda: carry_out(model, plan, keys=keys)) / MB


def quartiles(found: dict[str, float]) -> list[str]:
    """The median and the quartiles, as they are shown."""
    return [f"{found['median']:.2f}", f"{found['q1']:.2f}-{found['q3']:.2f}"]
