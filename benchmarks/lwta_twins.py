"""The networks of `lwta_world`: the world's classifier, and those that learn to compete from its weights."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import vital
from benchmarks.kept import Row, key_of
from vital.lwta import LWTA
from vital.lwta.predict import active, outputs
from vital.models import Model
from vital.tracing import Tracer
from vital.world.networks.architectures import SIZE
from vital.world.networks.weights import network as shipped
from vital.world.networks.weights import ship, wrapped
from vital.world.scenes.dataset import fingerprint
from vital.world.training.corpus import Corpus, draw, rendered
from vital.world.training.tasks import AROUND, COMPETING, Classify
from vital.world.training.train import Plan, fitted, measured

Settings = dict[str, Any]
Kind = tuple[str, int]
"""Where channels compete, and in blocks of how many."""

INSIDE, EVERYWHERE = "inside", "everywhere"
DENSE, LONGER = ("dense", 1), ("longer", 1)
"""The dense network as it is shipped, and one that learns on as those that compete do, and competes nowhere."""

NARROW = ("stem.2", "layer1.relu1", "layer1.relu2")
"""Layers of 24 channels, which cannot compete in blocks of 16."""

OWN = replace(COMPETING, length=1.0)
TASKS = {
    LONGER: replace(OWN, competitors=1, skip=()),
    (INSIDE, 4): OWN,
    (INSIDE, 16): replace(OWN, competitors=16, skip=(*AROUND, "layer1.relu1")),
    (EVERYWHERE, 4): replace(OWN, skip=()),
    (EVERYWHERE, 16): replace(OWN, competitors=16, skip=NARROW),
}

SEEN, AVERAGED = 200, 600
"""Fresh scenes on which activity is counted, and those on which sampled answers are averaged."""


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
        bf16=given.bf16,
        quiet=True,
    )


def settings(given: argparse.Namespace, kind: Kind, seed: int) -> Settings:
    """All that decides the row of one network."""
    dense = vital.load_model("world").weights_hash()
    if kind == DENSE:
        return {"where": kind[0], "weights": dense, "fresh": given.fresh, "world": fingerprint()}
    plan = asdict(planned(given, seed))
    own = {name: plan[name] for name in plan if name not in {"out", "weights", "quiet"}}
    facts = {"where": kind[0], "world": fingerprint(), "parent": dense, "pool": given.scenes}
    return {"task": asdict(TASKS[kind]), "plan": own, **facts}


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


def one(given: argparse.Namespace, kind: Kind, seed: int, own: Settings, scenes: Scenes) -> Row:
    """Train one network, unless it is the dense one, and measure it."""
    row: Row = {"where": kind[0], "competitors": kind[1], "seed": seed, "seconds": None}
    if kind == DENSE:
        network = shipped("classifier").to(given.device)
    else:
        begin, out, known = time.process_time(), folder(given, own), scenes.known
        out.mkdir(parents=True, exist_ok=True)
        whole = not any(out.glob("*.pt"))  # what a process took that was stopped is lost
        plan = planned(argparse.Namespace(**{**vars(given), "out": out}), seed)
        network = fitted(plan, "competing", TASKS[kind], known)
        row["seconds"] = time.process_time() - begin if whole else None
        ship(network, out / "weights.safetensors")
    model, fresh = wrapped(network), scenes.fresh
    row |= measured(TASKS.get(kind, Classify()), network, fresh)
    row["active of all"] = of_all(model, fresh.pictures[:SEEN].float() / 255)
    return row | answers(model, fresh) if kind[1] > 1 else row


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


def of_all(model: Model, pictures: Tensor) -> float:
    """Count which share of what all activations return is not 0, those that compete and the others."""
    layers = [name for name, part in model.module.named_modules() if isinstance(part, nn.ReLU | LWTA)]
    with torch.no_grad(), Tracer(model, layers) as tracer:
        trace = tracer(pictures.to(model.device))
    return sum(int(trace[n].count_nonzero()) for n in layers) / sum(trace[n].numel() for n in layers)
