"""Activation ranges: what a unit responds to at its very top, further down, and on its negative side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from vital.describing.base import DESCRIBERS, Context, Describer
from vital.describing.matching.clip_features import ClipFeatures
from vital.describing.matching.presence import presence
from vital.records import Description
from vital.units import Unit
from vital.utils.options import CountOrZero, Range

RangeShare = Annotated[float, Range(0, 0.5, open=True)]
FEWEST = 5
"""A range has no fewer images than this."""


@DESCRIBERS.register("activation-ranges")
@dataclass(frozen=True)
class ActivationRanges(Describer):
    """The concept that stands out among the images of each range of a unit's values, and on its negative side.

    Formula: mean presence in the range − mean presence over all images, in standard deviations of as many random ones

    A range is a share of the strongest images, with those above it and with at least five images. The negative side is
    the weakest of the largest share; a unit behind a ReLU has none where it is silent on more images than that. The
    label is that of the largest range; all of them are in `details["ranges"]`: name, images, concept, score. A unit
    that answers to one thing has the same word in each.

    Options:
        shares: The ranges, as shares of the images, strongest first.
        n_evidence: The number of strongest images that are named as evidence.
    """

    needs: ClassVar[tuple[str, ...]] = ("images", "concepts", "encoder")

    shares: tuple[RangeShare, ...] = (0.001, 0.01, 0.05)
    n_evidence: CountOrZero = 10

    def describe(self, context: Context, units: Sequence[Unit]) -> list[Description]:
        """Look at the ranges of each unit, on the images of even numbers."""
        units = context.model.units(units)
        features = ClipFeatures.of(context, units)
        shown = presence(features.image_embeddings @ features.text_embeddings.T)[features.matrix.choosing]
        return [self._description(features, shown, unit) for unit in units]

    def _description(self, features: ClipFeatures, shown: Tensor, unit: Unit) -> Description:
        values = features.own(unit)
        ranges = [self._range(features, shown, name, rows) for name, rows in self.rows(values).items()]
        largest = max((one for one in ranges if one["range"] != "negative"), key=lambda one: one["images"])
        label, facts = (
            largest["concept"],
            {"options": self.options(), "encoder": features.encoder.name, "ranges": ranges},
        )
        others = tuple((one["concept"], one["score"]) for one in ranges if one["concept"] != label)
        return Description(
            unit, "activation-ranges", label, largest["score"], label, others, None,
            features.strongest(unit, self.n_evidence), features.context.seed, features.context.model.name, facts,
        )  # fmt: skip

    def rows(self, values: Tensor) -> dict[str, Tensor]:
        """The images of each range by its name.

        >>> import torch
        >>> {name: len(rows) for name, rows in ActivationRanges(shares=(0.1,)).rows(torch.arange(100.0)).items()}
        {'top 10 %': 10, 'negative': 10}
        """
        order = values.argsort(descending=True, stable=True)
        counts = {
            share: min(len(order), max(FEWEST, round(share * len(order)))) for share in sorted(self.shares)
        }
        found = {f"top {100 * share:g} %": order[:count] for share, count in counts.items()}
        low = order[-counts[max(self.shares)] :]
        silent = int((values == values.amin()).sum()) > len(low)
        return found if silent else found | {"negative": low}

    @staticmethod
    def _range(features: ClipFeatures, shown: Tensor, name: str, rows: Tensor) -> dict[str, Any]:
        """The concept that stands out most, where any does."""
        spread = shown.std(0).clamp(min=1e-6) / len(rows) ** 0.5
        apart = (shown[rows].mean(0) - shown.mean(0)) / spread
        best = int(apart.argmax())
        text, score = features.context.concepts[best], round(float(apart[best]), 4)
        return {"range": name, "images": len(rows), "concept": text, "score": score}
