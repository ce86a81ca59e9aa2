"""Describe-and-Dissect: captions of what excites a unit, what they share, and a trial of that with made images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from tqdm import tqdm

from vital.describe.answers import kept_makers
from vital.describe.base import DESCRIBERS, Describer, Toolbox, check_needs
from vital.describe.candidates import candidates, proposals, with_backgrounds
from vital.describe.choose import check_scoring, described_as, tried
from vital.describe.gallery import Gallery, Shown
from vital.describe.look import Exhibits, coloured, exhibits
from vital.errors import BadValue
from vital.makers import BuiltIn, Captioner, Summariser
from vital.records import Description
from vital.reference import ReferenceBank
from vital.trace import resolve_units
from vital.units import Unit


@DESCRIBERS.register("dnd", example="dnd")
@dataclass(frozen=True)
class Dnd(Describer):
    """Describe-and-Dissect (TMLR 2025): describe what excites a unit, and let a generator settle what it is.

    1. Of the `images` strongest probe images and up to `crops` attention crops of each (see `attention_boxes`; `field`
       makes them the part that the place sees), the `shown` that excite the unit most are described.
    2. The captioner writes a caption for each, and the summariser brings it to a phrase where it can (`simplify`).
    3. The summariser is asked `rounds` times for `proposals` short descriptions, each time with the captions in another
       order, drawn from the seed. Beside each stand its parts of up to `parts` words.
    4. The `candidates` that fit `real` probe images best are kept: by the correlation of the unit's value with captions
       that say them, and by the encoder where there is one.
    5. The generator makes `made` images of each from the toolbox's seed, and the unit is asked how it responds to them.
    6. `scoring` (one of `SCORERS`) ranks the candidates; the best `labels` are told.

    Without a generator the fit of step 4 is the score; without a summariser the built-in one is asked. Answers of
    makers are kept (see `Answers`). As published it is `proposals=1, parts=0, candidates=0,
    scoring="topk-compare"`, with a language model and a diffusion model; what is new are steps 3's parts, 4, and
    the score `auprc`, which lets "red" win over "large red cube" where the unit responds to whatever is red.
    """

    needs: ClassVar[tuple[str, ...]] = ("bank", "captioner")
    images: int = 10
    crops: int = 4
    field: float = 0.0
    shown: int = 10
    simplify: bool = True
    rounds: int = 5
    proposals: int = 4
    parts: int = 2
    candidates: int = 10
    real: int = 500
    made: int = 10
    scoring: str = "auprc"
    labels: int = 3

    def describe(self, tools: Toolbox, units: Sequence[Unit]) -> list[Description]:
        """Say what each unit responds to, in the order of the units."""
        check_needs("dnd", self, tools)
        self._check(tools)
        tools = replace(tools, summariser=tools.summariser or BuiltIn(tools.encoder))
        tools, units = kept_makers(tools), resolve_units(tools.model, units)
        bank, captioner = cast("ReferenceBank", tools.bank), cast("Captioner", tools.captioner)
        gallery = Gallery(
            tools.model, units, captioner, tools.encoder, tools.generator, self.made, tools.seed
        )
        real = gallery.real(bank.images, self.real)
        bar = tqdm(units, desc="dnd", unit="unit", disable=None if tools.progress else True, leave=False)
        return [self._described(tools, gallery, real, row, unit) for row, unit in enumerate(bar)]

    def _check(self, tools: Toolbox) -> None:
        least = {"images": 1, "shown": 1, "rounds": 1, "proposals": 1, "made": 1, "labels": 1, "real": 1}
        least |= {"crops": 0, "parts": 0, "candidates": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise BadValue(f"{name} is {getattr(self, name)}; allowed are whole numbers from {value}")
        check_scoring(self.scoring, tools)

    def _described(self, tools: Toolbox, gallery: Gallery, real: Shown, row: int, unit: Unit) -> Description:
        bank = cast("ReferenceBank", tools.bank)
        shown = exhibits(bank, unit, self.images, self.crops, self.shown, field=self.field)
        captions, said = self._captions(tools, shown)
        texts = proposals(
            cast("Summariser", tools.summariser),
            said,
            coloured(shown.pictures),
            rounds=self.rounds,
            count=self.proposals,
            seed=(tools.seed, str(unit)),
        )
        proposed = candidates(with_backgrounds(texts), said, self.parts)
        found = tried(gallery, real, row, proposed, shown, tools, scoring=self.scoring, most=self.candidates)
        details = {"captions": captions, "proposed": texts, "options": self.options()}
        made = sum(len(t.ranks) for t in found)
        refused = {c.text: gallery.refused[c.text] for c in proposed if c.text in gallery.refused}
        return described_as(
            unit, "dnd", found, shown, tools, self.labels, **details, made=made, refused=refused
        )

    def _captions(self, tools: Toolbox, shown: Exhibits) -> tuple[list[str], list[str]]:
        """The captions, and what is made of them: the same, or a phrase for each."""
        captions = cast("Captioner", tools.captioner).describe(coloured(shown.pictures))
        short = getattr(tools.summariser, "simplify", None) if self.simplify else None
        return captions, short(captions) if short else captions
