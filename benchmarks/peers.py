"""The same question asked of `vital` and of a peer: how far the answers agree, and how long each takes.

Relevance beside zennit's composites with its canonizers, on ResNet-18 and VGG-11, and under conditions beside zennit-
crp; metrics of words beside scikit-learn and torchmetrics; objectives beside Lucent; with `--clones`, similarities
beside CLIP-Dissect and units that compete beside DISCOVER (`benchmarks.peer_clones`). Peers that are missing are
skipped. Both are asked by turns in CPU time, `vital` first, after one round that does not count; a ratio below 1
means that `vital` is faster. Difference: the largest one between the answers, as a share of the peer's largest
number; of relevance in double precision, because sums that cancel lose up to 4e-2 of it in single precision, in
either package. Batch norms have next to no `eps`: zennit's canonizers merge it and then apply it again.

Goals: differences below 1e-4, and no median ratio above 1. `rank-reorder` divides by the mean of five random orders in
CLIP-Dissect and of all orders in `vital`, so there the goal is 0.2. The exit code is 1 where one is missed.

    python -m benchmarks.peers --size 112 --rounds 5 --clones CLONES
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import machine, report, spread, start
from benchmarks.peer_clones import PEERS as CLONED
from vital.attribution import relevance
from vital.metrics import METRICS
from vital.models import Model
from vital.objectives import Channel, FromLucent
from vital.tracing import Tracer

CLOSE, SLOWER, LEAST = 1e-4, 1.0, 0.2
BY_CHANCE = {"rank-reorder": 0.2}
CLASS, CLASSES = 3, 100
HEADER = ("what", "peer", "difference", "time ratio", "quartiles")
Answer = Callable[[], Tensor]


@dataclass(frozen=True)
class Comparison:
    """One question, and how `vital` and a peer answer it."""

    what: str
    peer: str
    ours: Answer
    theirs: Answer
    precise: tuple[Answer, Answer] | None = None
    """The same in double precision, for the difference."""


def drawn(name: str) -> nn.Module:
    """A network of torchvision with random weights; its biases and statistics are not 0 and 1."""
    from torchvision import models

    net: nn.Module = models.get_model(name, weights=None, num_classes=CLASSES)
    for key, value in [*net.named_parameters(), *net.named_buffers()]:
        if key.endswith(("bias", "running_mean")):
            value.data = 0.1 * torch.randn_like(value)
        elif key.endswith("running_var"):
            value.data = 0.5 + torch.rand_like(value)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-12
    return net.eval()


def composites(model: Model) -> dict[str, Any]:
    """Zennit's composites, by the names that `vital` has for the same rules."""
    from zennit import composites as known
    from zennit.rules import AlphaBeta, Epsilon, Norm, Pass, ZPlus
    from zennit.types import Activation, AvgPool, BatchNorm, Linear

    black, white = (model.normalize(torch.full((1, 3, 1, 1), end)) for end in (0.0, 1.0))

    def uniform(rule: Any) -> Callable[..., Any]:
        rules = [(Activation, Pass()), (AvgPool, Norm()), (BatchNorm, Pass()), (Linear, rule)]
        return lambda canonizers: known.LayerMapComposite(rules, canonizers)

    return {
        "zplus": uniform(ZPlus(zero_params="bias")),
        "alphabeta": uniform(AlphaBeta(2, 1, zero_params="bias")),
        "epsilon": uniform(Epsilon()),
        "epsilon-plus": known.EpsilonPlus,
        "epsilon-plus-flat": known.EpsilonPlusFlat,
        "epsilon-alpha2-beta1": known.EpsilonAlpha2Beta1,
        "epsilon-alpha2-beta1-flat": known.EpsilonAlpha2Beta1Flat,
        "epsilon-gamma-box": lambda canonizers: known.EpsilonGammaBox(black, white, canonizers=canonizers),
    }


def of_zennit(size: int, batch: int) -> Iterator[Comparison]:
    """Relevance at the second convolution's input or the image, from a class."""
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    for name, first, canonizer in (
        ("vgg11", "<features.0", VGGCanonizer),
        ("resnet18", "<conv1", ResNetCanonizer),
    ):
        net, images = drawn(name), torch.rand(batch, 3, size, size)
        model, double = (Model(n, size=(size, size)) for n in (net, copy.deepcopy(net).double()))
        for rule in composites(model):
            if name == "resnet18" and not rule.startswith("epsilon-"):
                continue  # zennit adds residuals by their signs there, `vital` by their magnitudes
            asked = (
                _attributed(m, x, first, rule, composites(m)[rule](canonizers=[canonizer()]))
                for m, x in ((model, images), (double, images.double()))
            )
            (ours, theirs), precise = asked
            yield Comparison(f"{rule}, {name}", "zennit", ours, theirs, precise)


def _attributed(model: Model, images: Tensor, first: str, rule: str, peer: Any) -> tuple[Answer, Answer]:
    from zennit.attribution import Gradient

    def ours() -> Tensor:
        return relevance(model, images, f"class:{CLASS}", [first], rule)[first]

    def theirs() -> Tensor:
        chosen = (torch.arange(CLASSES) == CLASS).float()
        with Gradient(model=model.module, composite=peer) as attributor:
            found: Tensor = attributor(model.normalize(images).requires_grad_(), lambda out: out * chosen)[1]
        return found

    return ours, theirs


def of_zennit_crp(size: int, batch: int) -> Iterator[Comparison]:
    """Relevance at the image, from a class through two channels of an inner layer."""
    from crp.attribution import CondAttribution
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer

    model, images = Model(drawn("resnet18"), size=(size, size)), torch.rand(batch, 3, size, size)
    unit, passed, rule = f"class:{CLASS}", ["layer3:5", "layer3:9"], "epsilon-plus-flat"
    peer, attributor = EpsilonPlusFlat(canonizers=[ResNetCanonizer()]), CondAttribution(model.module)

    def ours() -> Tensor:
        return relevance(model, images, unit, ["<conv1"], rule, conditions=passed)["<conv1"].sum(1)

    def theirs() -> Tensor:
        seen = model.normalize(images).requires_grad_()
        found: Tensor = attributor(seen, [{"y": [CLASS], "layer3": [5, 9]}], peer).heatmap
        return found

    yield Comparison("conditional, resnet18", "zennit-crp", ours, theirs)


def _words(count: int = 5000, units: int = 20, concepts: int = 10) -> tuple[Tensor, Tensor]:
    presence = (torch.rand(count, concepts) < 0.1).double()
    return torch.randn(count, units, dtype=torch.float64) + presence[:, :1], presence


def of_scikit_learn() -> Iterator[Comparison]:
    """Areas under curves, for all pairs of units and concepts."""
    from sklearn import metrics

    values, presence = _words()
    for name, measure in {"auprc": metrics.average_precision_score, "auc": metrics.roc_auc_score}.items():

        def theirs(measure: Callable[..., float] = measure) -> Tensor:
            return torch.tensor([[measure(c, a) for c in presence.T.numpy()] for a in values.T.numpy()])

        yield Comparison(name, "scikit-learn", lambda name=name: METRICS[name](values, presence), theirs)  # type: ignore[misc]


def of_torchmetrics() -> Iterator[Comparison]:
    """Correlations and cosines, for all pairs of units and concepts."""
    from torchmetrics.functional import pairwise_cosine_similarity, pearson_corrcoef

    values, presence = _words()

    def pearson() -> Tensor:
        return torch.stack([pearson_corrcoef(values, c[:, None].expand_as(values)) for c in presence.T], 1)

    for name, theirs in {
        "correlation": pearson,
        "cosine": lambda: pairwise_cosine_similarity(values.T.contiguous(), presence.T.contiguous()),
    }.items():
        yield Comparison(name, "torchmetrics", lambda name=name: METRICS[name](values, presence), theirs)  # type: ignore[misc]


def of_lucent(size: int, batch: int) -> Iterator[Comparison]:
    """An objective of Lucent's, and the same one here."""
    from lucent.optvis import objectives

    model = Model(drawn("resnet18"), size=(size, size))
    with Tracer(model, ["layer3"]) as tracer:
        trace = tracer(torch.rand(batch, 3, size, size))
    their = FromLucent.of(model, objectives.channel("layer3", 5))
    own = Channel("layer3:5")
    yield Comparison("channel", "Lucent", lambda: own(trace), lambda: their(trace))


def comparisons(size: int, batch: int, clones: Path | None = None) -> Iterator[Comparison]:
    """All questions of the peers that are installed."""
    peers: dict[str, Callable[[], Iterator[Comparison]]] = {
        "zennit": lambda: of_zennit(size, batch),
        "crp": lambda: of_zennit_crp(size, batch),
        "sklearn": of_scikit_learn,
        "torchmetrics": of_torchmetrics,
        "lucent": lambda: of_lucent(size, batch),
    }
    for package, asked in peers.items():
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: skipped", file=sys.stderr)
        else:
            yield from asked()
    for folder, questions in CLONED.items():
        if clones is None or not (clones / folder).is_dir():
            print(f"no clone of {folder}: skipped", file=sys.stderr)
        else:
            yield from (Comparison(*question) for question in questions(clones))


def measure(comparison: Comparison, rounds: int) -> dict[str, Any]:
    """How far the answers are apart, and the ratios of the times of neighbors."""
    ours, theirs = (answer() for answer in comparison.precise or (comparison.ours, comparison.theirs))
    close = BY_CHANCE.get(comparison.what, CLOSE)
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    ratios = [_seconds(comparison.ours) / _seconds(comparison.theirs) for _ in range(rounds)]
    found = {"what": comparison.what, "peer": comparison.peer, "difference": apart, "ratio": spread(ratios)}
    return found | {"pass": apart < close and found["ratio"]["median"] <= SLOWER}  # type: ignore[index]


def _seconds(answer: Answer) -> float:
    """CPU time of an answer, the mean of as many as last a while."""
    began, count, taken = time.process_time(), 0, 0.0
    while taken < LEAST:
        answer()
        count, taken = count + 1, time.process_time() - began
    return taken / count


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    ratio = row["ratio"]
    quartiles = f"{ratio['q1']:.2f} to {ratio['q3']:.2f}"
    return row["what"], row["peer"], f"{row['difference']:.1e}", f"{ratio['median']:.2f}", quartiles


def main() -> int:
    """Ask all of them."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=112)
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--clones", type=Path, help="a folder of clones of CLIP-dissect and DISCOVER")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    start()
    rows = [measure(one, max(2, asked.rounds)) for one in comparisons(asked.size, asked.batch, asked.clones)]
    report({"machine": machine(), "rows": rows}, [HEADER, *map(shown, rows)], asked.json)
    return 0 if all(row["pass"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
