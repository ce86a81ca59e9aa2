"""The path from pictures to a label that all describers with captions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import torch

from vital.describe.base import Toolbox
from vital.describe.candidates import candidates, proposals, with_backgrounds
from vital.describe.choose import check_scoring, described_as, tried
from vital.describe.gallery import Gallery, Shown
from vital.describe.kept import kept_makers
from vital.describe.look import Exhibits, coloured
from vital.errors import BadValue
from vital.makers import BuiltIn, Captioner, Summariser
from vital.records import Description
from vital.trace import resolve_units
from vital.units import Unit

LEAST = {
    "rounds": 1,
    "proposals": 1,
    "made": 1,
    "labels": 1,
    "parts": 0,
    "join": 0,
    "candidates": 0,
    "real": 0,
}


class Choosing(Protocol):
    """What a describer says of how labels are found; see `Dnd`."""

    @property
    def simplify(self) -> bool:
        """Whether captions are brought to phrases."""

    @property
    def rounds(self) -> int:
        """How often the summariser is asked."""

    @property
    def proposals(self) -> int:
        """For how many descriptions each time."""

    @property
    def parts(self) -> int:
        """How many words the parts of a description have at most."""

    @property
    def join(self) -> int:
        """How many of the best are joined two by two."""

    @property
    def candidates(self) -> int:
        """How many candidates are drawn; 0 for all."""

    @property
    def made(self) -> int:
        """How many images are made of each."""

    @property
    def real(self) -> int:
        """How many real images are looked at."""

    @property
    def scoring(self) -> str:
        """The name of the score."""

    @property
    def labels(self) -> int:
        """How many labels are told."""

    def options(self) -> dict[str, Any]:
        """The fields and their values."""


def check_options(what: Choosing, tools: Toolbox, **more: int) -> None:
    """Raise `BadValue` for a count below the least, and as `check_scoring` does."""
    for name, least in {**LEAST, **more}.items():
        if getattr(what, name) < least:
            raise BadValue(f"{name} is {getattr(what, name)}; allowed are whole numbers from {least}")
    check_scoring(what.scoring, tools)


@dataclass(frozen=True, eq=False)
class Bench:
    """Where labels are found: the toolbox with kept makers, the gallery, and what was seen of real images."""

    tools: Toolbox
    units: tuple[Unit, ...]
    gallery: Gallery
    real: Shown


def bench(what: Choosing, tools: Toolbox, units: Sequence[str | Unit]) -> Bench:
    """Prepare makers and real images for a list of units; without a summariser the built-in one is taken."""
    tools = kept_makers(replace(tools, summariser=tools.summariser or BuiltIn(tools.encoder)))
    chosen, captioner = tuple(resolve_units(tools.model, units)), cast("Captioner", tools.captioner)
    gallery = Gallery(tools.model, chosen, captioner, tools.encoder, tools.generator, what.made, tools.seed)
    images = tools.images or (tools.bank.images if tools.bank else None)
    empty = Shown(torch.zeros(len(chosen), 0), ())
    return Bench(tools, chosen, gallery, gallery.real(images, what.real) if images and what.real else empty)


def labelled(
    what: Choosing, at: Bench, row: int, method: str, shown: Exhibits, more: Sequence[str] = ()
) -> Description:
    """Put one unit into words: caption what is shown of it, propose, and try what is proposed and `more`."""
    tools, unit = at.tools, at.units[row]
    pictures, summariser = coloured(shown.pictures), cast("Summariser", tools.summariser)
    captions = cast("Captioner", tools.captioner).describe(pictures)
    short = getattr(summariser, "simplify", None) if what.simplify else None
    said = short(captions) if short else captions
    orders = {"rounds": what.rounds, "count": what.proposals}
    texts = proposals(summariser, said, pictures, **orders, seed=(tools.seed, str(unit)))
    proposed = candidates([*with_backgrounds(texts), *more], said, what.parts)
    found = tried(
        at.gallery,
        at.real,
        row,
        proposed,
        shown,
        tools,
        scoring=what.scoring,
        most=what.candidates,
        join=what.join,
        captions=said,
    )
    refused = at.gallery.refused
    details = {
        "captions": captions,
        "proposed": [*texts, *more],
        "refused": {c.text: refused[c.text] for c in proposed if c.text in refused},
        "made": sum(len(t.ranks) for t in found),
        "options": what.options(),
    }
    return described_as(unit, method, found, shown, tools, what.labels, **details)
