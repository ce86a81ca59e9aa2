"""Describe-and-Dissect on the world, where it is known what units respond to.

Describes all class units, all planted units and free units, and says how many labels are the truth: the factor values
that a label names (`named`, vital/world/networks/backends.py) are those of the unit's concept, no more and no fewer. Of
free units, which have no taught concept, it gives the area under the precision-recall curve of the label's concept on
fresh scenes, over that of the truth's. Beside the default score the published ones are run on the same candidates and
the same images. What is said of each unit is told on standard error as soon as it is known.

Goals: at least 95 % of class and planted units for `dnd`, 85 % for `prototype`.

    python -m benchmarks.world_dnd
    python -m benchmarks.world_dnd --method prototype --every 4 --prototypes runs/prototypes
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import vital
from benchmarks.common import machine, report, start
from vital.backends import load_captioner, load_encoder, load_generator
from vital.describing import Context, describer
from vital.describing.candidates.scoring import SCORERS
from vital.describing.candidates.top_images import values
from vital.records import Description
from vital.rendering.api import groups, units_per_batch
from vital.units import Unit
from vital.utils.random import generator
from vital.world import Concept, concepts, sample
from vital.world.networks.architectures import PLANTED
from vital.world.networks.backends import named
from vital.world.scenes.concepts import truths
from vital.world.scenes.dataset import image_set
from vital.world.scenes.ground_truth import unit_truths
from vital.world.training.metrics import average_precision

GOALS = {"dnd": 0.95, "prototype": 0.85}
SCENES = 2000

TOGETHER = 16
"""Units that are described at a time."""


def build_context(images: vital.ImageSet, **more: Any) -> Context:
    """The world's network, backends and a bank over its images."""
    model = vital.load_model("world")
    bank = vital.build_bank(model, ["planted", "layer4"], images)
    backends: dict[str, Any] = {
        "captioner": load_captioner("world"),
        "encoder": load_encoder("world"),
        "generator": load_generator("world"),
        "concepts": tuple(concept.name for concept in concepts()),
    }
    return Context(model, images, bank, **{**backends, **more})


def chosen(every: int, free: int) -> dict[str, list[str]]:
    """The units by kind."""
    return {
        "class": [f"class:{i}" for i in range(0, 64, every)],
        "planted": [f"planted:{i}" for i in range(0, len(PLANTED), every)],
        "free": [f"layer4:{i}" for i in range(free)],
    }


def hits(said: Sequence[Description], concept: Sequence[Concept]) -> list[bool]:
    """Whether each label names the concept."""
    return [named(d.label) == dict(c.wants) for d, c in zip(said, concept, strict=True)]


def relative(model: vital.Model, said: Sequence[Description], concept: Sequence[Concept]) -> list[float]:
    """Area of each label's concept over that of the truth's, on fresh scenes; 0 for a label that names nothing."""
    scenes = sample(generator("benchmarks", "world_dnd"), SCENES)
    pictures = image_set(scenes).tensor(range(SCENES), model)
    found = values(model, [d.unit for d in said], pictures)
    ratios = []
    for row, (d, c) in enumerate(zip(said, concept, strict=True)):
        wants = tuple(named(d.label).items())
        shown = truths(scenes, [Concept(wants) if wants else c, c]).T
        own, best = average_precision(found[row : row + 1], shown)[0].tolist()
        ratios.append(own / best if wants else 0.0)
    return ratios


def told(
    method: str, context: Context, units: Sequence[Unit], truth: Mapping[str, Concept], **options: Any
) -> Iterator[Description]:
    """Describe units, some at a time, and tell each label beside the truth as it comes."""
    for some in groups(units, TOGETHER):
        for said in describer(method, **options).describe(context, some):
            print(f"{said.unit}: {truth[str(said.unit)].name} → {said.label}", file=sys.stderr, flush=True)
            yield said


def measure(method: str, context: Context, kinds: dict[str, list[str]], **options: Any) -> dict[str, Any]:
    """Describe all units and compare with the truth."""
    units = [unit for own in kinds.values() for unit in own]
    truth = {str(t.unit): t.concept for t in unit_truths(context.model, units, progress=False)}
    began = time.perf_counter()
    asked = context.model.units(units)
    said = {str(d.unit): d for d in told(method, context, asked, truth, **options)}
    row: dict[str, Any] = {"seconds": time.perf_counter() - began, "missed": {}}
    for kind in ("class", "planted"):
        right = hits([said[u] for u in kinds[kind]], [truth[u] for u in kinds[kind]])
        row[kind] = [sum(right), len(right)]
        missed = [u for u, hit in zip(kinds[kind], right, strict=True) if not hit]
        row["missed"] |= {u: [truth[u].name, said[u].label] for u in missed}
    if free := kinds["free"]:
        ratios = relative(context.model, [said[u] for u in free], [truth[u] for u in free])
        row["free"] = [statistics.median(ratios), statistics.mean(ratios), sum(r >= 0.9 for r in ratios)]
    known = row["class"][1] + row["planted"][1]
    row["agreement"] = (row["class"][0] + row["planted"][0]) / known
    return row


def drawn(context: Context, folder: Path, steps: int) -> Any:
    """Render prototypes, and keep them in a folder."""
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True, exist_ok=True)

    def one(unit: Unit, seed: int) -> Path:
        return folder / f"{unit.slug}-{seed}.safetensors"

    def draw(units: Sequence[Unit], seed: int) -> list[vital.Prototype]:
        missing = [unit for unit in units if not one(unit, seed).is_file()]
        for some in groups(missing, units_per_batch(context.model)):
            for made in vital.render(
                context.model, some, bank=context.bank, seed=seed, steps=steps, progress=False
            ):
                kept = {"image": made.image.contiguous(), "alpha": made.alpha.contiguous()}
                save_file(kept, one(made.unit, seed))
        kept = [load_file(one(unit, seed)) for unit in units]
        pairs = zip(units, kept, strict=True)
        return [vital.Prototype(u, k["image"], k["alpha"], "vital", seed) for u, k in pairs]

    return draw


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", default="dnd", choices=sorted(GOALS))
    parser.add_argument("--scores", default=",".join(SCORERS), help="scoring functions to compare")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the images, of shuffles and of what is drawn")
    parser.add_argument("--every", type=int, default=1, help="describe every n-th unit")
    parser.add_argument("--free", type=int, default=64)
    parser.add_argument("--prototypes", type=Path, default=Path("runs/prototypes"))
    parser.add_argument("--steps", type=int, default=128, help="of prototypes")
    parser.add_argument("--no-generator", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    pictures = vital.load_images("world") if (given.images, given.seed) == (1000, 0) else None
    if pictures is None:
        from vital.world.scenes.dataset import images

        pictures = images(given.images, given.seed)
    more: dict[str, Any] = {"generator": None} if given.no_generator else {}
    context = build_context(pictures, seed=given.seed, **more)
    if given.method == "prototype":
        context = build_context(
            pictures, seed=given.seed, prototypes=drawn(context, given.prototypes, given.steps), **more
        )
    kinds = chosen(given.every, given.free)
    rows = {score: measure(given.method, context, kinds, scoring=score) for score in given.scores.split(",")}
    goal = rows.get("auprc", {}).get("agreement", 0.0) >= GOALS[given.method]
    table: list[list[object]] = [
        ["score", "class", "planted", "agreement", "free: median, mean, ≥ 0.9", "seconds"]
    ]
    for name, row in rows.items():
        free = "{:.3f} {:.3f} {}".format(*row["free"]) if "free" in row else ""
        shown = ["{} of {}".format(*row[kind]) for kind in ("class", "planted")]
        table.append([name, *shown, f"{100 * row['agreement']:.1f} %", free, f"{row['seconds']:.0f}"])
    table += [
        ["missed", *("{}: {} → {}".format(unit, *both),)] + [""] * 4
        for unit, both in rows.get("auprc", {}).get("missed", {}).items()
    ]
    table.append(["goal holds" if goal else "goal missed", *[""] * 5])
    report({"method": given.method, "rows": rows, "goal": goal, "machine": machine()}, table, given.json)


if __name__ == "__main__":
    main()
