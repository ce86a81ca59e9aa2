"""What the reference bank's pass costs, as a multiple of the network's bare forward pass over the same images.

ResNet-50 with seeded random weights at 224 pixels; conv1, layer1 to layer4 and the output, all 4,904 units at once:
the 50 strongest images and places of each, and the sample behind the percentiles. Bank: all of `reference_bank`, from
the hash of weights and images to the tables, in memory. Bare: the same images, prepared beforehand, through the
whole network in the same batches without gradients. Both take turns, so that the machine's moods hit both.

Goal: the bank costs at most 1.25 x bare.
"""

from __future__ import annotations

import argparse
import time

import torch

import vital
from benchmarks.common import machine, report, spread, start

GOAL_RATIO = 1.25
LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4")
BATCH = 16


def bare_seconds(model: vital.Model, pictures: torch.Tensor) -> float:
    """Time the network alone over all pictures."""
    began = time.perf_counter()
    with torch.no_grad():
        for part in pictures.split(BATCH):
            model.module(model.normalise(part))
    return time.perf_counter() - began


def bank_seconds(model: vital.Model, images: vital.ImageSet) -> float:
    """Time the making of a bank that is kept nowhere."""
    began = time.perf_counter()
    vital.reference_bank(model, LAYERS, images, batch=BATCH, disk=False)
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, and say whether the goal holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    model = vital.load_model("torchvision:resnet50", weights="none")
    model.module.eval()
    pictures = torch.rand(given.images, 3, 224, 224)
    bank_seconds(model, vital.images(pictures[:BATCH]))  # the survey, and everything's first time
    pairs = [
        (bare_seconds(model, pictures), bank_seconds(model, vital.images(pictures)))
        for _ in range(given.rounds)
    ]
    ratio = spread([bank / bare for bare, bank in pairs])
    result = {
        "bank_over_bare": ratio["median"],
        "goals": {"bank_over_bare": GOAL_RATIO},
        "pass": ratio["median"] <= GOAL_RATIO,
        "measured": {
            "images": given.images,
            "ratio": ratio,
            "bare_seconds": [bare for bare, _ in pairs],
            "bank_seconds": [bank for _, bank in pairs],
        },
        "machine": machine(),
    }
    rows: list[list[object]] = [["round", "bare s", "bank s", "ratio"]]
    rows += [
        [i + 1, f"{bare:.1f}", f"{bank:.1f}", f"{bank / bare:.3f}"] for i, (bare, bank) in enumerate(pairs)
    ]
    rows.append(["goal holds" if result["pass"] else "goal missed", f"goal {GOAL_RATIO}", "", ""])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
