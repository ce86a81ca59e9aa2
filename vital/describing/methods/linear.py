"""Linear explanations (ICML 2024): a unit as a weighted sum of a few concepts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from vital.describing.base import DESCRIBERS, Context, Describer, probe_images
from vital.describing.matching.clip_features import ClipFeatures, by_readout
from vital.describing.matching.presence import presence, presence_blocks, stretched, weighted
from vital.describing.matching.search import TopConcepts
from vital.describing.variation import silent
from vital.metrics import METRICS
from vital.records import Description
from vital.units import Unit
from vital.utils.options import Count, CountOrZero, NonNegative


@DESCRIBERS.register("linear")
@dataclass(frozen=True)
class Linear(Describer):
    """A weighted sum of a few concepts whose presence simulates the unit; the label names the weightiest.

    Of the concepts whose presence correlates best orthogonal matching pursuit takes one after the other, as long as the
    simulation on images set aside among the choosing ones gains in correlation, or no weight is positive. The score is
    Pearson's correlation of the simulated and the true values on the held-out images. Presence is simulated by the
    encoder (`vital.describing.matching.presence.presence`). Concepts with at least half of the greatest weight make the
    label; one of negative weight has no part in it, and a sum without a positive weight says nothing. The weights, in
    standard deviations of the unit per full presence, are in `details["terms"]`.

    Source: Oikarinen & Weng, Linear Explanations for Individual Neurons, ICML 2024

    Options:
        n_concepts: The most concepts that are summed.
        n_preselected: The number of concepts, those whose presence correlates best, that are looked at.
        gain: The least gain in correlation for which one more concept is taken.
        n_evidence: The number of strongest images that are named as evidence.
    """

    needs: ClassVar[tuple[str, ...]] = ("images", "concepts", "encoder")

    n_concepts: Count = 10
    n_preselected: Count = 200
    gain: NonNegative = 0.01
    n_evidence: CountOrZero = 10

    def describe(self, context: Context, units: Sequence[Unit]) -> list[Description]:
        """Fit each unit."""
        units = context.model.units(units)
        features = ClipFeatures.of(context, units)
        quiet = {unit: said for unit in units if (said := features.silence(unit, "linear"))}
        asked = [unit for unit in dict.fromkeys(units) if unit not in quiet]
        judging = _set_aside(features)
        pools: dict[Unit, Tensor] = {}
        for group in by_readout(asked).values():
            pools.update(zip(group, self._preselected(features, group, ~judging), strict=True))
        return [quiet.get(unit) or self._description(features, unit, pools[unit], judging) for unit in units]

    def _preselected(self, features: ClipFeatures, units: Sequence[Unit], fit: Tensor) -> Tensor:
        """The concepts whose presence correlates best with each unit on the images that sums are fitted on: (U, n)."""
        rows = features.matrix.choosing.nonzero().view(-1)[fit]
        values, texts = features.matrix.of(units)[rows], features.text_embeddings
        best = TopConcepts(len(units), min(self.n_preselected, len(texts)))
        for start, shown in presence_blocks(features.image_embeddings, texts, rows):
            best.add(METRICS["correlation"](values, shown), start)
        return best.concepts

    def _description(self, features: ClipFeatures, unit: Unit, pool: Tensor, judging: Tensor) -> Description:
        half, concepts = features.matrix.choosing, features.context.concepts
        values = features.matrix.of([unit])[:, 0]
        cosines = features.image_embeddings @ features.text_embeddings[pool].T
        chosen, weights = self._fitted(values[half], presence(cosines, half), judging)
        terms = [[concepts[pool[i]], round(w, 6)] for i, w in zip(chosen, weights, strict=True)]
        facts: dict[str, Any] = {"options": self.options(), "encoder": features.encoder.name, "terms": terms}
        label = said(terms)
        if not label:
            return replace(
                silent(features.context, unit, "linear", "no weight of the sum is positive"), details=facts
            )
        simulated = weighted(cosines[:, chosen], torch.tensor(weights))
        score = float(METRICS["correlation"](values[~half], simulated[~half])) if (~half).any() else 0.0
        others = tuple((str(text), w) for (text, _), w in zip(terms[1:], weights[1:], strict=True))
        return Description(
            unit, "linear", label, score, label, others, None,
            features.strongest(unit, self.n_evidence), features.context.seed, features.context.model.name, facts,
        )  # fmt: skip

    def _fitted(self, values: Tensor, shown: Tensor, judging: Tensor) -> tuple[list[int], list[float]]:
        """Concepts and weights, weightiest first; the images set aside judge how many concepts are worth having."""
        fit = ~judging
        best: tuple[float, list[int], list[float]] = (-2.0, [0], [1.0])
        for count in range(1, min(self.n_concepts, shown.shape[1]) + 1):
            chosen, weights = _pursued(values[fit], shown[fit], count)
            simulated = stretched(shown[:, chosen] @ torch.tensor(weights, dtype=shown.dtype))
            found = (
                float(METRICS["correlation"](values[judging], simulated[judging])) if judging.any() else 0.0
            )
            names_something = any(weight > 0 for weight in best[2])
            if count > 1 and names_something and found < best[0] + self.gain:
                break
            best = (found, chosen, weights)
        order = sorted(range(len(best[2])), key=lambda i: -best[2][i])
        return [best[1][i] for i in order], [best[2][i] for i in order]


def _set_aside(features: ClipFeatures) -> Tensor:
    """Which of the choosing images judge the sums: about every fourth, and none of very few."""
    context, known = features.context, features.matrix
    drawn = probe_images(context).part(0.25, context.split_seed, "judging sums")[known.numbers][
        known.choosing
    ]
    return drawn if (~drawn).sum() > 2 else torch.zeros_like(drawn)


def said(terms: Sequence[Sequence[Any]]) -> str:
    """Name the concepts with at least half of the greatest weight; "" where no weight is positive.

    >>> said([["striped", 2.0], ["cube", 1.1], ["snow", 0.3]])
    'striped, cube'
    """
    return ", ".join(text for text, weight in terms if weight > 0 and weight >= terms[0][1] / 2)


def _pursued(values: Tensor, shown: Tensor, count: int) -> tuple[list[int], list[float]]:
    """Take `count` columns by orthogonal matching pursuit: their numbers and weights per standard deviation."""
    from sklearn.linear_model import orthogonal_mp

    y = values.double() - values.double().mean()
    x = shown.double() - shown.double().mean(0)
    lengths = x.norm(dim=0).clamp(min=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where columns say the same, and then takes fewer
        found = orthogonal_mp((x / lengths).numpy(), y.numpy(), n_nonzero_coefs=count)
    weights = torch.from_numpy(found).view(-1) / lengths / y.std().clamp(min=1e-12)
    chosen = weights.nonzero().view(-1).tolist() or [0]
    return chosen, [float(weights[i]) for i in chosen]
