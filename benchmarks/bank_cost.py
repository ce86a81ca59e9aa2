"""What the reference bank's pass costs, as a multiple of the network's bare forward pass over the same images.

ResNet-50 with seeded random weights at 224 pixels; conv1, layer1 to layer4 and the output, all 4,904 units at once:
the 50 strongest images and places of each, and the sample behind the percentiles. Bank: all of `build_bank`, from
the hash of weights and images to the tables, in memory. Bare: the same images, prepared beforehand, through the
whole network in the same batches without gradients. Both take turns, so that the machine's moods hit both.

Goal: the bank costs at most 1.25 x bare.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

import vital
from benchmarks.common import machine, report, spread, start

GOAL_RATIO = 1.25
LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4")
BATCH = 16


def bare(model: vital.Model, pictures: torch.Tensor) -> None:
    """Run the network alone over all pictures."""
    with torch.no_grad():
        for part in pictures.split(BATCH):
            model.module(model.normalize(part))


def bank(model: vital.Model, pictures: torch.Tensor) -> None:
    """Make a bank that is kept nowhere."""
    vital.build_bank(model, LAYERS, vital.load_images(pictures), batch=BATCH, disk=False)


def timed(run: Callable[[vital.Model, torch.Tensor], None], *given: Any) -> tuple[float, float]:
    """Seconds by the clock, and seconds of work of all threads."""
    began, work = time.perf_counter(), time.process_time()
    run(*given)
    return time.perf_counter() - began, time.process_time() - work


def main() -> None:
    """Measure, print, and say whether the goal holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    model = vital.load_model("torchvision:resnet50", weights="random")
    model.module.eval()
    pictures = torch.rand(given.images, 3, 224, 224)
    bank(model, pictures[:BATCH])  # the list of layers, and everything's first time
    rounds = [(timed(bare, model, pictures), timed(bank, model, pictures)) for _ in range(given.rounds)]
    ratio = spread([made[0] / alone[0] for alone, made in rounds])
    work = spread([made[1] / alone[1] for alone, made in rounds])
    result = {
        "bank_over_bare": ratio["median"],
        "goals": {"bank_over_bare": GOAL_RATIO},
        "pass": ratio["median"] <= GOAL_RATIO,
        "measured": {"images": given.images, "ratio": ratio, "work_ratio": work, "rounds": rounds},
        "machine": machine(),
    }
    rows: list[list[object]] = [["round", "bare s", "bank s", "ratio", "ratio of CPU seconds"]]
    for i, (alone, made) in enumerate(rounds):
        shown = [f"{alone[0]:.1f}", f"{made[0]:.1f}", f"{made[0] / alone[0]:.3f}"]
        rows.append([i + 1, *shown, f"{made[1] / alone[1]:.3f}"])
    rows.append(["median", "", "", f"{ratio['median']:.3f}", f"{work['median']:.3f}"])
    rows.append(["goal holds" if result["pass"] else "goal missed", f"goal {GOAL_RATIO}", "", "", ""])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
