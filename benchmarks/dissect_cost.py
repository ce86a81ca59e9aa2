"""What it costs to dissect a layer: soft-WPMI of 2,048 units with 20,000 concepts on 10,000 images, on two threads.

The published way goes unit by unit: take the rows of its 100 strongest images out of the softmax over concepts, and sum
log(1 + p (s − 1)). It is timed here on a sample of units, by turns with `vital`, and the median is scaled to all of
them; the cosines and the softmax that it needs once, and the prior and the best concepts at its end, are timed in full.
`vital` does the whole layer in blocks. Both need the cosines, a product of matrices, which no arithmetic of the sums
shortens: the ratio is told with them on both sides, and without (from the whole of `vital` the time of its blocks of
cosines is taken away). Embeddings and values are drawn at random.

Goals: at least 8 times faster, cosines left out on both sides, under 4 GB in all.

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
from vital.describing.matching.search import CONCEPTS, find_best_concepts
from vital.describing.matching.similarity import SIMILARITIES

FASTER, GIGABYTES = 8.0, 4.0
WIDTH = 512
ROUNDS = 4
Clocks = tuple[float, float]
"""Seconds by the clock and of CPU."""


def drawn(images: int, concepts: int, units: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values of units, and embeddings of images and concepts."""
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(images, units, generator=rng)
    seen, read = (torch.randn(n, WIDTH, generator=rng) + 0.3 for n in (images, concepts))
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
    p = 0.998 - torch.arange(100)[:, None] / 100 * 0.028
    rows = values[:, unit].topk(100).indices
    return torch.log(1 + p * (shares[rows] - 1) + 1e-7).sum(0)


def ending(sums: Tensor) -> Tensor:
    """The best concepts of all units from their sums (U, K), after the layer's prior."""
    prior = sums.logsumexp(0) - torch.tensor(float(len(sums))).log()
    return (sums - prior).topk(10).indices


def measure(images: int, concepts: int, units: int, sample: int) -> dict[str, Any]:
    """Time both ways in this process by turns, `vital` first, whose memory is then its own."""
    values, seen, read = drawn(images, concepts, units)
    taken: dict[str, list[Clocks]] = {
        part: [] for part in ("vital", "blocks", "cosines", "softmax", "units", "ending")
    }
    with timed(taken["vital"]):
        found = find_best_concepts(SIMILARITIES["soft-wpmi"], values, seen, read, top=10)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with timed(taken["cosines"]):
        product = seen @ read.T
    with timed(taken["softmax"]):
        shares = product.mul_(10).softmax(1)
    del product
    with timed(taken["ending"]):
        ending(torch.randn(units, concepts))
    chosen = list(range(0, units, max(1, units // sample)))[:sample]
    sums = []
    for part in range(ROUNDS):
        for unit in chosen[part * sample // ROUNDS : (part + 1) * sample // ROUNDS]:
            with timed(taken["units"]):
                sums.append(published(values, shares, unit))
        with timed(taken["vital"]):
            find_best_concepts(SIMILARITIES["soft-wpmi"], values, seen, read, top=10)
        with timed(taken["blocks"]):
            kept = [seen @ block.T for block in torch.split(read, CONCEPTS)]
        del kept
    own = (torch.stack(sums) - found.prior).gather(1, found.concepts[chosen])
    result = compared({part: medians(all_, units if part == "units" else 1) for part, all_ in taken.items()})
    return result | {
        "sampled_units": len(chosen),
        "vital_gigabytes": memory,
        "largest_difference": float((own - found.scores[chosen]).abs().amax()),
        "pass": result["loop_over_vital"] >= FASTER and memory < GIGABYTES,
        "machine": machine(),
    }


def compared(taken: dict[str, Clocks]) -> dict[str, Any]:
    """The ratios by the clock and by CPU time, without the cosines and with them."""
    slow = tuple(map(sum, zip(*(taken[part] for part in ("softmax", "units", "ending")), strict=True)))
    fast = tuple(whole - part for whole, part in zip(taken["vital"], taken["blocks"], strict=True))
    whole = tuple(a + b for a, b in zip(slow, taken["cosines"], strict=True))
    return {
        "vital_seconds": fast[0],
        "loop_seconds_scaled": slow[0],
        "loop_over_vital": slow[0] / fast[0],
        "loop_over_vital_cpu": slow[1] / fast[1],
        "cosines_seconds": taken["cosines"][0],
        "with_cosines": {
            "vital_seconds": taken["vital"][0],
            "loop_seconds_scaled": whole[0],
            "loop_over_vital": whole[0] / taken["vital"][0],
            "loop_over_vital_cpu": whole[1] / taken["vital"][1],
        },
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
    rows: list[list[object]] = [["what", "cosines left out", "cosines in both", "goal"]]
    both = (result, result["with_cosines"])
    for what, key, goal in (
        ("vital, seconds", "vital_seconds", ""),
        (f"loop, seconds (scaled from {result['sampled_units']})", "loop_seconds_scaled", ""),
        ("loop over vital", "loop_over_vital", f"at least {FASTER:.0f}"),
        ("loop over vital, CPU time", "loop_over_vital_cpu", ""),
    ):
        rows += [[what, *(f"{part[key]:.1f}" for part in both), goal]]
    rows += [["memory, GB", f"{result['vital_gigabytes']:.2f}", "", f"under {GIGABYTES:.0f}"]]
    rows += [["largest difference of scores", f"{result['largest_difference']:.1e}", "", ""]]
    rows += [["goals hold" if result["pass"] else "goals missed", "", "", ""]]
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
