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
from vital.describing.candidates.scoring import ScorerName
from vital.describing.candidates.selection import described_as, tried
from vital.describing.candidates.top_images import TopImages, coloured
from vital.records import Description
from vital.units import Unit
from vital.utils.options import Count, CountOrZero


@dataclass(frozen=True)
class Captioning(Describer):
    """What describers with captions have in common: how labels are found once there are pictures (see `Dnd`).

    Options:
        simplify: Whether captions are brought to phrases before they are summarized.
        n_rounds: How often the summarizer is asked, each time with the captions in another order.
        n_proposals: The number of descriptions that it is asked for each time.
        max_words: The most words of those parts of a description that are tried beside it; 0 for no parts.
        n_joined: The number of best candidates that are joined two by two; 0 for no pairs.
        n_candidates: The number of candidates that are tried; none for all.
        n_real: The number of real images that candidates are held against; 0 for none.
        n_generated: The number of images that are generated of each candidate.
        scoring: How the candidates are ranked: one of `vital.describing.candidates.scoring.SCORERS`.
        n_labels: The number of candidates that are told.
    """

    simplify: bool = True
    n_rounds: Count = 5
    n_proposals: Count = 4
    max_words: CountOrZero = 2
    n_joined: CountOrZero = 4
    n_candidates: Count | None = 10
    n_real: CountOrZero = 500
    n_generated: Count = 10
    scoring: ScorerName = "auprc"
    n_labels: Count = 3


@dataclass(frozen=True, eq=False)
class LoadedBackends:
    """Where labels are found: the context with kept makers, the gallery, and what was seen of real images."""

    tools: Context
    units: tuple[Unit, ...]
    gallery: Gallery
    real: Shown


def bench(what: Captioning, tools: Context, units: Sequence[Unit]) -> LoadedBackends:
    """Prepare makers and real images for a list of units; without a summarizer the built-in one is taken."""
    tools = kept_makers(replace(tools, summarizer=tools.summarizer or BuiltIn(tools.encoder)))
    chosen, captioner = tuple(tools.model.units(units)), cast("Captioner", tools.captioner)
    gallery = Gallery(
        tools.model, chosen, captioner, tools.encoder, tools.generator, what.n_generated, tools.seed
    )
    images = tools.images or (tools.bank.images if tools.bank else None)
    empty = Shown(torch.zeros(len(chosen), 0), ())
    return LoadedBackends(
        tools, chosen, gallery, gallery.real(images, what.n_real) if images and what.n_real else empty
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
    orders = {"rounds": what.n_rounds, "count": what.n_proposals}
    texts = proposals(summarizer, said, pictures, **orders, seed=(tools.seed, str(unit)))
    proposed = candidates([*with_backgrounds(texts), *more], said, what.max_words)
    found = tried(
        at.gallery,
        at.real,
        row,
        proposed,
        shown,
        tools,
        scoring=what.scoring,
        most=what.n_candidates,
        join=what.n_joined,
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
    return described_as(unit, method, found, shown, tools, what.n_labels, **details)
