"""What it costs to dissect a layer: soft-WPMI of 2,048 units with 20,000 concepts on 10,000 images, on two threads.

The published way goes unit by unit: take the rows of its 100 strongest images out of the softmax over concepts, and sum
log(1 + p (s − 1)). It is timed here on a sample of units, by turns with `vital`, and the median is scaled to all of
them; the cosines and the softmax that it needs once are timed in full. `vital` does the whole layer in blocks, its
cosines and its softmax included. Embeddings and values are drawn at random: they do not change what is computed.

Goals: at least 8 times faster, under 4 GB in all.

    python -m benchmarks.dissect_cost
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import machine, report, start
from vital.describe.retrieval import answers
from vital.describe.similarity import SIMILARITIES

FASTER, GIGABYTES = 8.0, 4.0
WIDTH = 512
ROUNDS = 4
Clocks = tuple[float, float]
"""Seconds by the clock and of CPU."""


def drawn(images: int, concepts: int, units: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values of units, and embeddings of images and concepts."""
    dice = torch.Generator().manual_seed(0)
    values = torch.randn(images, units, generator=dice)
    seen, read = (torch.randn(n, WIDTH, generator=dice) + 0.3 for n in (images, concepts))
    return values, *(torch.nn.functional.normalize(part, dim=1) for part in (seen, read))


@contextmanager
def timed(taken: list[Clocks]) -> Iterator[None]:
    """Append what the body takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    taken.append((time.perf_counter() - wall, time.process_time() - cpu))


def medians(taken: list[Clocks], times: int = 1) -> Clocks:
    """The medians of both clocks, scaled."""
    wall, cpu = (statistics.median(clock) * times for clock in zip(*taken, strict=True))
    return wall, cpu


def published(values: Tensor, shares: Tensor, unit: int) -> Tensor:
    """The published sum for one unit: (K,)."""
    p = torch.linspace(0.998, 0.97, 100)[:, None]
    rows = values[:, unit].topk(100).indices
    return torch.log(1 + p * (shares[rows] - 1) + 1e-7).sum(0)


def measure(images: int, concepts: int, units: int, sample: int) -> dict[str, Any]:
    """Time both ways in this process by turns, `vital` first, whose memory is then its own."""
    values, seen, read = drawn(images, concepts, units)
    fast: list[Clocks] = []
    each: list[Clocks] = []
    with timed(fast):
        found = answers(SIMILARITIES["soft-wpmi"], values, seen, read, top=10)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with timed(cosines := []):
        product = seen @ read.T
    with timed(softmax := []):
        shares = product.mul_(10).softmax(1)
    del product
    chosen = list(range(0, units, max(1, units // sample)))[:sample]
    sums = []
    for part in range(ROUNDS):
        for unit in chosen[part * sample // ROUNDS : (part + 1) * sample // ROUNDS]:
            with timed(each):
                sums.append(published(values, shares, unit))
        with timed(fast):
            answers(SIMILARITIES["soft-wpmi"], values, seen, read, top=10)
    own = (torch.stack(sums) - found.prior).gather(1, found.concepts[chosen])
    result = compared(medians(fast), medians(each, units), cosines[0], softmax[0])
    return result | {
        "sampled_units": len(chosen),
        "vital_gigabytes": memory,
        "largest_difference": float((own - found.scores[chosen]).abs().amax()),
        "pass": result["loop_over_vital"] >= FASTER and memory < GIGABYTES,
        "machine": machine(),
    }


def compared(fast: Clocks, sums: Clocks, cosines: Clocks, softmax: Clocks) -> dict[str, Any]:
    """The ratios in all, by the clock and by CPU time; the cosines, which both need, are in both."""
    slow = tuple(map(sum, zip(sums, cosines, softmax, strict=True)))
    return {
        "vital_seconds": fast[0],
        "vital_cpu_seconds": fast[1],
        "cosines_seconds": cosines[0],
        "loop_seconds_scaled": slow[0],
        "loop_cpu_seconds_scaled": slow[1],
        "loop_over_vital": slow[0] / fast[0],
        "loop_over_vital_cpu": slow[1] / fast[1],
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
    rows += [["loop over vital, CPU time", f"{result['loop_over_vital_cpu']:.1f}", ""]]
    rows += [["cosines alone, which both need, seconds", f"{result['cosines_seconds']:.1f}", ""]]
    rows += [["memory, GB", f"{result['vital_gigabytes']:.2f}", f"under {GIGABYTES:.0f}"]]
    rows += [["largest difference of scores", f"{result['largest_difference']:.1e}", ""]]
    rows += [["goals hold" if result["pass"] else "goals missed", "", ""]]
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
