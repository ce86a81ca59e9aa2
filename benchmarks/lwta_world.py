"""On the known-answer world: what does competition cost in accuracy, and does it make units easier to name?

Three seeds of the world's classifier learn to compete, as `world:competing` did
(`vital.world.training.tasks.COMPETING`): from its weights, with it as their teacher, on the same scenes in orders of
their own, with blocks of 4 and of 16 channels. They compete inside the residual blocks and where the classes are read,
while the way around the blocks stays whole; or everywhere. Left out always are the planted channels, and of blocks of
16 the layers of 24 channels, which 16 does not divide. With 4 competitors inside, seed 0 is `world:competing` itself.
The dense twin is the classifier, as it is shipped; one that learns on in the same way and competes nowhere is there as
a control ("longer"). Accuracy is that of the 64 classes on fresh scenes; activity is counted in what the competing
layers return, and "active of all" in what all activations return, those that do not compete too.

With --words the units of layer4 and of the activation inside it, in the dense network and in those that compete inside,
are described by clip-dissect: the share whose label stands (vital.describing.evaluation.significance), the share of
candidates that name what the unit responds to, and how far above chance the AUPRC of that concept is.

The defaults are the budget of `world:competing`, 12 epochs of 30,000 scenes: about 22 minutes on one core for each of
13 networks, and a minute or two for each layer whose units are described. Goals: activity 1/U, and for competition
inside accuracy within 1 point of the dense twin with 4 competitors and within 3 points with 16.

    python -m benchmarks.lwta_world --out runs/lwta-world --words
    python -m benchmarks.lwta_world --out runs/lwta-world --words --used 9600 --epochs 2      # sooner

Rows are kept in the folder --out as they come, each with its settings: a run that was stopped goes on, and one with
other settings starts anew beside it. What there is is written to benchmarks/results/lwta-world.json after each row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import torch

import vital
from benchmarks.common import report
from benchmarks.kept import Kept, Row, about, arguments, gathered, published
from benchmarks.lwta_twins import (
    DENSE,
    EVERYWHERE,
    INSIDE,
    LONGER,
    TASKS,
    Kind,
    Scenes,
    Settings,
    folder,
    one,
    settings,
)
from benchmarks.world_words import agrees
from vital.models import Model
from vital.models.weights import load_weights
from vital.world import unit_truths
from vital.world.networks.weights import wrapped
from vital.world.scenes.dataset import fingerprint, images

GOALS = {(INSIDE, 4): 0.01, (INSIDE, 16): 0.03}
LAYERS = ("layer4", "layer4.relu1")
"""What is described: where the classes are read, and inside the last block."""

WHERE = (LONGER[0], INSIDE, EVERYWHERE)
NUMBERS = (
    "class",
    "solid",
    "material",
    "active, least",
    "active, most",
    "active of all",
    "class, 1 samples",
    "class, 6 samples",
)
WORDS = ("label stands", "p at most .05", "names the truth")


def words(kind: Kind, seed: int, layer: str, model: Model, count: int) -> Row:
    """Describe the units of a layer: how many labels stand, and how many candidates name what the unit responds to."""
    units = [f"{layer}:0-{vital.list_layers(model)[layer].channels - 1}"]
    said = vital.describe(
        model, units, images=images(count, seed=21), methods=["clip-dissect"], progress=False
    )
    known = {t.unit: t for t in unit_truths(model, units, scenes=count, progress=False)}
    return {
        "where": kind[0],
        "competitors": kind[1],
        "seed": seed,
        "layer": layer,
        "units": len(said),
        "label stands": sum(bool(d.label) for d in said) / len(said),
        "p at most .05": sum(d.p_value is not None and d.p_value <= 0.05 for d in said) / len(said),
        "names the truth": sum(agrees(d, known[d.unit].concept) for d in said) / len(said),
        "AUPRC over chance": sum(t.auprc / t.chance for t in known.values()) / len(known),
    }


def trained(given: argparse.Namespace, kind: Kind, seed: int) -> Model | None:
    """Load a network, or None where it is not trained yet."""
    if kind == DENSE:
        return vital.load_model("world")
    path = folder(given, settings(given, kind, seed)) / "weights.safetensors"
    if not path.is_file():
        return None
    module = TASKS[kind].build()
    load_weights(module, path)
    return wrapped(module.eval())


def described(given: argparse.Namespace) -> Iterator[tuple[str, Settings | None, Callable[[], Row]]]:
    """What is described: a name, its settings (None for a network that is not trained yet), and how to make the row."""
    for kind, seed in every(given):
        if kind not in {DENSE, LONGER, *GOALS}:
            continue
        model = trained(given, kind, seed)
        for layer in LAYERS:
            name = f"{told_as(kind)}, seed {seed}, {layer}"
            if model is None:
                yield name, None, dict
                continue
            facts = {"layer": layer, "images": given.images, "world": fingerprint()}
            own = {"words": told_as(kind), "weights": model.weights_hash(), **facts}
            yield name, own, partial(words, kind, seed, layer, model, given.images)


def of(rows: Sequence[Row], kind: Kind) -> list[Row]:
    return [row for row in rows if (row["where"], row["competitors"]) == kind]


def verdicts(rows: Sequence[Row]) -> dict[str, bool]:
    """Each goal that can be judged, and whether it holds on the mean over seeds."""
    found = {}
    mean = {k: sum(r["class"] for r in own) / len(own) for k in (DENSE, *TASKS) if (own := of(rows, k))}
    for kind, gap in GOALS.items():
        if kind in mean and DENSE in mean:
            lost = mean[DENSE] - mean[kind]
            within = f"within {100 * gap:g} point{'s' * (gap > 0.01)} of the dense twin"
            found[f"{told_as(kind)}: {within} ({-100 * lost:+.1f} points beside it)"] = lost <= gap
    for kind in TASKS:
        if kind != LONGER and (own := of(rows, kind)):
            ends = [r[f"active, {end}"] for r in own for end in ("least", "most")]
            exact = all(abs(share - 1 / kind[1]) < 1e-6 for share in ends)
            found[f"{told_as(kind)}: activity 1/{kind[1]} in every competing layer and image"] = exact
    return found


def told_as(kind: Kind) -> str:
    names = {DENSE: "dense", LONGER: "dense, longer"}
    return names.get(kind, f"{kind[0]}, U = {kind[1]}")


def result(
    given: argparse.Namespace, rows: Sequence[Row], said: Sequence[Row], missing: Sequence[str]
) -> Row:
    """All that was measured, for the page of results."""
    table = [["network", "U", "seeds", *(f"{n}, %" for n in NUMBERS), "CPU seconds of one"]]
    for kind in (DENSE, *TASKS):
        if own := of(rows, kind):
            cells = [about([row[n] for row in own if n in row]) for n in NUMBERS]
            seconds = [row["seconds"] for row in own if row["seconds"] is not None]
            table.append([kind[0], str(kind[1]), str(len(own)), *cells, about(seconds, 1)])
    spoken = [["network", "U", "seeds", "layer", "units", *(f"{n}, %" for n in WORDS), "AUPRC over chance"]]
    for kind, layer in product((DENSE, LONGER, *GOALS), LAYERS):
        if own := [row for row in of(said, kind) if row["layer"] == layer]:
            cells = [about([row[n] for row in own]) for n in WORDS]
            clear = about([row["AUPRC over chance"] for row in own], 1)
            spoken.append([kind[0], str(kind[1]), str(len(own)), layer, str(own[0]["units"]), *cells, clear])
    judged = verdicts(rows)
    steps = given.epochs * (given.used // given.batch)
    return {
        "title": "Units that compete, on the world",
        "budget": f"From the classifier's weights and with it as teacher, {steps} steps of {given.batch} scenes; "
        f"{given.fresh} fresh scenes.",
        "seeds": given.seeds,
        "tables": [table, spoken] if said else [table],
        "verdicts": [f"{goal}: {'won' if holds else 'lost'}" for goal, holds in judged.items()],
        "missing": list(missing),
        "pass": not missing and all(judged.values()),
    }


def every(given: argparse.Namespace) -> list[tuple[Kind, int]]:
    """What there is to measure: the kind of network and the seed, the dense ones first, of which there is one each."""
    return [(kind, s) for kind in (DENSE, *TASKS) for s in range(1 if kind[1] == 1 else given.seeds)]


def told(given: argparse.Namespace, kept: Kept) -> Row:
    """Write what there is, and what is missing."""
    found = {
        f"{told_as(kind)}, seed {seed}": kept.find(settings(given, kind, seed)) for kind, seed in every(given)
    }
    said = {name: kept.find(own) if own else None for name, own, _ in described(given)}
    rows, spoken, missing = gathered(found, said)
    return published("lwta-world", result(given, rows, spoken, missing), [*rows, *spoken], given.results)


def measure(given: argparse.Namespace) -> Row:
    """Train, describe, and write each row as it comes."""
    kept, scenes = Kept(given.out / "rows.jsonl"), Scenes(given)
    for kind, seed in every(given):
        if kind != DENSE and not (kind[0] in given.where and kind[1] in (1, *given.competitors)):
            continue
        own = settings(given, kind, seed)
        kept.of(own, partial(one, given, kind, seed, own, scenes))
        told(given, kept)
    for _, facts, make in described(given) if given.words else ():
        if facts:
            kept.of(facts, make)
            told(given, kept)
    return told(given, kept)


BUDGET = {
    "scenes": 30_000,
    "used": 30_000,
    "fresh": 4_000,
    "epochs": 12,
    "batch": 128,
    "seeds": 3,
    "threads": 1,
    "images": 2_000,
}


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and say whether the goals hold."""
    parser = arguments(__doc__, "runs/lwta-world", BUDGET, ("bf16", "words", "json"))
    parser.add_argument("--rendered", type=Path, default=Path("runs/world"), help="where the scenes are kept")
    parser.add_argument("--where", nargs="+", choices=WHERE, default=[*WHERE])
    parser.add_argument("--competitors", type=int, nargs="+", choices=(4, 16), default=[4, 16])
    asked = parser.parse_args(given)
    torch.set_num_threads(asked.threads)
    found = measure(asked)
    report(found, [*found["tables"][0], *([line] + [""] * 11 for line in found["verdicts"])], asked.json)


if __name__ == "__main__":
    main()
