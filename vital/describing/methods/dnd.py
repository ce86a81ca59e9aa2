"""Describe-and-Dissect: captions of what excites a unit, what they share, and a trial of that with made images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from tqdm import tqdm

from vital.activations import ReferenceBank
from vital.describing.base import DESCRIBERS, Context, check_needs
from vital.describing.candidates.top_images import TopImages, exhibits
from vital.describing.methods.captioning import Captioning, bench, check_options, labelled
from vital.records import Description
from vital.units import Unit


@DESCRIBERS.register("dnd", example="dnd")
@dataclass(frozen=True)
class Dnd(Captioning):
    """Describe-and-Dissect (TMLR 2025): describe what excites a unit, and let a generator settle what it is.

    1. Of the `images` strongest probe images and up to `crops` attention crops of each (see `attention_boxes`; `field`
       makes them the part that the place sees), the `shown` that excite the unit most are described.
    2. The captioner writes a caption for each, and the summarizer brings it to a phrase where it can (`simplify`).
    3. The summarizer is asked `rounds` times for `proposals` short descriptions, each time with the captions in another
       order, drawn from the seed. Beside each stand its parts of up to `parts` words, and the pairs of the `join` that
       fit real images best.
    4. The `candidates` that fit `real` probe images best are kept: by the correlation of the unit's value with captions
       that say them, and by the encoder where there is one.
    5. The generator makes `made` images of each from the toolbox's seed, and the unit is asked how it responds to them.
    6. `scoring` (one of `SCORERS`) ranks the candidates; the best `labels` are told.

    Without a generator the fit of step 4 is the score; without a summarizer the built-in one is asked. Answers of
    makers are kept (see `Answers`). As published it is `proposals=1, parts=0, join=0, candidates=0,
    scoring="topk-compare"`, with a language model and a diffusion model; what is new are step 3's parts and pairs,
    4, and the score `auprc`, which lets "red" win over "large red cube" where the unit responds to whatever is red.
    """

    needs: ClassVar[tuple[str, ...]] = ("bank", "captioner")
    images: int = 10
    crops: int = 4
    field: float = 0.0
    shown: int = 10

    def describe(self, tools: Context, units: Sequence[Unit]) -> list[Description]:
        """Say what each unit responds to, in the order of the units."""
        check_needs("dnd", self, tools)
        check_options(self, tools, images=1, shown=1, crops=0)
        at = bench(self, tools, units)
        bar = tqdm(at.units, desc="dnd", unit="unit", disable=None if tools.progress else True, leave=False)
        return [
            labelled(self, at, row, "dnd", self._shown(cast("ReferenceBank", tools.bank), unit))
            for row, unit in enumerate(bar)
        ]

    def _shown(self, bank: ReferenceBank, unit: Unit) -> TopImages:
        return exhibits(bank, unit, self.images, self.crops, self.shown, field=self.field)
