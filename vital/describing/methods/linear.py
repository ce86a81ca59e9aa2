"""Linear explanations (ICML 2024): a unit as a weighted sum of a few concepts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from vital.describing.base import DESCRIBERS, Context, Describer
from vital.describing.matching.clip_features import ClipFeatures
from vital.describing.matching.presence import presence, stretched, weighted
from vital.errors import missing_extra
from vital.metrics import METRICS
from vital.records import Description
from vital.units import Unit
from vital.utils.options import Count, CountOrZero, NonNegative


@DESCRIBERS.register("linear")
@dataclass(frozen=True)
class Linear(Describer):
    """A weighted sum of a few concepts whose presence simulates the unit; the label names the weightiest.

    Of the concepts whose presence correlates best orthogonal matching pursuit takes one after the other, as long as the
    simulation on images set aside among the choosing ones gains in correlation.
    The score is Pearson's correlation of the simulated and the true values on the images of odd numbers. Presence is
    simulated by the encoder (`vital.describing.matching.presence.presence`). Concepts with at least half of the
    greatest weight make the label. The weights, in standard deviations of the unit per full presence, are in
    `details["terms"]`.

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
        shown = presence(features.image_embeddings @ features.text_embeddings.T)
        return [self._description(features, shown, unit) for unit in units]

    def _description(self, features: ClipFeatures, shown: Tensor, unit: Unit) -> Description:
        half, concepts = features.matrix.choosing, features.context.concepts
        values = features.matrix.of([unit])[:, 0]
        chosen, weights = self._fitted(values[half], shown[half])
        terms = [[concepts[i], round(w, 6)] for i, w in zip(chosen, weights, strict=True)]
        cosines = features.image_embeddings @ features.text_embeddings[chosen].T
        simulated = weighted(cosines, torch.tensor(weights))
        score = float(METRICS["correlation"](values[~half], simulated[~half])) if (~half).any() else 0.0
        label = said(terms)
        others = tuple((str(text), w) for (text, _), w in zip(terms[1:], weights[1:], strict=True))
        facts: dict[str, Any] = {"options": self.options(), "encoder": features.encoder.name, "terms": terms}
        return Description(
            unit, "linear", label, score, label, others, None,
            features.strongest(unit, self.n_evidence), features.context.seed, features.context.model.name, facts,
        )  # fmt: skip

    def _fitted(self, values: Tensor, shown: Tensor) -> tuple[list[int], list[float]]:
        """Concepts and weights, weightiest first; each fourth image judges how many concepts are worth having."""
        judging = torch.arange(len(values)) % 4 == 3
        fit = ~judging if judging.any() and (~judging).sum() > 2 else torch.ones_like(judging)
        likeness = METRICS["correlation"](values[fit], shown[fit])
        pool = likeness.topk(min(self.n_preselected, shown.shape[1])).indices
        best: tuple[float, list[int], list[float]] = (-2.0, pool[:1].tolist(), [1.0])
        for count in range(1, min(self.n_concepts, len(pool)) + 1):
            chosen, weights = _pursued(values[fit], shown[fit][:, pool], count)
            simulated = stretched(shown[:, pool[chosen]] @ torch.tensor(weights, dtype=shown.dtype))
            found = (
                float(METRICS["correlation"](values[judging], simulated[judging])) if judging.any() else 0.0
            )
            if count > 1 and found < best[0] + self.gain:
                break
            best = (found, pool[chosen].tolist(), weights)
        order = sorted(range(len(best[2])), key=lambda i: -best[2][i])
        return [best[1][i] for i in order], [best[2][i] for i in order]


def said(terms: Sequence[Sequence[Any]]) -> str:
    """Name the concepts with at least half of the greatest weight.

    >>> said([["striped", 2.0], ["cube", 1.1], ["snow", 0.3]])
    'striped, cube'
    """
    return ", ".join(text for text, weight in terms if weight >= terms[0][1] / 2 or text == terms[0][0])


def _pursued(values: Tensor, shown: Tensor, count: int) -> tuple[list[int], list[float]]:
    """Take `count` columns by orthogonal matching pursuit: their numbers and weights per standard deviation."""
    try:
        from sklearn.linear_model import orthogonal_mp
    except ImportError as error:
        raise missing_extra("scikit-learn", "concepts", "linear explanations") from error
    y = values.double() - values.double().mean()
    x = shown.double() - shown.double().mean(0)
    lengths = x.norm(dim=0).clamp(min=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where columns say the same, and then takes fewer
        found = orthogonal_mp((x / lengths).numpy(), y.numpy(), n_nonzero_coefs=count)
    weights = torch.from_numpy(found).view(-1) / lengths / y.std().clamp(min=1e-12)
    chosen = weights.nonzero().view(-1).tolist() or [0]
    return chosen, [float(weights[i]) for i in chosen]
