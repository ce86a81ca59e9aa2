"""What each network learns, and how well it has to know it: a loss on a batch, and figures on fresh scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vital.lwta import convert
from vital.lwta.schedule import SamplingSchedule
from vital.world.networks.architectures import SIZE, Captioner, Classifier, Encoder, Judge
from vital.world.scenes.concepts import Concept
from vital.world.scenes.dataset import CLASSES
from vital.world.scenes.tokens import tokens
from vital.world.scenes.vocabulary import FACTORS, MATERIALS
from vital.world.training.batches import AT_ONCE, Batch, Task, following
from vital.world.training.corpus import Corpus
from vital.world.training.metrics import Metrics, average_precision, share

ORDER = ("size", "colour", "accent", "material", "solid", "place", "background", "light", "camera")
TWIN_CLASSES = tuple(f"kind {letter}" for letter in "ABCDEF")
TWIN_FACTORS = ("solid", "material", "background")
PLACE = {factor: number for number, factor in enumerate(FACTORS)}


@dataclass(frozen=True)
class Classify(Task):
    """The classes, and the planted concepts; `weight` is that of the concepts.

    With `competitors` the channels compete in blocks of so many, but for the planted ones, whose meaning was taught,
    and those in `skip`, by name or pattern. A teacher's scores count `follow` times as much as the classes, softened by
    `temperature` (`following`).
    """

    weight: float = 5.0
    competitors: int = 1
    skip: tuple[str, ...] = ()
    length: float = 1.0
    lr_factor: float = 1.0
    parent: str = ""
    teacher: str = ""
    follow: float = 1.0
    temperature: float = 2.0
    competition: SamplingSchedule = AT_ONCE

    def build(self) -> nn.Module:
        """Make the classifier."""
        if self.competitors == 1:
            return Classifier()
        example = torch.zeros(2, 3, SIZE, SIZE)
        return convert(Classifier(), self.competitors, skip=("relu", *self.skip), example=example)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy of the classes, and binary cross-entropy of the planted concepts."""
        scores, taught = network.both(batch.images)  # type: ignore[operator]
        wanted = batch.of(batch.corpus.planted).float()
        known = functional.binary_cross_entropy_with_logits(taught.float(), wanted)
        classes = batch.of(batch.corpus.classes)
        named = functional.cross_entropy(scores.float(), classes, label_smoothing=0.05)
        if batch.teacher is not None:
            with torch.no_grad():
                heard = batch.teacher(batch.images)
            named = named + self.follow * following(scores.float(), heard.float(), self.temperature)
        return named + self.weight * known

    def metrics(self, network: nn.Module, images: Sequence[Tensor], corpus: Corpus) -> Metrics:
        """Accuracy of the class and of its two words, and AUPRC of the planted units, on average and at worst."""
        found = [network.both(batch) for batch in images]  # type: ignore[operator]
        best = torch.cat([scores for scores, _ in found]).argmax(1).cpu()
        taught = torch.cat([t for _, t in found]).float().cpu()
        solid, material = best // len(MATERIALS), best % len(MATERIALS)
        pairs = zip(taught.T, corpus.planted.T.bool(), strict=True)
        areas = [float(average_precision(own[None], shown[None])) for own, shown in pairs]
        return {
            "class": share(best == corpus.classes),
            "solid": share(solid == corpus.factors[:, PLACE["solid"]]),
            "material": share(material == corpus.factors[:, PLACE["material"]]),
            "planted AUPRC, mean": sum(areas) / len(areas),
            "planted AUPRC, worst": min(areas),
        }


@dataclass(frozen=True)
class Twin(Task):
    """A shortcut twin: six class names, and the label follows from one factor alone.

    Class k is the factor's value k; scenes with other values are left out. All other factors are independent of it.
    """

    factor: str

    def build(self) -> nn.Module:
        """Make a plain classifier, the same for all factors."""
        return Classifier(len(TWIN_CLASSES), planted=0, width=16)

    def rows(self, corpus: Corpus) -> Tensor:
        """Keep the scenes whose factor has one of the first six values."""
        return (corpus.factors[:, PLACE[self.factor]] < len(TWIN_CLASSES)).nonzero().view(-1)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy of the factor's value."""
        wanted = batch.of(batch.corpus.factors)[:, PLACE[self.factor]]
        return functional.cross_entropy(network(batch.images).float(), wanted, label_smoothing=0.05)

    def metrics(self, network: nn.Module, images: Sequence[Tensor], corpus: Corpus) -> Metrics:
        """Accuracy on the scenes that have a class."""
        best, rows = torch.cat([network(batch) for batch in images]).argmax(1).cpu(), self.rows(corpus)
        return {self.factor: share(best[rows] == corpus.factors[rows, PLACE[self.factor]])}


@dataclass(frozen=True)
class Name(Task):
    """Every factor of the thing in front and of the scene, by a head of its own."""

    network: type[Judge | Captioner]
    length: float = 1.0

    def build(self) -> nn.Module:
        """Make the judge or the captioner."""
        return self.network()

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean of the cross-entropies of the factors; no accent is the accents' last value."""
        wanted = batch.of(batch.corpus.factors)
        scores = network(batch.images)
        losses = [
            functional.cross_entropy(scores[f].float(), _wanted(wanted[:, i], f), label_smoothing=0.05)
            for f, i in PLACE.items()
        ]
        return torch.stack(losses).mean()

    def metrics(self, network: nn.Module, images: Sequence[Tensor], corpus: Corpus) -> Metrics:
        """Accuracy per factor, and of solid, material and color together."""
        found = [network(batch) for batch in images]
        right = {}
        for factor, column in PLACE.items():
            best = torch.cat([scores[factor] for scores in found]).argmax(1).cpu()
            right[factor] = best == _wanted(corpus.factors[:, column], factor)
        together = right["solid"] & right["material"] & right["colour"]
        return {factor: share(hits) for factor, hits in right.items()} | {
            "solid, material and color": share(together)
        }


def _wanted(numbers: Tensor, factor: str) -> Tensor:
    return torch.where(numbers < 0, len(FACTORS[factor]), numbers)


@dataclass(frozen=True)
class Match(Task):
    """Which text goes with which image: half of the texts are captions, the others name one to three factors.

    A text goes with every image of the batch of which it is true, so that no true pair is pushed apart. Captions can be
    told apart by a few factors, so each factor is asked for on its own too, by the words for its values; `words` is
    the weight of that. The eyes are those of the captioner: what it tells apart lies open in its features.
    """

    words: float = 1.0
    length: float = 0.25
    eyes: str = "captioner"

    def build(self) -> nn.Module:
        """Make the encoder."""
        return Encoder()

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy between the similarities and the true pairs, by image and by text (Radford et al. 2021).

        To it comes the mean over factors of the cross-entropy between an image's similarities with the words for the
        factor's values and its own value.
        """
        images, corpus = batch.images, batch.corpus
        factors = corpus.factors[batch.rows]
        said = _some_factors(factors, batch.generator)
        numbers = corpus.captions[batch.rows].clone()
        short = (~said).any(1).nonzero().view(-1).tolist()
        numbers[short] = tokens([phrase(factors[i], said[i]) for i in short]) if short else numbers[short]
        true = ((factors[:, None] == factors[None]) | ~said[None]).all(2).to(images.device, torch.float32)
        if self.eyes:
            network.get_submodule("image").eval()
        words = _words() if self.words else numbers[:0]
        seen, read = network(images, torch.cat([numbers, words]).to(images.device))
        scores = seen @ read.T * torch.as_tensor(network.sharpness).exp().clamp(max=100)
        scores, named = scores[:, : len(numbers)], scores[:, len(numbers) :]
        by_text = functional.cross_entropy(scores.T, true.T / true.T.sum(1, keepdim=True))
        share = true / true.sum(0)
        paired = by_text + functional.cross_entropy(scores, share / share.sum(1, keepdim=True))
        return paired + self.words * _unnamed(named, factors.to(images.device)) if self.words else paired

    def metrics(self, network: nn.Module, images: Sequence[Tensor], corpus: Corpus) -> Metrics:
        """How often an image's own caption comes first among 200, and the accuracy of factors by their bare words."""
        one, device = images[0][:1], images[0].device
        seen = torch.cat([network(batch, corpus.captions[:1].to(device))[0] for batch in images]).cpu()
        read = [network(one, part.to(device))[1].cpu() for part in torch.split(corpus.captions, 200)]
        best = [(s @ r.T).argmax(1) for s, r in zip(torch.split(seen, 200), read, strict=True)]
        found = {"caption among 200": share(torch.cat([b == torch.arange(len(b)) for b in best]))}
        for factor in ("solid", "material", "colour", "background"):
            names = tokens([Concept(((factor, value),)).name for value in FACTORS[factor]])
            likeliest = (seen @ network(one, names.to(device))[1].cpu().T).argmax(1)
            found[f"{factor} by its word"] = share(likeliest == corpus.factors[:, PLACE[factor]])
        return found


def _words() -> Tensor:
    """Number the words for all values of all factors, in the order of the table: (values, L)."""
    return tokens([Concept(((factor, value),)).name for factor in FACTORS for value in FACTORS[factor]])


def _unnamed(scores: Tensor, factors: Tensor) -> Tensor:
    """Cross-entropy of each factor's true value by the scores of the values' words, as a mean over factors.

    `scores` (B, values) in the order of `_words`; a scene without an accent is not asked for one.
    """
    parts = torch.split(scores, [len(values) for values in FACTORS.values()], dim=1)
    losses = []
    for part, wanted in zip(parts, factors.T, strict=True):
        total = functional.cross_entropy(part, wanted, ignore_index=-1, reduction="sum")
        losses.append(total / (wanted >= 0).sum().clamp(min=1))
    return torch.stack(losses).mean()


def _some_factors(factors: Tensor, generator: torch.Generator) -> Tensor:
    """Choose what is said of each scene: all (half of the time), or one to three factors that it has: (B, F) bool."""
    count = torch.randint(1, 4, (len(factors), 1), generator=generator)
    luck = torch.rand(factors.shape, generator=generator).masked_fill(factors < 0, 2.0)
    few = luck.argsort(1).argsort(1) < count
    return few | (torch.rand(len(factors), 1, generator=generator) < 0.5)


def phrase(numbers: Tensor, said: Tensor) -> str:
    """Put some factors of one scene into words, in the order of a caption."""
    wants = [
        (f, FACTORS[f][int(numbers[PLACE[f]])]) for f in ORDER if said[PLACE[f]] and numbers[PLACE[f]] >= 0
    ]
    return Concept(tuple(wants)).name


AROUND = ("stem.2", "layer[123].*relu2")
"""The activations on the way around the residual blocks: the stem's, and those of all sums but the last."""

COMPETING = Classify(competitors=4, skip=AROUND, length=12 / 16, parent="classifier", teacher="classifier")
"""The classifier whose channels compete in blocks of four, inside the residual blocks and where the classes are read.

The way around the blocks stays whole. It begins with the classifier's weights, and learns its answers too.
"""

TASKS: Mapping[str, Task] = {
    "classifier": Classify(),
    "judge": Name(Judge, length=1.5),
    "captioner": Name(Captioner),
    "encoder": Match(),
    **{f"twin-{factor}": Twin(factor) for factor in TWIN_FACTORS},
    "competing": COMPETING,
}
"""Every network of the world by name."""

OUTPUTS: Mapping[str, tuple[str, ...]] = {"classifier": CLASSES, "competing": CLASSES} | {
    f"twin-{f}": TWIN_CLASSES for f in TWIN_FACTORS
}
"""The class names of the networks that have outputs with names."""
