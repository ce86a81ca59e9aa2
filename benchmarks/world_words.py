"""On the known-answer world: do the words that methods find for units agree with what the units respond to?

Describes all class units, all planted units and `--free` (64) units of the world's classifier that were taught nothing,
half of layer4 and half of layer3, and the same units of a network with random weights. The truth of a unit is the
concept that its value ranks best on 20,000 other scenes (`vital.world.truth`). A candidate agrees when it names the
same values of the same factors. For free units the table has the AUPRC of the candidate's true presence on the held-out
images, divided by that of the truth's concept: the mean and the median. For them the best method should reach .7 on
average.

Goals, for clip-dissect: at least 95 % of class and planted units agree and at most 5 % of them abstain; at least 95 %
of the units of the random network abstain.

    python -m benchmarks.world_words --methods clip-dissect,linear,activation-ranges
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor

import vital
from benchmarks.common import machine, report
from vital.activations.matrix import build_matrix
from vital.describing import DESCRIBERS
from vital.describing.api import Words, describers_of, prepared
from vital.describing.evaluation.table import RANDOM_SEED, score_rows, shown_rows
from vital.metrics import METRICS
from vital.models.random import random_weights
from vital.records import Description
from vital.units import Unit
from vital.world import Concept, Scene, truths, unit_truths
from vital.world.networks.backends import named
from vital.world.scenes.dataset import images, scenes_of

GOAL, MOST_ABSTAIN = 0.95, 0.05


def kinds_of(free: int) -> dict[str, list[str]]:
    """The units by kind, `free` of them units that were taught nothing."""
    half = (free + 1) // 2
    layers = {"layer4": half, "layer3": free - half}
    found = {"class": ["class:0-63"], "planted": ["planted:0-43"]}
    return found | {"free": [f"{layer}:{i}" for layer, count in layers.items() for i in range(count)]}


def agrees(given: Description, concept: Concept) -> bool:
    """Whether a candidate names what the truth names, and nothing else."""
    return named(said(given)) == dict(concept.wants)


def said(given: Description) -> str:
    """The candidate; of a weighted sum the weightiest term."""
    terms = given.details.get("terms")
    return str(terms[0][0]) if terms else given.candidate


def presence(text: str, scenes: Sequence[Scene]) -> Tensor:
    """Where a text is true, as far as it names anything of the world: (N,)."""
    wants = named(text)
    return (
        truths(scenes, [Concept(tuple(wants.items()))])[:, 0].double() if wants else torch.zeros(len(scenes))
    )


def relative(words: Words, given: Sequence[Description], known: dict[Unit, Concept]) -> list[float]:
    """The candidates' AUPRC over that of the truths, on held-out images."""
    pictures = words.context.images
    assert pictures is not None
    found = build_matrix(words.context.model, pictures, [d.unit for d in given])
    held = ~found.choosing
    scenes = [scenes_of(pictures)[int(i)] for i in found.numbers[held]]
    shares = []
    for d in given:
        values = found.of([d.unit])[held][:, 0]
        own, best = (METRICS["auprc"](values, presence(t, scenes)) for t in (said(d), known[d.unit].name))
        shares.append(float(own / best))
    return shares


def share(hits: Sequence[bool]) -> float:
    return sum(hits) / max(1, len(hits))


def measured(
    words: Words, units: dict[str, list[Unit]], known: dict[Unit, Concept], random: Words
) -> dict[str, Any]:
    """All figures of one method."""
    begin, found = time.perf_counter(), {}
    said_of = {kind: words.describe(own) for kind, own in units.items()}
    for kind, given in said_of.items():
        found[kind] = share([agrees(d, known[d.unit]) for d in given])
        found[f"{kind} abstain"] = share([not d.label for d in given])
    ratios = relative(words, said_of["free"], known)
    found |= {"free AUPRC": fmean(ratios), "free AUPRC median": median(ratios)}
    found["seconds"] = time.perf_counter() - begin
    unknowing = [d for own in units.values() for d in random.describe(own)]
    found["random abstain"] = share([not d.label for d in unknowing])
    rows = score_rows(words.evaluator(), [d for given in said_of.values() for d in given], unknowing)
    return found | {"scores": rows}


def measure(
    methods: Sequence[str], count: int, seed: int, n_random_models: int, free: int = 64
) -> dict[str, Any]:
    """Measure methods one after the other."""
    model, pictures = vital.load_model("world"), images(count, seed=seed)
    units = {kind: model.units(specs) for kind, specs in kinds_of(free).items()}
    every = [unit for own in units.values() for unit in own]
    known = {t.unit: t.concept for t in unit_truths(model, every)}
    blank = replace(random_weights(model, RANDOM_SEED), name="world")
    rows = {}
    for name in methods:
        words, random = (
            prepared(
                network, every, describers_of([name], {"n_random_models": n_random_models}), bank=None,
                images=pictures, concepts=None, backends={},
            )
            for network in (model, blank)
        )  # fmt: skip
        rows[name] = measured(words, units, known, random)
        print(name, {k: round(v, 3) for k, v in rows[name].items() if k != "scores"}, flush=True)
    return {"images": count, "rows": rows, "goal": GOAL, "pass": holds(rows), "machine": machine()}


def holds(rows: dict[str, dict[str, Any]]) -> bool:
    """Whether clip-dissect reaches its goals."""
    own = rows.get("clip-dissect", {})
    return bool(own) and (
        min(own["class"], own["planted"], own["random abstain"]) >= GOAL
        and max(own["class abstain"], own["planted abstain"]) <= MOST_ABSTAIN
    )


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default=",".join(DESCRIBERS))
    for name, default in (("images", 4000), ("seed", 21), ("n-random-models", 3), ("free", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = measure(given.methods.split(","), given.images, given.seed, given.n_random_models, given.free)
    columns = [name for name in next(iter(result["rows"].values())) if name != "scores"]
    rows: list[list[object]] = [["method", *columns]]
    rows += [[name, *(f"{row[c]:.3f}" for c in columns)] for name, row in result["rows"].items()]
    report(
        result,
        [*rows, ["goals hold" if result["pass"] else "goals missed", *[""] * len(columns)]],
        given.json,
    )
    if not given.json:
        for row in result["rows"].values():
            head, cells = shown_rows(row["scores"])
            report({}, [head, *cells], as_json=False)


if __name__ == "__main__":
    main()
