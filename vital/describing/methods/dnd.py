"""Describe-and-Dissect: captions of what excites a unit, what they share, and a test of that with generated images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

from vital.activations import ReferenceBank
from vital.describing.base import DESCRIBERS, Context
from vital.describing.candidates.top_images import TopImages, collect_top_images
from vital.describing.methods.captioning import Captioning, labeled, load_backends
from vital.describing.variation import silent
from vital.records import Description
from vital.units import Unit
from vital.utils.options import Count, FactorOrZero, Range
from vital.utils.progress import Progress

Coverage = Annotated[float, Range(0, 1, open=True)]


@DESCRIBERS.register("dnd", example="dnd")
@dataclass(frozen=True)
class Dnd(Captioning):
    """Describe-and-Dissect (TMLR 2025): describe what excites a unit, and let a generator settle what it is.

    1. Of the `n_images` strongest probe images and up to `n_crops` attention crops of each (see `attention_boxes`), the
       `n_shown` that excite the unit most are described.
    2. The captioner writes a caption for each, and the summarizer brings it to a phrase where it can (`simplify`).
    3. The summarizer is asked `n_rounds` times for `n_proposals` short descriptions, each time with the captions in
       another order, drawn from the seed. Beside each stand its parts of up to `max_words` words, and the pairs of the
       `n_joined` that fit real images best.
    4. The `n_candidates` that fit `n_real` probe images best are kept: by the correlation of the unit's value with
       captions that say them, and by the encoder where there is one.
    5. The generator makes `n_generated` images of each from the context's seed, and the unit is asked how it responds.
    6. `scoring` (one of `SCORERS`) ranks the candidates; the best `n_labels` are told.

    Without a generator the fit of step 4 is the score; without a summarizer the built-in one is asked. Answers of
    backends are kept (see `ResponseCache`). As published it is `n_proposals=1, max_words=0, n_joined=0,
    n_candidates=None, scoring="topk-compare"`, with a language model and a diffusion model; what is new are step 3's
    parts and pairs, 4, and the score `auprc`, which lets "red" win over "large red cube" where the unit responds to
    whatever is red.

    Options:
        n_images: The number of strongest images that are looked at.
        n_crops: The most crops of each of them.
        patch_coverage: The share of what a place responds to that a crop holds; none for crops of what stands out.
        n_shown: The number of images and crops that are described.
    """

    needs: ClassVar[tuple[str, ...]] = ("bank", "captioner")
    n_images: Count = 10
    n_crops: FactorOrZero = 4
    patch_coverage: Coverage | None = None
    n_shown: Count = 10

    def describe(self, context: Context, units: Sequence[Unit]) -> list[Description]:
        """Say what each unit responds to, in the order of the units."""
        at = load_backends(self, "dnd", context, units)
        with Progress("dnd", len(at.units), "unit", shown=context.progress) as bar:
            return [
                silent(context, unit, "dnd", at.quiet[unit])
                if unit in at.quiet
                else labeled(self, at, row, "dnd", self._shown(context, unit))
                for row, unit in enumerate(bar.each(at.units))
            ]

    def _shown(self, context: Context, unit: Unit) -> TopImages:
        """The pictures of one unit: its strongest images and their crops."""
        bank, counts = cast("ReferenceBank", context.bank), (self.n_images, self.n_crops, self.n_shown)
        return collect_top_images(
            bank, unit, *counts, field=self.patch_coverage, split_seed=context.split_seed
        )
