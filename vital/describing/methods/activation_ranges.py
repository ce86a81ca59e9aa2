"""Bands: what a unit responds to at its very top, further down, and on its negative side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from vital.describing.base import DESCRIBERS, Context, Describer
from vital.describing.matching.clip_features import Look
from vital.describing.matching.presence import presence
from vital.records import Description
from vital.units import Unit
from vital.utils.options import CountOrZero, Range

BandShare = Annotated[float, Range(0, 0.5, open=True)]
FEWEST = 5
"""A band looks at no fewer images than this."""


@DESCRIBERS.register("bands")
@dataclass(frozen=True)
class Bands(Describer):
    """The concept that stands out among the images of each band of a unit's values, and on its negative side.

    Formula: mean presence in the band − mean presence over all images, in standard deviations of a band drawn at random

    A band is a share of the strongest images, with those above it and with at least five images. The negative side is
    the weakest of the largest share; a unit behind a ReLU has none where it is silent on more images than that. The
    label is that of the largest band; all of them are in `details["bands"]`: name, images, concept, score. A unit that
    answers to one thing has the same word in each.

    Options:
        shares: The bands, as shares of the images, strongest first.
        n_evidence: The number of strongest images that are named as evidence.
    """

    needs: ClassVar[tuple[str, ...]] = ("images", "concepts", "encoder")

    shares: tuple[BandShare, ...] = (0.001, 0.01, 0.05)
    n_evidence: CountOrZero = 10

    def describe(self, tools: Context, units: Sequence[Unit]) -> list[Description]:
        """Look at the bands of each unit, on the images of even numbers."""
        units = tools.model.units(units)
        look = Look.of(tools, units)
        shown = presence(look.seen @ look.read.T)[look.probe.choosing]
        return [self._description(look, shown, unit) for unit in units]

    def _description(self, look: Look, shown: Tensor, unit: Unit) -> Description:
        values = look.own(unit)
        bands = [self._band(look, shown, name, rows) for name, rows in self.rows(values).items()]
        largest = max((band for band in bands if band["band"] != "negative"), key=lambda band: band["images"])
        label, facts = (
            largest["concept"],
            {"options": self.options(), "encoder": look.encoder.name, "bands": bands},
        )
        others = tuple((band["concept"], band["score"]) for band in bands if band["concept"] != label)
        return Description(
            unit, "bands", label, largest["score"], label, others, None,
            look.strongest(unit, self.n_evidence), look.tools.seed, look.tools.model.name, facts,
        )  # fmt: skip

    def rows(self, values: Tensor) -> dict[str, Tensor]:
        """The images of each band by its name.

        >>> import torch
        >>> {name: len(rows) for name, rows in Bands(shares=(0.1,)).rows(torch.arange(100.0)).items()}
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
    def _band(look: Look, shown: Tensor, name: str, rows: Tensor) -> dict[str, Any]:
        """The concept that stands out most, where any does."""
        spread = shown.std(0).clamp(min=1e-6) / len(rows) ** 0.5
        apart = (shown[rows].mean(0) - shown.mean(0)) / spread
        best = int(apart.argmax())
        text, score = look.tools.concepts[best], round(float(apart[best]), 4)
        return {"band": name, "images": len(rows), "concept": text, "score": score}
