"""On CIFAR-10: accuracy and activity of a small residual network and a small transformer, dense and competing.

Each is trained from the same random weights with the same budget, dense and with blocks of 2, 4, 8 and 16, and
measured on test images. The residual network competes everywhere, or (`resnet-inside`) inside its blocks and where the
classes are read, while the way around the blocks stays whole; the transformer in the perceptrons of its blocks. The
defaults are a reduced budget: 5,000 training images and a few epochs, so that the accuracies say how the networks
compare, not what they could reach.

    python -m benchmarks.lwta_cifar --data FOLDER --out runs/lwta-cifar

With --classifier FILE.py:FUNCTION --classifier-weights FILE, an independent one of the same ten classes, the units of
the last layer that competes are described by clip-dissect: the share whose label stands on the test images. The
classifier is the encoder: an image lies at its probabilities, a text at the classes that it means (the ten, "animal"
and "vehicle"), so that a label says no more than which classes a unit responds to.

FOLDER holds `train5k.npz` (or the file that --train names) and `test.npz`, each with `images` and `labels`.

Rows are kept in the folder --out as they come, each with its settings: a run that was stopped goes on, within a network
from its last epoch, and one with other settings starts anew beside it. What there is is written to
benchmarks/results/lwta-cifar10.json after each row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import vital
from benchmarks.common import report
from benchmarks.kept import Kept, Row, about, arguments, gathered, published
from vital.data import ImageSet
from vital.lwta import convert
from vital.lwta.predict import accuracy, activity
from vital.lwta.schedule import SamplingSchedule
from vital.lwta.train import TrainConfig, fit
from vital.models import Model
from vital.models.outputs import answered
from vital.models.weights import load_weights
from vital.utils.hashing import key_of

EXAMPLES = Path(__file__).parents[1] / "examples"
NUMBERS = ("accuracy", "mean of 6", "active, least", "active", "active, most")

SKIP: dict[str, tuple[str, ...]] = {"resnet": (), "resnet-inside": ("0.2", "[12].relu"), "vit": ()}
LAST = {"resnet": "3.relu:0-63", "vit": "4.mlp.1:0-255#patches"}
WORDS = ("units", "label stands", "p at most .05", "candidates")
VEHICLES = ("airplane", "automobile", "ship", "truck")

Settings = dict[str, Any]


class IndependentClassifier:
    """A classifier as an encoder of images and of the texts that mean some of its classes."""

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, f"{model.name.rpartition(':')[2]} {model.weights_hash()}"
        beasts = [name for name in model.classes if name not in VEHICLES]
        self.means = {name: [name] for name in model.classes} | {"animal": beasts, "vehicle": [*VEHICLES]}

    @torch.no_grad()
    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        shown = functional.interpolate(images.to(self.model.dtype), self.model.size)
        return functional.normalize(answered(self.model, self.model.normalize(shown)).softmax(1), dim=1)

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        rows = [[float(name in self.means.get(text, ())) for name in self.model.classes] for text in texts]
        return functional.normalize(torch.tensor(rows), dim=1)


@cache
def dense(kind: str) -> Model:
    """Make a network with random weights, always the same."""
    return vital.load_model(f"{EXAMPLES / f'cifar_{kind}.py'}:{kind}", weights="random")


def plain(kind: str) -> str:
    """Name the network without the places where it competes."""
    return kind.partition("-")[0]


def network(kind: str, competitors: int) -> Model:
    """Make a network with the same random weights for every number of competitors."""
    model = dense(plain(kind))
    example = torch.zeros(2, model.channels, *model.size)
    return replace(model, module=convert(model.module, competitors, skip=SKIP[kind], example=example))


def data(given: argparse.Namespace) -> tuple[ImageSet, ImageSet]:
    """The images to learn from, and those to be measured on."""
    test = np.load(given.data / "test.npz")
    fresh = vital.load_images(test["images"][: given.tested], labels=test["labels"][: given.tested].tolist())
    return vital.load_images(given.data / given.train), fresh


def training(given: argparse.Namespace, seed: int) -> TrainConfig:
    """How every network of one seed is trained."""
    return TrainConfig(
        given.epochs, given.batch, seed=seed, bf16=given.bf16, competition=SamplingSchedule(given.sampling)
    )


def settings(kind: str, competitors: int, how: TrainConfig, sets: tuple[ImageSet, ImageSet]) -> Settings:
    """All that decides the row of one network."""
    start = dense(plain(kind))
    facts = {"code": start.code_hash(), "weights": start.weights_hash()}
    facts |= {"train": sets[0].hash(), "test": sets[1].hash()}
    left = {"skip": SKIP[kind]} if SKIP[kind] else {}
    return {"network": kind, "competitors": competitors, "fit": asdict(how), **facts, **left}


def one(
    kind: str, competitors: int, how: TrainConfig, sets: tuple[ImageSet, ImageSet], given: argparse.Namespace
) -> Row:
    """Train and measure one network."""
    train, test = sets
    begin, model = time.process_time(), network(kind, competitors).to(given.device)
    out = given.out / key_of(settings(kind, competitors, how, sets))
    whole = not (out / "checkpoint.pt").is_file()  # what a process took that was stopped is lost
    fit(model, train, out, how)
    row = {
        "network": kind,
        "competitors": competitors,
        "seed": how.seed,
        "seconds": time.process_time() - begin if whole else None,
    }
    row |= {"device": str(model.device), "accuracy": accuracy(model, test)}
    if competitors > 1:
        shares = activity(model, test).values()
        row |= {
            "mean of 6": accuracy(model, test, samples=6),
            "active, least": min(low for _, low, _ in shares),
            "active": sum(m for m, _, _ in shares) / len(shares),
            "active, most": max(high for _, _, high in shares),
        }
    return row


def words(
    kind: str, competitors: int, model: Model, test: ImageSet, classifier: IndependentClassifier
) -> Row:
    """Describe the units of the last layer that competes: how many labels stand."""
    units = LAST[plain(kind)]
    said = vital.describe(
        model, units, images=test, concepts=list(classifier.means), encoder=classifier, progress=False
    )
    return {
        "network": kind,
        "competitors": competitors,
        "units": len(said),
        "label stands": sum(bool(d.label) for d in said) / len(said),
        "p at most .05": sum(d.p_value is not None and d.p_value <= 0.05 for d in said) / len(said),
        "candidates": len({d.candidate for d in said}),
    }


def described(
    given: argparse.Namespace, sets: tuple[ImageSet, ImageSet]
) -> Iterator[tuple[str, Settings | None, Callable[[], Row]]]:
    """What is described, by seed 0: a name, its settings (None where it is not trained), and how to make the row."""
    if not given.classifier:
        return
    classifier = IndependentClassifier(
        vital.load_model(given.classifier, weights=given.classifier_weights, size=32)
    )
    for kind, competitors, _ in (asked for asked in wanted(given) if asked[2] == 0):
        path = (
            given.out / key_of(settings(kind, competitors, training(given, 0), sets)) / "weights.safetensors"
        )
        model = network(kind, competitors)
        if path.is_file():
            load_weights(model.module, path)
            model.module.eval()
        own = {"words": LAST[plain(kind)], "classifier": classifier.name, "test": sets[1].hash()}
        yield (
            f"{kind}, U = {competitors}",
            own | {"weights": model.weights_hash(), "code": model.code_hash()} if path.is_file() else None,
            partial(words, kind, competitors, model, sets[1], classifier),
        )


def wanted(given: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """Networks, competitors and seeds, seed by seed; a dense network is the same wherever it would compete."""
    asked = product(range(given.seeds), given.networks.split(","), map(int, given.competitors.split(",")))
    yield from dict.fromkeys((plain(kind) if u == 1 else kind, u, seed) for seed, kind, u in asked)


def of(rows: Sequence[Row], kind: str, competitors: int) -> list[Row]:
    return [row for row in rows if (row["network"], row["competitors"]) == (kind, competitors)]


def verdicts(rows: Sequence[Row]) -> dict[str, bool]:
    """Competing networks beside the dense one of their kind, on the mean over seeds: is any accuracy lost?"""
    found = {}
    for kind, competitors in dict.fromkeys((row["network"], row["competitors"]) for row in rows):
        own, whole = (
            [r["accuracy"] for r in of(rows, k, u)] for k, u in ((kind, competitors), (plain(kind), 1))
        )
        if competitors > 1 and whole:
            gain = sum(own) / len(own) - sum(whole) / len(whole)
            found[f"{kind}, U = {competitors}: {100 * gain:+.1f} points beside the dense one"] = gain >= 0
    return found


def result(
    given: argparse.Namespace, rows: Sequence[Row], said: Sequence[Row], missing: Sequence[str], count: int
) -> Row:
    """All that was measured, for the page of results."""
    table = [["network", "competitors", "seeds", *(f"{n}, %" for n in NUMBERS), "CPU seconds of one"]]
    for kind, competitors in dict.fromkeys((kind, u) for kind, u, _ in wanted(given)):
        if own := of(rows, kind, competitors):
            cells = [about([row[n] for row in own if n in row]) for n in NUMBERS]
            seconds = about([row["seconds"] for row in own if row["seconds"] is not None], 1)
            table.append([kind, str(competitors), str(len(own)), *cells, seconds])
    spoken = [["network", "competitors", *WORDS]]
    spoken += [[r["network"], str(r["competitors"]), *(f"{r[n]:.4g}" for n in WORDS)] for r in said]
    judged, devices = verdicts(rows), ", ".join(sorted({row["device"] for row in rows}))
    return {
        "title": "Units that compete, on CIFAR-10",
        "budget": f"From random weights, {given.epochs} epochs of {count} images in batches of {given.batch}, "
        f"{given.tested} test images, on {devices or given.device}"
        + (" (a reduced budget)." if count < 50_000 else "."),
        "seeds": given.seeds,
        "tables": [table, spoken] if said else [table],
        "verdicts": [f"{said}: {'won' if holds else 'lost'}" for said, holds in judged.items()],
        "missing": list(missing),
        "pass": not missing,
    }


def told(given: argparse.Namespace, kept: Kept, sets: tuple[ImageSet, ImageSet]) -> Row:
    """Write what there is, and what is missing."""
    found = {
        f"{kind}, U = {u}, seed {seed}": kept.find(settings(kind, u, training(given, seed), sets))
        for kind, u, seed in wanted(given)
    }
    said = {name: kept.find(own) if own else None for name, own, _ in described(given, sets)}
    rows, spoken, missing = gathered(found, said)
    missing += [] if given.classifier else ["words (no --classifier)"]
    whole = result(given, rows, spoken, missing, len(sets[0]))
    return published("lwta-cifar10", whole, [*rows, *spoken], given.results)


def measure(given: argparse.Namespace) -> Row:
    """Train, and write each row as it comes."""
    kept, sets = Kept(given.out / "rows.jsonl"), data(given)
    for kind, competitors, seed in wanted(given):
        how = training(given, seed)
        kept.of(settings(kind, competitors, how, sets), partial(one, kind, competitors, how, sets, given))
        told(given, kept, sets)
    for _, own, make in described(given, sets):
        if own:
            kept.of(own, make)
            told(given, kept, sets)
    return told(given, kept, sets)


def asked_for(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for on the command line."""
    numbers = {"epochs": 6, "batch": 64, "seeds": 1, "threads": 1, "tested": 2_000}
    parser = arguments(__doc__, "runs/lwta-cifar", numbers, ("bf16", "json"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classifier", help="FILE.py:FUNCTION, a classifier with the same class names")
    parser.add_argument("--classifier-weights")
    parser.add_argument("--train", default="train5k.npz")
    parser.add_argument("--networks", default="resnet,resnet-inside,vit")
    parser.add_argument("--competitors", default="1,2,4,8,16")
    parser.add_argument("--sampling", type=float, default=0.5)
    found = parser.parse_args(words)
    for kind in found.networks.split(","):
        if kind not in SKIP:
            parser.error(f"unknown network {kind!r}; known are {', '.join(SKIP)}")
    return found


def main(given: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    asked = asked_for(given)
    torch.set_num_threads(asked.threads)
    found = measure(asked)
    report(found, found["tables"][0], asked.json)


if __name__ == "__main__":
    main()
