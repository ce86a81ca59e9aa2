"""On the known-answer world: what does competition cost in accuracy, and does it make units easier to name?

Three seeds of the world's classifier go on learning from its shipped weights, on the same scenes in orders of
their own: dense, and with channels that compete in blocks of 4 and of 16 (of 16 but in the two layers at the entry,
whose 24 channels it does not divide; planted channels never compete). Every network gets the same number of steps.
Accuracy is that of the 64 classes on fresh scenes; activity is counted in what the layers return.

With --words the units of layer4 of the shipped pair and of the networks of the first seed are described by clip-
dissect: the share whose label stands (vital.describe.judge), and the share of candidates that name what the unit
responds to.

The defaults are a reduced budget: 150 steps of 64 scenes. Goals: accuracy within 1 point of the dense twin with 4
competitors and within 3 points with 16, activity 1/U.

    python -m benchmarks.lwta_world --out runs/lwta-world --words
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import vital
from benchmarks.common import machine, report
from benchmarks.world_words import agrees
from vital.files import as_json, write
from vital.lwta.infer import active, outputs
from vital.models import Model
from vital.world import unit_truths
from vital.world.corpus import Corpus, draw, rendered
from vital.world.data import images
from vital.world.networks import SIZE
from vital.world.tasks import Classify
from vital.world.train import Plan, fitted, measured
from vital.world.weights import ship, wrapped

ENTRY = ("stem.2", "layer1.relu1", "layer1.relu2")
TASKS = {
    1: Classify(parent="classifier", rate=1 / 3),
    4: Classify(parent="classifier", rate=1 / 3, competitors=4),
    16: Classify(parent="classifier", rate=1 / 3, competitors=16, skip=ENTRY),
}
GOALS = {4: 0.01, 16: 0.03}
SEEN, AVERAGED = 200, 600
"""Fresh scenes on which activity is counted, and those on which sampled answers are averaged."""


def one(competitors: int, plan: Plan, known: Corpus, fresh: Corpus) -> dict[str, Any]:
    """Train one network and measure it."""
    begin, task = time.process_time(), TASKS[competitors]
    network = fitted(plan, f"competing-{competitors}", task, known)
    seconds = time.process_time() - begin
    found = measured(task, network, fresh)
    ship(network, plan.out / f"u{competitors}-s{plan.seed}.safetensors")
    row = {"competitors": competitors, "seed": plan.seed, "seconds": seconds, **found}
    return row | (answers(wrapped(network), fresh) if competitors > 1 else {})


def answers(model: Model, fresh: Corpus) -> dict[str, float]:
    """Activity, and the accuracy of one sample and of the mean of six beside that of the deterministic answer."""
    pictures, classes = fresh.pictures.float() / 255, fresh.classes
    shares = torch.cat(list(active(model, pictures[:SEEN]).values()))
    found = {
        "active, least": float(shares.min()),
        "active": float(shares.mean()),
        "active, most": float(shares.max()),
    }
    for samples in (0, 1, 6):
        best = torch.cat([outputs(model, part, samples) for part in pictures[:AVERAGED].split(100)]).argmax(1)
        found[f"class, {samples} samples"] = float((best == classes[:AVERAGED]).float().mean())
    return found


def words(name: str, model: Model, count: int, scenes: int) -> dict[str, Any]:
    """Describe the units of layer4: how many labels stand, and how many candidates name what the unit responds to."""
    units = [f"layer4:0-{vital.survey(model)['layer4'].channels - 1}"]
    said = vital.describe(
        model, units, images=images(count, seed=21), methods=["clip-dissect"], progress=False
    )
    known = {t.unit: t for t in unit_truths(model, units, scenes=scenes, progress=False)}
    stands = [bool(d.label) for d in said]
    right = [agrees(d, known[d.unit].concept) for d in said]
    return {
        "network": name,
        "units": len(said),
        "label stands": sum(stands) / len(said),
        "p at most .05": sum(d.p_value is not None and d.p_value <= 0.05 for d in said) / len(said),
        "names the truth": sum(right) / len(said),
        "AUPRC over chance": sum(t.auprc / t.chance for t in known.values()) / len(known),
    }


def described(out: Path, count: int, scenes: int, done: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Describe the shipped pair and the networks of the first seed, and keep each row as it comes."""
    from vital.models.weights import load_weights

    models = {"shipped dense": vital.load_model("world"), "shipped U=4": vital.load_model("world:competing")}
    for competitors, task in TASKS.items():
        path = out / f"u{competitors}-s0.safetensors"
        if path.is_file():
            module = task.build()
            load_weights(module, path)
            models[f"U={competitors}, seed 0"] = wrapped(module.eval())
    rows = list(done)
    for name, model in models.items():
        if name not in {row["network"] for row in rows}:
            rows.append(words(name, model, count, scenes))
            write(out / "words.json", as_json({"rows": rows}))
            print(rows[-1], flush=True)
    return rows


def holds(rows: list[dict[str, Any]]) -> bool:
    """Whether every goal is reached, on the mean over seeds."""
    mean = {
        u: sum(r["class"] for r in rows if r["competitors"] == u)
        / max(1, sum(r["competitors"] == u for r in rows))
        for u in TASKS
    }
    sparse = all(abs(r["active"] - 1 / r["competitors"]) < 1e-6 for r in rows if r["competitors"] > 1)
    return bool(rows) and sparse and all(mean[u] >= mean[1] - gap for u, gap in GOALS.items())


def kept(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["rows"] if path.is_file() else []


def main() -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/lwta-world"))
    parser.add_argument("--rendered", type=Path, default=Path("runs/world"), help="where the scenes are kept")
    for name, default in (
        ("scenes", 30_000),
        ("used", 9_600),
        ("fresh", 4_000),
        ("seeds", 3),
        ("threads", 1),
        ("images", 2_000),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = kept(given.out / "results.json")
    if len(rows) < given.seeds * len(TASKS):
        known = rendered(draw("train", given.scenes, 0), given.rendered / "train", SIZE, quiet=True)
        fresh = rendered(draw("test", given.fresh, 0), given.rendered / "test", SIZE, quiet=True)
        known = first(known, given.used)
        for seed in range(given.seeds):
            for competitors in TASKS:
                if any((r["seed"], r["competitors"]) == (seed, competitors) for r in rows):
                    continue
                plan = Plan(out=given.out, scenes=given.used, epochs=1, batch=64, seed=seed, quiet=True)
                rows.append(one(competitors, plan, known, fresh))
                write(given.out / "results.json", as_json({"rows": rows, "plan": str(asdict(plan))}))
                print({k: round(v, 4) for k, v in rows[-1].items()}, flush=True)
    said = (
        described(given.out, given.images, given.images, kept(given.out / "words.json"))
        if given.words
        else []
    )
    result = {"rows": rows, "words": said, "pass": holds(rows), "machine": machine()}
    columns = [
        "competitors",
        "seed",
        "class",
        "solid",
        "material",
        "active",
        "class, 1 samples",
        "class, 6 samples",
    ]
    cells = [[f"{row.get(c, 1.0):.4g}" for c in columns] for row in rows]
    report(result, [columns, *cells], given.json)


def first(corpus: Corpus, count: int) -> Corpus:
    """Keep the first scenes."""
    parts = (corpus.pictures, corpus.classes, corpus.factors, corpus.planted, corpus.captions)
    return Corpus(corpus.scenes[:count], *(part[:count] for part in parts))


if __name__ == "__main__":
    main()
