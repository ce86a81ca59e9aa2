"""Does a picture of an inner unit show what the unit responds to, and not what its references happen to share?

Takes inner units of the world's classifier that have nothing to do with the background: planted ones, which stand for
a known concept, and free ones, of which the truth was found by ranking fresh scenes: those that rank scenes by what
the thing is (its solid, material, colors or size), and those that rank them by how the scene is looked at (camera,
light, place), of which the ground and the horizon may be a part. Every unit gets references that
all have one background, another one from unit to unit, so that a method that copies its references shows it. The
judge, a network of another architecture, says whether a picture shows the concept, and how often it names the
references' background; chance is one in six. Rows: `vital` with its masks of relevance, the same without, and the
references themselves (the patches that are aligned to).

Goals, for `vital`: the judge names the concept of at least 90 % of the planted units, and the background within 15
points of chance and at least 10 points less often than without masks, for all kinds of units.

    python -m benchmarks.inner_world --out runs/inner-world
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import vital
from benchmarks.common import machine, report, start
from vital.data import ImageSet
from vital.records import Prototypes
from vital.tracing import list_layers
from vital.types import Images
from vital.utils.random import generator
from vital.world.networks.architectures import PLANTED
from vital.world.networks.judge import agrees, judged
from vital.world.networks.weights import network
from vital.world.scenes.concepts import Concept
from vital.world.scenes.dataset import Rendered
from vital.world.scenes.grammar import sample
from vital.world.scenes.ground_truth import unit_truths
from vital.world.scenes.vocabulary import FACTORS

BACKGROUNDS = FACTORS["background"]
CHANCE = 1 / len(BACKGROUNDS)
NAMED, NEAR, BELOW = 0.9, 0.15, 0.1
SURE = 0.9
"""The least AUPRC of a free unit."""
FREE = ("layer2", "layer3", "layer4")
THING = frozenset({"solid", "material", "colour", "accent", "size"})
LOOK = frozenset({"camera", "light", "place"})
VARIANTS: Mapping[str, Mapping[str, Any]] = {"masks": {}, "no masks": {"relevance": None}}
REFERENCES = "references"

Units = dict[str, Concept]
Hits = dict[str, list[bool]]


def indoors(concept: Concept) -> bool:
    """Whether the background has no part in a concept."""
    return all(factor != "background" for factor, _ in concept.wants)


def planted(count: int) -> Units:
    """Spread `count` units over the planted concepts that are no background."""
    rest = [n for n, concept in enumerate(PLANTED) if indoors(concept)]
    return {f"planted:{n}": PLANTED[n] for n in rest[:: max(1, len(rest) // count)][:count]}


def free(model: vital.Model, count: int, factors: frozenset[str]) -> Units:
    """Take the `count` free units that rank scenes best by a concept of these factors alone, surely enough."""
    names = [f"{layer}:0-{list_layers(model)[layer].channels - 1}" for layer in FREE]
    known = [
        t
        for t in unit_truths(model, names)
        if t.auprc >= SURE and factors.issuperset(factor for factor, _ in t.concept.wants)
    ]
    best = sorted(known, key=lambda t: -t.auprc)[:count]
    return {str(t.unit): t.concept for t in best}


def scenes(background: str, count: int) -> ImageSet:
    """Make `count` pictures that have the background in common and nothing else."""
    found = sample(generator("world", "inner", background), count, background=background)
    names = tuple(f"{i:04d}" for i in range(count))
    return ImageSet(Rendered(tuple(found)), names, (None,) * count, (), f"scenes on {background}")


def by_background(units: Units) -> Iterator[tuple[str, list[str]]]:
    """Deal the units out to the backgrounds in turn."""
    for place, background in enumerate(BACKGROUNDS):
        if own := list(units)[place :: len(BACKGROUNDS)]:
            yield background, own


def judge_pictures(pictures: Images, concepts: Sequence[Concept], background: str) -> Hits:
    """Whether the judge names each picture's concept, and whether it names the background."""
    words = judged(pictures, network("judge"))
    return {
        "concept": [agrees(concept, w) for concept, w in zip(concepts, words, strict=True)],
        "background": [w["background"] == background for w in words],
    }


def measured(
    model: vital.Model, units: Units, seeds: int, pool: int, count: int, out: Path | None
) -> dict[str, Hits]:
    """The hits of every row, over all units and seeds."""
    rows: dict[str, Hits] = {name: {"concept": [], "background": []} for name in (*VARIANTS, REFERENCES)}
    sheets: dict[str, Prototypes] = {name: Prototypes() for name in VARIANTS}
    layers = tuple(dict.fromkeys(unit.rpartition(":")[0] for unit in units))

    def add(row: str, pictures: Images, names: Sequence[str], background: str) -> None:
        for what, found in judge_pictures(pictures, [units[n] for n in names], background).items():
            rows[row][what] += found

    for background, own in by_background(units):
        bank = vital.build_bank(model, layers, scenes(background, pool), progress=False)
        for name in own:
            shown = bank.patches(name, count).images.float()
            add(REFERENCES, shown, [name] * len(shown), background)
        for row, options in VARIANTS.items():
            for seed in range(seeds):
                made = vital.render(
                    model, own, bank=bank, seed=seed, batch=8, progress=False, n_references=count, **options
                )
                add(row, torch.stack([p.image.float() for p in made]), own, background)
                if not seed:
                    sheets[row] += made
    if out:
        out.mkdir(parents=True, exist_ok=True)
        for row, made in sheets.items():
            made.to_grid(6, 96).save(out / f"{row.replace(' ', '-')}.png")
    return rows


def share(hits: Hits) -> dict[str, float]:
    """How often, of all pictures."""
    return {what: sum(found) / len(found) for what, found in hits.items()} | {
        "pictures": len(hits["concept"])
    }


def holds(kind: str, rows: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether the goals hold for a kind of unit."""
    own, bare = rows["masks"], rows["no masks"]
    named = kind != "planted" or own["concept"] >= NAMED
    gone = own["background"] <= CHANCE + NEAR and own["background"] <= bare["background"] - BELOW
    return named and gone


def measure(given: argparse.Namespace) -> dict[str, object]:
    """Render and judge all kinds of units."""
    model = vital.load_model("world")
    kinds = {
        "planted": planted(given.planted) if given.planted else {},
        "free": free(model, given.free, THING),
        "look": free(model, given.look, LOOK),
    }
    began, rows = time.perf_counter(), {}
    for kind, units in kinds.items():
        if units:
            found = measured(
                model, units, given.seeds, given.pool, given.references, given.out and given.out / kind
            )
            rows[kind] = {row: share(hits) for row, hits in found.items()}
            print(kind, rows[kind], flush=True)
    return {
        "units": {kind: {name: c.name for name, c in units.items()} for kind, units in kinds.items()},
        "seeds": given.seeds,
        "rows": rows,
        "chance": CHANCE,
        "goals": {"concept": NAMED, "background_within": NEAR, "below_no_masks": BELOW},
        "holds": {kind: holds(kind, found) for kind, found in rows.items()},
        "pass": all(holds(kind, found) for kind, found in rows.items()),
        "seconds": time.perf_counter() - began,
        "machine": machine(),
    }


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("planted", 18),
        ("free", 16),
        ("look", 8),
        ("seeds", 3),
        ("pool", 300),
        ("references", 3),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="a folder for contact sheets")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start()
    result = measure(given)
    table: list[list[object]] = [
        ["units", "row", "concept named", "references' background named", "pictures"]
    ]
    for kind, rows in result["rows"].items():  # type: ignore[attr-defined]
        for name, r in rows.items():
            table.append([kind, name, f"{r['concept']:.0%}", f"{r['background']:.0%}", r["pictures"]])
    table.append(["chance", "", "", f"{CHANCE:.0%}", ""])
    table.append(["goals hold" if result["pass"] else "goals missed", *[""] * 4])
    report(result, table, given.json)


if __name__ == "__main__":
    main()
