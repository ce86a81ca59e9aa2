"""Activation ranges: what a unit responds to at its very top, further down, and on its negative side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from vital.describing.base import DESCRIBERS, Context, Describer
from vital.describing.matching.clip_features import ClipFeatures
from vital.describing.matching.presence import presence_blocks
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
        """Look at the ranges of each unit, on the half of the images that labels are chosen on."""
        units = context.model.units(units)
        features = ClipFeatures.of(context, units)
        quiet = {unit: said for unit in units if (said := features.silence(unit, "activation-ranges"))}
        parts = {unit: self.rows(features.own(unit)) for unit in units if unit not in quiet}
        found = _standing_out(features, parts) if parts else {}
        return [quiet.get(unit) or self._description(features, unit, found[unit]) for unit in units]

    def _description(self, features: ClipFeatures, unit: Unit, ranges: list[dict[str, Any]]) -> Description:
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


def _standing_out(
    features: ClipFeatures, parts: Mapping[Unit, Mapping[str, Tensor]]
) -> dict[Unit, list[dict[str, Any]]]:
    """The concept that stands out most in each range of each unit, of equal ones the first."""
    best = {(unit, name): (-math.inf, 0) for unit, ranges in parts.items() for name in ranges}
    half, texts = features.matrix.choosing, features.text_embeddings
    for start, shown in presence_blocks(features.image_embeddings, texts, half):
        usual, spread = shown.mean(0), shown.std(0).clamp(min=1e-6)
        for (unit, name), held in best.items():
            rows = parts[unit][name]
            score, at = ((shown[rows].mean(0) - usual) / (spread / len(rows) ** 0.5)).max(0)
            if float(score) > held[0]:
                best[unit, name] = (float(score), start + int(at))
    found: dict[Unit, list[dict[str, Any]]] = {unit: [] for unit in parts}
    for (unit, name), (score, number) in best.items():
        text, count = features.context.concepts[number], len(parts[unit][name])
        found[unit].append({"range": name, "images": count, "concept": text, "score": round(score, 4)})
    return found
