"""Does a picture show what the network uses, or what its references look like?

Three classifiers of one architecture learned the same class names: the label follows from the solid in one, from the
material in another, from the background in the third; the other factors say nothing. All three get the *same* reference
images for a class, in which all three factors have the class's value, so that a method that copies its references
shows all of them. The judge says which factors the pictures show. A fourth network has random weights.

Goals, for `vital`: the judge names the factor that the twin uses in at least 85 %, the other two within 15 points of
chance, and with random weights each within 10 points of chance.

    python -m benchmarks.shortcut_twins --out runs/twins
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

import vital
from benchmarks.common import machine, report, start
from vital.data import ImageSet
from vital.units import OUTPUT
from vital.world.networks.shortcut_models import CHANCE, seen, twin_images
from vital.world.networks.weights import model
from vital.world.training.tasks import TWIN_CLASSES, TWIN_FACTORS

METHODS = ("vital-reference", "vital", "fourier")
GOAL, NEAR, RANDOM_NEAR = 0.85, 0.15, 0.10
RANDOM = "random"


def shown(
    name: str, method: str, pictures: ImageSet, seeds: Sequence[int], out: Path | None
) -> dict[str, float]:
    """Render all classes of a twin, and tell for each factor how often the judge sees the class's value."""
    net = model("twin-solid", pretrained=False) if name == RANDOM else model(f"twin-{name}")
    bank = vital.build_bank(net, [OUTPUT], pictures, progress=False)
    hits: dict[str, list[bool]] = {factor: [] for factor in TWIN_FACTORS}
    for seed in seeds:
        made = vital.render(
            net, [f"{OUTPUT}:0-5"], method=method, bank=bank, seed=seed, batch=6, progress=False
        )
        found = seen(torch.stack([p.image.float() for p in made]), [p.unit.index for p in made])
        for factor in TWIN_FACTORS:
            hits[factor] += found[factor]
        if out and seed == seeds[0]:
            out.mkdir(parents=True, exist_ok=True)
            made.to_grid(6, 96).save(out / f"{method}-{name}.png")
    return {factor: sum(h) / len(h) for factor, h in hits.items()}


def holds(rows: dict[str, dict[str, float]]) -> bool:
    """Whether a method shows what each twin uses, nothing else, and nothing of a network that learned nothing."""
    good = []
    for name, row in rows.items():
        near = RANDOM_NEAR if name == RANDOM else NEAR
        for factor, value in row.items():
            good.append(value >= GOAL if factor == name else abs(value - CHANCE[factor]) <= near)
    return all(good)


def measure(methods: Sequence[str], seeds: int, each: int, out: Path | None) -> dict[str, object]:
    """Render by all methods and judge."""
    pictures = twin_images(each)
    rows = {
        method: {name: shown(name, method, pictures, range(seeds), out) for name in (*TWIN_FACTORS, RANDOM)}
        for method in methods
    }
    return {
        "rows": rows,
        "chance": CHANCE,
        "pictures_per_cell": seeds * len(TWIN_CLASSES),
        "goals": {"used": GOAL, "other_within": NEAR, "random_within": RANDOM_NEAR},
        "holds": {method: holds(found) for method, found in rows.items()},
        "pass": holds(rows["vital"]) if "vital" in rows else None,
        "machine": machine(),
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--each", type=int, default=50, help="reference images per class")
    parser.add_argument("--out", type=Path, help="a folder for contact sheets")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    result = measure(given.methods.split(","), given.seeds, given.each, given.out)
    rows: list[list[object]] = [["method", "twin uses", *(f"judge sees {f}" for f in TWIN_FACTORS)]]
    for method, found in result["rows"].items():  # type: ignore[attr-defined]
        rows += [[method, name, *(f"{row[f]:.0%}" for f in TWIN_FACTORS)] for name, row in found.items()]
    chance = result["chance"]
    rows.append(["chance", "", *(f"{chance[f]:.0%}" for f in TWIN_FACTORS)])  # type: ignore[index]
    rows.append(["goals hold" if result["pass"] else "goals missed", *[""] * 4])
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
