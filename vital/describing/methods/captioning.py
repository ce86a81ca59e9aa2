"""The path from pictures to a label that all describers with captions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import torch

from vital.backends import BuiltIn, Captioner, NoAnswerError, Summarizer
from vital.describing.base import Context, Describer, cached_backends, check_needs
from vital.describing.candidates.candidates import candidates, proposals, with_backgrounds
from vital.describing.candidates.evaluation import CandidateEvaluator, Shown
from vital.describing.candidates.scoring import ScorerName
from vital.describing.candidates.selection import check_scoring, described_as, score_candidates
from vital.describing.candidates.top_images import TopImages
from vital.describing.variation import silent, silent_units
from vital.records import Description
from vital.units import Unit
from vital.utils.drawing import as_rgb
from vital.utils.options import Count, CountOrZero, Factor, FactorOrZero

NO_ANSWER = "no answer"
"""How the reason begins why nothing is said of a unit about which a backend keeps its answer back."""


@dataclass(frozen=True)
class Captioning(Describer):
    """What describers with captions have in common: how labels are found once there are pictures (see `Dnd`).

    Options:
        simplify: Whether captions are brought to phrases before they are summarized.
        n_rounds: How often the summarizer is asked, each time with the captions in another order.
        n_proposals: The number of descriptions that it is asked for each time.
        max_words: The most words of those parts of a description that are scored beside it; 0 for no parts.
        n_joined: The number of best candidates that are joined two by two; 0 for no pairs.
        n_candidates: The number of candidates that are scored; none for all.
        n_real: The number of real images that candidates are held against; 0 for none.
        n_generated: The number of images that are generated of each candidate.
        scoring: How the candidates are ranked: one of `vital.describing.candidates.scoring.SCORERS`.
        n_labels: The number of candidates that are told.
    """

    simplify: bool = True
    n_rounds: Factor = 5
    n_proposals: Factor = 4
    max_words: CountOrZero = 2
    n_joined: FactorOrZero = 4
    n_candidates: Count | None = 10
    n_real: CountOrZero = 500
    n_generated: Factor = 10
    scoring: ScorerName = "auprc"
    n_labels: Count = 3


@dataclass(frozen=True, eq=False)
class LoadedBackends:
    """Where labels are found: the context with cached backends, the evaluator, and the values of real images.

    `quiet` says of which units nothing can be said, and why.
    """

    context: Context
    units: tuple[Unit, ...]
    evaluator: CandidateEvaluator
    real: Shown
    quiet: Mapping[Unit, str] = field(default_factory=dict)


def load_backends(what: Captioning, method: str, context: Context, units: Sequence[Unit]) -> LoadedBackends:
    """Prepare backends and real images for a list of units; without a summarizer the built-in one is taken.

    Raises `UsageError` where the context lacks what the describer or its score needs.
    """
    check_needs(method, what, context)
    check_scoring(what.scoring, context)
    context = cached_backends(replace(context, summarizer=context.summarizer or BuiltIn(context.encoder)))
    chosen, captioner = tuple(context.model.units(units)), cast("Captioner", context.captioner)
    evaluator = CandidateEvaluator(
        context.model, chosen, captioner, context.encoder, context.generator, what.n_generated, context.seed
    )
    images = context.images or (context.bank.images if context.bank else None)
    empty = Shown(torch.zeros(len(chosen), 0), ())
    real = evaluator.real(images, what.n_real, context.split_seed) if images and what.n_real else empty
    return LoadedBackends(context, chosen, evaluator, real, silent_units(context, chosen))


def labeled(
    what: Captioning, at: LoadedBackends, row: int, method: str, shown: TopImages, more: Sequence[str] = ()
) -> Description:
    """Put one unit into words: caption what is shown of it, propose, and score what is proposed and `more`.

    Of a unit about which a backend keeps its answer back nothing is said but that.
    """
    try:
        return _answered(what, at, row, method, shown, more)
    except NoAnswerError as error:
        return silent(at.context, at.units[row], method, f"{NO_ANSWER}: {error}")


def _answered(
    what: Captioning, at: LoadedBackends, row: int, method: str, shown: TopImages, more: Sequence[str]
) -> Description:
    context, unit = at.context, at.units[row]
    pictures, summarizer = as_rgb(shown.pictures, context.model.bands), cast("Summarizer", context.summarizer)
    captions = cast("Captioner", context.captioner).describe(pictures)
    short = getattr(summarizer, "simplify", None) if what.simplify else None
    said = short(captions) if short else captions
    orders = {"rounds": what.n_rounds, "count": what.n_proposals}
    texts = proposals(summarizer, said, pictures, **orders, seed=(context.seed, str(unit)))
    proposed = candidates([*with_backgrounds(texts), *more], said, what.max_words)
    found = score_candidates(
        at.evaluator,
        at.real,
        row,
        proposed,
        shown,
        context,
        scoring=what.scoring,
        most=what.n_candidates,
        join=what.n_joined,
        captions=said,
    )
    refused = at.evaluator.refused
    details = {
        "captions": captions,
        "proposed": [*texts, *more],
        "refused": {c.text: refused[c.text] for c in proposed if c.text in refused},
        "made": sum(len(t.ranks) for t in found),
        "options": what.options(),
    }
    return described_as(unit, method, found, shown, context, what.n_labels, **details)
