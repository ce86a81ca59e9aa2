"""On the known-answer world: does another network see in a prototype what the unit stands for?

Renders class units and planted units of the world's classifier by each method and seed, and shows the pictures to the
judge, a network of another architecture. A picture counts when the judge names all that the unit stands for: solid and
material of a class, the value of a planted concept. Beside it the Fréchet distance between the judge's features of the
pictures and of fresh scenes. Control: the same methods on a network with random weights.

Goals: the judge names at least 90 % for `vital`, more than for any other method, at a smaller Fréchet distance.

    python -m benchmarks.world_methods --out runs/world-methods
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

import vital
from benchmarks.common import machine, report, start
from vital.units import OUTPUT
from vital.world.concepts import Concept
from vital.world.data import CLASSES, images
from vital.world.judging import agrees, judged
from vital.world.networks import PLANTED, Judge, normalised
from vital.world.weights import network

METHODS = ("vital", "vital-reference", "fourier", "maco", "pixels", "deep-inversion")
GOAL = 0.9


class Features(nn.Module):
    """The judge's features, as torchmetrics wants an extractor."""

    num_features = 168

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, pictures: Tensor) -> Tensor:
        return self.judge.features(normalised(pictures))


def units_of(classes: int, planted: int) -> dict[str, Concept]:
    """Spread units over the classes and the planted concepts, each with the concept that it stands for."""
    found = {}
    for number in spread(len(CLASSES), classes):
        material, solid = CLASSES[number].split()
        found[f"class:{number}"] = Concept((("material", material), ("solid", solid)))
    return found | {f"planted:{n}": PLANTED[n] for n in spread(len(PLANTED), planted)}


def spread(of: int, count: int) -> list[int]:
    """Take `count` numbers below `of`, evenly; step 5 through the classes meets all solids and all materials."""
    count = min(count, of)
    return sorted({(5 * i) % of if of == len(CLASSES) else i * of // count for i in range(count)})


def frechet(judge: Judge, pictures: Tensor, real: Tensor) -> float:
    """The Fréchet distance of the judge's features."""
    metric = FrechetInceptionDistance(Features(judge), input_img_size=(3, 64, 64))
    for part, is_real in ((real, True), (pictures, False)):
        for batch in torch.split(part, 100):
            metric.update(batch, real=is_real)
    return float(metric.compute())


def shares(wanted: dict[str, Concept], pictures: Tensor, judge: Judge) -> dict[str, list[bool]]:
    """Whether the judge names each unit, by kind of unit; pictures hold all units, once or several times over."""
    names = list(wanted) * (len(pictures) // len(wanted))
    hits: dict[str, list[bool]] = {OUTPUT: [], "planted": []}
    for name, words in zip(names, judged(pictures, judge), strict=True):
        hits[name.split(":")[0]].append(agrees(wanted[name], words))
    return hits


def rendered(
    model: vital.Model,
    bank: vital.ReferenceBank,
    name: str,
    units: Sequence[str],
    seeds: int,
    out: Path | None,
) -> tuple[Tensor, float]:
    """Render all units with all seeds: (seeds · units, 3, 64, 64) and the seconds that it took."""
    begin = time.perf_counter()
    made = [
        vital.render(model, units, method=name, bank=bank, seed=seed, batch=8, progress=False)
        for seed in range(seeds)
    ]
    seconds = time.perf_counter() - begin
    if out:
        out.mkdir(parents=True, exist_ok=True)
        made[0].sheet(8, 96).save(out / f"{model.weights}-{name}.png")
    return torch.stack([p.image.float() for group in made for p in group]), seconds


def measure(
    methods: Sequence[str],
    classes: int,
    planted: int,
    seeds: int,
    pool: int,
    out: Path | None,
    control: bool = True,
) -> dict[str, object]:
    """Render by all methods and measure; without `control` the network with random weights is left out."""
    judge = network("judge")
    assert isinstance(judge, Judge)
    wanted = units_of(classes, planted)
    pictures, fresh = images(pool), images(2000, seed=1)
    real = torch.stack([torch.from_numpy(fresh[i]).permute(2, 0, 1).float() / 255 for i in range(len(fresh))])
    rows: dict[str, dict[str, float]] = {}
    for weights in ("shipped", "random") if control else ("shipped",):
        model = vital.load_model("world", weights=None if weights == "shipped" else "none")
        bank = vital.reference_bank(model, [OUTPUT, "planted"], pictures, progress=True)
        for name in methods:
            shown, seconds = rendered(
                model, bank, name, list(wanted), seeds if weights == "shipped" else 1, out
            )
            hits = shares(wanted, shown, judge)
            rows[name if weights == "shipped" else f"{name}, random weights"] = {
                **{kind: sum(h) / max(1, len(h)) for kind, h in hits.items()},
                "all": sum(map(sum, hits.values())) / len(shown),
                "frechet": frechet(judge, shown, real),
                "pictures": len(shown),
                "seconds": seconds,
            }
            print(name, weights, rows[next(reversed(rows))], flush=True)
    return {
        "units": list(wanted),
        "seeds": seeds,
        "rows": rows,
        "goals": {"judge": GOAL},
        **verdict(rows),
        "machine": machine(),
    }


def verdict(rows: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    """Say whether `vital` wins and the goals hold; None where it or all the others were left out."""
    own = rows.get("vital")
    others = [row for name, row in rows.items() if "random" not in name and not name.startswith("vital")]
    if own is None or not others:
        return {"wins": None, "pass": None}
    wins = {
        "judge": all(own["all"] > row["all"] for row in others),
        "frechet": all(own["frechet"] < row["frechet"] for row in others),
    }
    return {
        "wins": wins,
        "pass": own[OUTPUT] >= GOAL and own["planted"] >= GOAL and all(wins.values()),
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default=",".join(METHODS))
    for name, default in (("classes", 16), ("planted", 16), ("seeds", 3), ("pool", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="a folder for contact sheets")
    parser.add_argument("--no-control", action="store_true", help="leave out the network with random weights")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    result = measure(
        given.methods.split(","),
        given.classes,
        given.planted,
        given.seeds,
        given.pool,
        given.out,
        not given.no_control,
    )
    rows: list[list[object]] = [["method", "class", "planted", "Fréchet (judge, 168)", "n", "seconds"]]
    for name, r in result["rows"].items():  # type: ignore[attr-defined]
        rows.append(
            [
                name,
                f"{r[OUTPUT]:.0%}",
                f"{r['planted']:.0%}",
                f"{r['frechet']:.1f}",
                r["pictures"],
                f"{r['seconds']:.0f}",
            ]
        )
    words = {True: "goals hold", False: "goals missed", None: "too few methods for the goals"}
    rows.append([words[result["pass"]], *[""] * 5])  # type: ignore[index]
    report(result, rows, given.json)


if __name__ == "__main__":
    main()
