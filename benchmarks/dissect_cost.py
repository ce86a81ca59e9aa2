"""What it costs to dissect a layer: soft-WPMI of 2,048 units with 20,000 concepts on 10,000 images, on two threads.

The published way goes unit by unit: take the rows of its 100 strongest images out of the softmax over concepts, and sum
log(1 + p (s − 1)). It is timed here on a sample of units and scaled to all of them; the softmax that it needs once is
timed in full. `vital` does the whole layer in blocks, its cosines and its softmax included. Embeddings and values are
drawn at random: they do not change what is computed.

Goals: at least 8 times faster, under 4 GB in all.

    python -m benchmarks.dissect_cost
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import machine, report, start
from vital.describe.retrieval import answers
from vital.describe.similarity import SIMILARITIES

FASTER, GIGABYTES = 8.0, 4.0
WIDTH = 512


def drawn(images: int, concepts: int, units: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values of units, and embeddings of images and concepts."""
    dice = torch.Generator().manual_seed(0)
    values = torch.randn(images, units, generator=dice)
    seen, read = (torch.randn(n, WIDTH, generator=dice) + 0.3 for n in (images, concepts))
    return values, *(torch.nn.functional.normalize(part, dim=1) for part in (seen, read))


def loop(values: Tensor, shares: Tensor, units: list[int]) -> tuple[Tensor, list[float]]:
    """The published sum for some units, one by one: (len(units), K), and the seconds of each."""
    p, found, seconds = torch.linspace(0.998, 0.97, 100)[:, None], [], []
    for unit in units:
        begin = time.perf_counter()
        rows = values[:, unit].topk(100).indices
        found.append(torch.log(1 + p * (shares[rows] - 1) + 1e-7).sum(0))
        seconds.append(time.perf_counter() - begin)
    return torch.stack(found), seconds


def measure(images: int, concepts: int, units: int, sample: int) -> dict[str, Any]:
    """Time both ways in this process, `vital` first, whose memory is then its own."""
    values, seen, read = drawn(images, concepts, units)
    begin = time.perf_counter()
    found = answers(SIMILARITIES["soft-wpmi"], values, seen, read, top=10)
    fast = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    begin = time.perf_counter()
    shares = (10 * seen @ read.T).softmax(1)
    once = time.perf_counter() - begin
    chosen = list(range(0, units, max(1, units // sample)))[:sample]
    sums, each = loop(values, shares, chosen)
    own = (sums - found.prior).gather(1, found.concepts[chosen])
    slow = once + statistics.median(each) * units
    return {
        "vital_seconds": fast,
        "loop_seconds_scaled": slow,
        "loop_over_vital": slow / fast,
        "sampled_units": len(chosen),
        "vital_gigabytes": memory,
        "largest_difference": float((own - found.scores[chosen]).abs().amax()),
        "pass": slow / fast >= FASTER and memory < GIGABYTES,
        "machine": machine(),
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("images", 10_000), ("concepts", 20_000), ("units", 2048), ("sample", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    result = measure(given.images, given.concepts, given.units, given.sample)
    rows: list[list[object]] = [["what", "figure", "goal"]]
    rows += [["vital, seconds", f"{result['vital_seconds']:.1f}", ""]]
    rows += [
        [f"loop, seconds (scaled from {result['sampled_units']})", f"{result['loop_seconds_scaled']:.1f}", ""]
    ]
    rows += [["loop over vital", f"{result['loop_over_vital']:.1f}", f"at least {FASTER:.0f}"]]
    rows += [["memory, GB", f"{result['vital_gigabytes']:.2f}", f"under {GIGABYTES:.0f}"]]
    rows += [["largest difference of scores", f"{result['largest_difference']:.1e}", ""]]
    rows += [["goals hold" if result["pass"] else "goals missed", "", ""]]
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
