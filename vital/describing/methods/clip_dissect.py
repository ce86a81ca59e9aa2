"""CLIP-Dissect (ICLR 2023): the concept of a list whose cosines go best with the unit's values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from vital.activations.matrix import cached, embed_texts, fingerprint, readout_key
from vital.backends.embeddings import embedded_texts
from vital.describing.base import DESCRIBERS, Context, Describer
from vital.describing.matching.clip_features import ClipFeatures, by_readout
from vital.describing.matching.presence import presence
from vital.describing.matching.search import BestConcepts, find_best_concepts
from vital.describing.matching.similarity import SIMILARITIES, Similarity
from vital.describing.variation import silent
from vital.errors import InvalidValueError
from vital.metrics import METRICS
from vital.records import Description
from vital.units import Unit
from vital.utils.hashing import tensor_hash
from vital.utils.options import Count, CountOrZero, FactorOrZero, NonNegative
from vital.utils.tensor_cache import is_table

KEPT = 50
"""How many concepts of every unit are kept."""

TIE = 1e-4
"""Scores that are no further apart are equal: the published ones are sums of about −300 in single precision."""


@DESCRIBERS.register("clip-dissect")
@dataclass(frozen=True)
class ClipDissect(Describer):
    """The concept whose cosines with the images are most like the unit's values, by one of five similarities.

    The prior of soft-wpmi (as published) and wpmi is taken over the whole layer, so a unit gets the same label in
    whatever company it is asked for. Where a unit has several concepts to itself in its layer, that prior makes their
    scores equal (within 10⁻⁴); the one whose presence correlates best with the unit is taken then, or one of fewer of
    its words: "star", not "star seen from the front". The judge always takes the mean over a unit's places.

    Source: Oikarinen & Weng, CLIP-Dissect, ICLR 2023

    Options:
        similarity: How likeness is measured: soft-wpmi, wpmi, rank-reorder, cos-cubed or cos.
        top_k: The number of strongest images that soft-wpmi and wpmi look at; none for the published one.
        a: The scale of the presence in soft-wpmi; none for the published one.
        lam: The weight of the prior in soft-wpmi and wpmi; none for the published one.
        pool: What a unit with several places is worth on an image: their mean, or the greatest (max).
        n_composed: The number of best words of which pairs are made to choose among; 0 for no pairs.
        n_others: The number of concepts that are told beside the label.
        n_evidence: The number of strongest images that are named as evidence.
    """

    needs: ClassVar[tuple[str, ...]] = ("images", "concepts", "encoder")

    similarity: Literal["soft-wpmi", "wpmi", "rank-reorder", "cos-cubed", "cos"] = "soft-wpmi"
    top_k: Count | None = None
    a: NonNegative | None = None
    lam: NonNegative | None = None
    pool: Literal["mean", "max"] = "mean"
    n_composed: FactorOrZero = 0
    n_others: CountOrZero = 5
    n_evidence: CountOrZero = 10

    def describe(self, context: Context, units: Sequence[Unit]) -> list[Description]:
        """Say what each unit responds to, from the half of the images that labels are chosen on."""
        units = context.model.units(units)
        features = ClipFeatures.of(context, units, self.pool)
        quiet = {unit: said for unit in units if (said := features.silence(unit, "clip-dissect"))}
        found = dict(self._found(features, [unit for unit in units if unit not in quiet]))
        return [quiet.get(unit) or self._description(features, unit, *found[unit]) for unit in units]

    def chosen(self) -> Similarity:
        """The similarity with its settings. Raises `InvalidValueError`."""
        base = SIMILARITIES[self.similarity]
        values = {name: getattr(self, name) for name in ("top_k", "a", "lam")}
        given = {name: value for name, value in values.items() if value is not None}
        if unknown := [name for name in given if name not in asdict(base)]:  # type: ignore[call-overload]
            raise InvalidValueError(f"{self.similarity} has no {unknown[0]}; soft-wpmi and wpmi have")
        return replace(base, **given)  # type: ignore[type-var]

    def _found(
        self, features: ClipFeatures, units: Sequence[Unit]
    ) -> Iterator[tuple[Unit, tuple[list[str], list[float]]]]:
        known = {
            name: best_of_layer(features, group, self.chosen()) for name, group in by_readout(units).items()
        }
        for unit in units:
            texts, scores = _row(features, unit, known[readout_key(unit)], self.chosen())
            if self.n_composed:
                texts, scores = composed(features, unit, texts[: self.n_composed], self.chosen())
            yield unit, (texts, scores)

    def _description(
        self, features: ClipFeatures, unit: Unit, texts: list[str], scores: list[float]
    ) -> Description:
        if not math.isfinite(scores[0]):
            return silent(features.context, unit, "clip-dissect", "no concept has a finite score")
        return Description(
            unit,
            "clip-dissect",
            texts[0],
            scores[0],
            texts[0],
            tuple(zip(texts[1 : self.n_others + 1], scores[1 : self.n_others + 1], strict=True)),
            None,
            features.strongest(unit, self.n_evidence),
            features.context.seed,
            features.context.model.name,
            {
                "options": self.options(),
                "encoder": features.encoder.name,
                "concepts": len(features.context.concepts),
            },
        )


def best_of_layer(features: ClipFeatures, units: Sequence[Unit], similarity: Similarity) -> BestConcepts:
    """The best concepts of all units of a layer, from the cache where they were worked out before."""
    half = features.matrix.choosing

    def make() -> Tensor:
        values = features.matrix.layer(units[0])[half]
        found = find_best_concepts(
            similarity, values, features.image_embeddings[half], features.text_embeddings, top=KEPT
        )
        return torch.cat(
            [found.scores.double().view(-1), found.concepts.double().view(-1), found.prior.double()]
        )

    own = {
        "readout": readout_key(units[0]),
        "choosing": tensor_hash(half),
        "similarity": repr(similarity),
        "concepts": features.context.concepts,
        "kept": KEPT,
    }
    sizes = features.matrix.layer(units[0]).shape[1], len(features.text_embeddings)
    keys = {"matrix": features.matrix.key, "encoder": fingerprint(features.encoder), **own}
    return _unpacked(cached("answers", make, lambda found: _is_packed(found, *sizes), **keys), *sizes)


def _is_packed(packed: Tensor, units: int, concepts: int) -> bool:
    """Whether these are best concepts of so many units, of so many concepts."""
    top = min(KEPT, concepts)
    if not is_table(packed, torch.float64, 2 * units * top + concepts):
        return False
    numbers = packed[units * top : 2 * units * top]
    return bool(((numbers >= 0) & (numbers < concepts)).all())


def _unpacked(packed: Tensor, units: int, concepts: int) -> BestConcepts:
    top = min(KEPT, concepts)
    scores, numbers, prior = torch.split(packed, [units * top, units * top, concepts])
    return BestConcepts(scores.view(units, top), numbers.long().view(units, top), prior)


def _row(
    features: ClipFeatures, unit: Unit, known: BestConcepts, similarity: Similarity
) -> tuple[list[str], list[float]]:
    if unit.source:  # a direction is no unit of the layer, but the layer's prior is its own
        half = features.matrix.choosing
        layer = features.matrix.layer(unit)[half]
        known = find_best_concepts(
            similarity,
            features.own(unit)[:, None],
            features.image_embeddings[half],
            features.text_embeddings,
            layer=layer,
            prior=known.prior,
            top=KEPT,
        )
    row = 0 if unit.source else unit.channel
    numbers = order_ties(features, unit, known.concepts[row], known.scores[row])
    return [features.context.concepts[i] for i in numbers.tolist()], known.scores[row].tolist()


def order_ties(features: ClipFeatures, unit: Unit, concepts: Tensor, scores: Tensor) -> Tensor:
    """Put those concepts that share the best score into the order of their correlation with the unit.

    Before the first of them go those that say less of the same: "star" comes before "star seen from the front".
    """
    equal = int((scores >= scores[0] - TIE).sum())
    if equal < 2:
        return concepts
    half = features.matrix.choosing
    shown = presence(features.image_embeddings[half] @ features.text_embeddings[concepts[:equal]].T)
    order = METRICS["correlation"](features.own(unit), shown).argsort(descending=True, stable=True)
    ordered = concepts[:equal][order].tolist()
    words = {i: set(features.context.concepts[i].split()) for i in ordered}
    shorter = sorted((i for i in ordered if words[i] < words[ordered[0]]), key=lambda i: len(words[i]))
    found = [*shorter, *(i for i in ordered if i not in shorter)]
    return torch.cat([torch.tensor(found).to(concepts), concepts[equal:]])


def composed(
    features: ClipFeatures, unit: Unit, words: Sequence[str], similarity: Similarity
) -> tuple[list[str], list[float]]:
    """Choose among words and all ordered pairs of them, "w1 w2": (texts, scores), best first.

    Source: CLIP-Dissect, compositional concepts (its figure 10, with 100 words)
    """
    pairs = [f"{one} {two}" for one in words for two in words if one != two]
    texts = [*words, *pairs]
    half = features.matrix.choosing
    layer = features.matrix.layer(unit)[half]
    given = (
        features.own(unit)[:, None],
        features.image_embeddings[half],
        embed_texts(features.encoder, texts),
    )
    found = find_best_concepts(similarity, *given, layer=layer, top=KEPT)
    return [texts[i] for i in found.concepts[0].tolist()], found.scores[0].tolist()


def class_of_description(
    encoder: Any, text: str, classes: Sequence[str], count: int = 5
) -> list[tuple[str, float]]:
    """Find the classes that a description speaks of: names and cosines of the texts, best first.

    Source: CLIP-Dissect, predicting a class from a unit's description (its appendix A.6)
    """
    if not classes:
        raise InvalidValueError("there are no class names to compare the description with")
    own, names = embedded_texts(encoder, [text]), embedded_texts(encoder, classes)
    best = (names @ own[0]).topk(min(count, len(classes)))
    return [(classes[i], float(x)) for i, x in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
