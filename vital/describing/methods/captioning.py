"""The path from pictures to a label that all describers with captions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch

from vital.backends import BuiltIn, Captioner, Summarizer
from vital.describing.base import Context, Describer, kept_makers
from vital.describing.candidates.candidates import candidates, proposals, with_backgrounds
from vital.describing.candidates.evaluation import Gallery, Shown
from vital.describing.candidates.selection import check_scoring, described_as, tried
from vital.describing.candidates.top_images import TopImages, coloured
from vital.errors import InvalidValueError
from vital.records import Description
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


@dataclass(frozen=True)
class Captioning(Describer):
    """What describers with captions have in common: how labels are found once there are pictures (see `Dnd`).

    Captions are brought to phrases (`simplify`); the summarizer is asked `rounds` times for `proposals` descriptions,
    whose parts have up to `parts` words; the `join` best are joined two by two; `candidates` are drawn (0 for all),
    `made` images of each, and held against `real` images; `scoring` ranks them and the best `labels` are told.
    """

    simplify: bool = True
    rounds: int = 5
    proposals: int = 4
    parts: int = 2
    join: int = 4
    candidates: int = 10
    real: int = 500
    made: int = 10
    scoring: str = "auprc"
    labels: int = 3


def check_options(what: Captioning, tools: Context, **more: int) -> None:
    """Raise `InvalidValueError` for a count below the least, and as `check_scoring` does."""
    for name, least in {**LEAST, **more}.items():
        if getattr(what, name) < least:
            raise InvalidValueError(
                f"{name} is {getattr(what, name)}; allowed are whole numbers from {least}"
            )
    check_scoring(what.scoring, tools)


@dataclass(frozen=True, eq=False)
class LoadedBackends:
    """Where labels are found: the toolbox with kept makers, the gallery, and what was seen of real images."""

    tools: Context
    units: tuple[Unit, ...]
    gallery: Gallery
    real: Shown


def bench(what: Captioning, tools: Context, units: Sequence[Unit]) -> LoadedBackends:
    """Prepare makers and real images for a list of units; without a summarizer the built-in one is taken."""
    tools = kept_makers(replace(tools, summarizer=tools.summarizer or BuiltIn(tools.encoder)))
    chosen, captioner = tuple(units), cast("Captioner", tools.captioner)
    gallery = Gallery(tools.model, chosen, captioner, tools.encoder, tools.generator, what.made, tools.seed)
    images = tools.images or (tools.bank.images if tools.bank else None)
    empty = Shown(torch.zeros(len(chosen), 0), ())
    return LoadedBackends(
        tools, chosen, gallery, gallery.real(images, what.real) if images and what.real else empty
    )


def labelled(
    what: Captioning, at: LoadedBackends, row: int, method: str, shown: TopImages, more: Sequence[str] = ()
) -> Description:
    """Put one unit into words: caption what is shown of it, propose, and try what is proposed and `more`."""
    tools, unit = at.tools, at.units[row]
    pictures, summarizer = coloured(shown.pictures), cast("Summarizer", tools.summarizer)
    captions = cast("Captioner", tools.captioner).describe(pictures)
    short = getattr(summarizer, "simplify", None) if what.simplify else None
    said = short(captions) if short else captions
    orders = {"rounds": what.rounds, "count": what.proposals}
    texts = proposals(summarizer, said, pictures, **orders, seed=(tools.seed, str(unit)))
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
