"""On the known-answer world: what does competition cost in accuracy, and does it make units easier to name?

Three seeds of the world's classifier learn to compete, as `world:competing` did (`vital.world.tasks.COMPETING`): from
its weights, with it as their teacher, on the same scenes in orders of their own, with channels in blocks of 4 and of 16
(of 16 but in the layers at the entry, whose 24 channels it does not divide; planted channels never compete). With 4
competitors seed 0 is `world:competing` itself. The dense twin is the classifier, as it is shipped. Accuracy is that of
the 64 classes on fresh scenes; activity is counted in what the layers return.

With --words the units of layer4 of the shipped pair and of the first network with 16 competitors are described by clip-
dissect: the share whose label stands (vital.describe.judge), and the share of candidates that name what the unit
responds to.

The defaults are the budget of `world:competing`, 12 epochs of 30,000 scenes: about 25 minutes a network on one core.
Goals: accuracy within 1 point of the dense twin with 4 competitors and within 3 points with 16, activity 1/U.

    python -m benchmarks.lwta_world --out runs/lwta-world --words
    python -m benchmarks.lwta_world --out runs/lwta-world --words --used 9600 --epochs 2      # sooner

Rows are kept in the folder --out as they come, each with its settings: a run that was stopped goes on, and one with
other settings starts anew beside it. What there is is written to benchmarks/results/lwta-world.json after each row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch

import vital
from benchmarks.common import report
from benchmarks.kept import Kept, Row, about, arguments, gathered, key_of, published
from benchmarks.world_words import agrees
from vital.lwta.infer import active, outputs
from vital.models import Model
from vital.models.weights import load_weights
from vital.world import unit_truths
from vital.world.corpus import Corpus, draw, rendered
from vital.world.data import fingerprint, images
from vital.world.networks import SIZE
from vital.world.tasks import COMPETING, Classify
from vital.world.train import Plan, fitted, measured
from vital.world.weights import network as shipped
from vital.world.weights import ship, wrapped

ENTRY = ("stem.2", "layer1.relu1", "layer1.relu2")
OWN = replace(COMPETING, length=1.0)
TASKS = {4: OWN, 16: replace(OWN, competitors=16, skip=ENTRY)}
DENSE = 1
GOALS = {4: 0.01, 16: 0.03}
SEEN, AVERAGED = 200, 600
"""Fresh scenes on which activity is counted, and those on which sampled answers are averaged."""

NUMBERS = (
    "class",
    "solid",
    "material",
    "active, least",
    "active, most",
    "class, 1 samples",
    "class, 6 samples",
)
WORDS = ("units", "label stands", "p at most .05", "names the truth", "AUPRC over chance")

Settings = dict[str, Any]


def planned(given: argparse.Namespace, seed: int) -> Plan:
    """How the networks of one seed are trained."""
    return Plan(
        out=given.out,
        scenes=given.used,
        fresh=given.fresh,
        epochs=given.epochs,
        batch=given.batch,
        seed=seed,
        device=given.device,
        half=given.half,
        quiet=True,
    )


def settings(given: argparse.Namespace, competitors: int, seed: int) -> Settings:
    """All that decides the row of one network."""
    dense = vital.load_model("world").weights_hash()
    if competitors == DENSE:
        return {"weights": dense, "fresh": given.fresh, "world": fingerprint()}
    plan = asdict(planned(given, seed))
    own = {name: plan[name] for name in plan if name not in {"out", "weights", "quiet"}}
    facts = {"world": fingerprint(), "parent": dense, "pool": given.scenes}
    return {"task": asdict(TASKS[competitors]), "plan": own, **facts}


def folder(given: argparse.Namespace, own: Settings) -> Path:
    """Where the checkpoint and the weights of one row are."""
    return Path(given.out) / key_of(own)


class Scenes:
    """The scenes to learn from and the fresh ones, read when they are first asked for."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given

    @cached_property
    def known(self) -> Corpus:
        return first(self._read("train", self.given.scenes), self.given.used)

    @cached_property
    def fresh(self) -> Corpus:
        return self._read("test", self.given.fresh)

    def _read(self, kind: Literal["train", "test"], count: int) -> Corpus:
        return rendered(draw(kind, count, 0), self.given.rendered / kind, SIZE, quiet=True)


def first(corpus: Corpus, count: int) -> Corpus:
    """Keep the first scenes."""
    parts = (corpus.pictures, corpus.classes, corpus.factors, corpus.planted, corpus.captions)
    return Corpus(corpus.scenes[:count], *(part[:count] for part in parts))


def one(given: argparse.Namespace, competitors: int, seed: int, own: Settings, scenes: Scenes) -> Row:
    """Train one network, unless it is the dense one, and measure it."""
    if competitors == DENSE:
        found = measured(Classify(), shipped("classifier").to(given.device), scenes.fresh)
        return {"competitors": DENSE, "seed": 0, "seconds": None, **found}
    known, fresh = scenes.known, scenes.fresh
    begin, task, out = time.process_time(), TASKS[competitors], folder(given, own)
    out.mkdir(parents=True, exist_ok=True)
    whole = not any(out.glob("*.pt"))  # what a process took that was stopped is lost
    plan = planned(argparse.Namespace(**{**vars(given), "out": out}), seed)
    network = fitted(plan, "competing", task, known)
    seconds = time.process_time() - begin if whole else None
    ship(network, out / "weights.safetensors")
    found = measured(task, network, fresh)
    row = {"competitors": competitors, "seed": seed, "seconds": seconds, **found}
    return row | answers(wrapped(network), fresh)


def answers(model: Model, fresh: Corpus) -> dict[str, float]:
    """Activity, and the accuracy of one sample and of the mean of six beside that of the deterministic answer."""
    pictures, classes = fresh.pictures[:AVERAGED].float() / 255, fresh.classes[:AVERAGED]
    shares = torch.cat(list(active(model, pictures[:SEEN]).values()))
    found = {
        "active, least": float(shares.min()),
        "active": float(shares.mean()),
        "active, most": float(shares.max()),
    }
    for samples in (0, 1, 6):
        best = torch.cat([outputs(model, part, samples).cpu() for part in pictures.split(100)]).argmax(1)
        found[f"class, {samples} samples"] = float((best == classes).float().mean())
    return found


def words(name: str, model: Model, count: int) -> Row:
    """Describe the units of layer4: how many labels stand, and how many candidates name what the unit responds to."""
    units = [f"layer4:0-{vital.survey(model)['layer4'].channels - 1}"]
    said = vital.describe(
        model, units, images=images(count, seed=21), methods=["clip-dissect"], progress=False
    )
    known = {t.unit: t for t in unit_truths(model, units, scenes=count, progress=False)}
    return {
        "network": name,
        "units": len(said),
        "label stands": sum(bool(d.label) for d in said) / len(said),
        "p at most .05": sum(d.p_value is not None and d.p_value <= 0.05 for d in said) / len(said),
        "names the truth": sum(agrees(d, known[d.unit].concept) for d in said) / len(said),
        "AUPRC over chance": sum(t.auprc / t.chance for t in known.values()) / len(known),
    }


def named(given: argparse.Namespace) -> Iterator[tuple[str, Model | None]]:
    """The networks whose units are described; None for one that is not trained yet."""
    yield "shipped, dense", vital.load_model("world")
    yield "shipped, U=4", vital.load_model("world:competing")
    path = folder(given, settings(given, 16, 0)) / "weights.safetensors"
    module = TASKS[16].build()
    if path.is_file():
        load_weights(module, path)
    yield "U=16, seed 0", wrapped(module.eval()) if path.is_file() else None


def described(given: argparse.Namespace) -> Iterator[tuple[str, Settings | None, Callable[[], Row]]]:
    """What is described: a name, its settings (None for a network that is not trained yet), and how to make the row."""
    for name, model in named(given):
        own = {"words": name, "images": given.images, "world": fingerprint()}
        yield (
            name,
            None if model is None else own | {"weights": model.weights_hash()},
            partial(words, name, model, given.images),
        )


def verdicts(rows: Sequence[Row]) -> dict[str, bool]:
    """Each goal that can be judged, and whether it holds on the mean over seeds."""
    found = {}
    mean = {
        u: sum(r["class"] for r in rows if r["competitors"] == u) / n
        for u in (DENSE, *TASKS)
        if (n := sum(r["competitors"] == u for r in rows))
    }
    for u, gap in GOALS.items():
        if u in mean and DENSE in mean:
            lost = mean[DENSE] - mean[u]
            within = f"within {100 * gap:g} points of the dense twin"
            found[f"U = {u} {within} (it is {100 * lost:.1f} below)"] = lost <= gap
    for u in sorted({r["competitors"] for r in rows} - {DENSE}):
        own = [r for r in rows if r["competitors"] == u]
        exact = all(abs(r[f"active, {end}"] - 1 / u) < 1e-6 for r in own for end in ("least", "most"))
        found[f"activity 1/{u} in every layer and image"] = exact
    return found


def result(
    given: argparse.Namespace, rows: Sequence[Row], said: Sequence[Row], missing: Sequence[str]
) -> Row:
    """All that was measured, for the page of results."""
    table = [["competitors", "seeds", *(f"{n}, %" for n in NUMBERS), "CPU seconds of one"]]
    for u in (DENSE, *TASKS):
        if own := [row for row in rows if row["competitors"] == u]:
            cells = [about([row[n] for row in own if n in row]) for n in NUMBERS]
            seconds = [row["seconds"] for row in own if row["seconds"] is not None]
            table.append([str(u), str(len(own)), *cells, about(seconds, 1)])
    spoken = [["network", *WORDS], *([row["network"], *(f"{row[n]:.4g}" for n in WORDS)] for row in said)]
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


def every(given: argparse.Namespace) -> list[tuple[int, int]]:
    """What there is to measure: competitors and seed, the dense twin first."""
    return [(DENSE, 0), *((u, seed) for seed in range(given.seeds) for u in TASKS)]


def told(given: argparse.Namespace, kept: Kept) -> Row:
    """Write what there is, and what is missing."""
    found = {f"U = {u}, seed {seed}": kept.find(settings(given, u, seed)) for u, seed in every(given)}
    said = {name: kept.find(own) if own else None for name, own, _ in described(given)}
    rows, spoken, missing = gathered(found, said)
    return published("lwta-world", result(given, rows, spoken, missing), [*rows, *spoken], given.results)


def measure(given: argparse.Namespace) -> Row:
    """Train, describe, and write each row as it comes."""
    kept, scenes = Kept(given.out / "rows.jsonl"), Scenes(given)
    for competitors, seed in every(given):
        if competitors not in (DENSE, *given.competitors):
            continue
        own = settings(given, competitors, seed)
        kept.of(own, partial(one, given, competitors, seed, own, scenes))
        told(given, kept)
    for _, own, make in described(given) if given.words else ():
        if own:
            kept.of(own, make)
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
    parser = arguments(__doc__, "runs/lwta-world", BUDGET, ("half", "words", "json"))
    parser.add_argument("--rendered", type=Path, default=Path("runs/world"), help="where the scenes are kept")
    parser.add_argument("--competitors", type=int, nargs="+", choices=TASKS, default=[*TASKS])
    asked = parser.parse_args(given)
    torch.set_num_threads(asked.threads)
    found = measure(asked)
    report(found, [*found["tables"][0], *([line] + [""] * 9 for line in found["verdicts"])], asked.json)


if __name__ == "__main__":
    main()
