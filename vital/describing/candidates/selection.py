"""From pictures and captions to labels: propose candidates, score them, and say which fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vital.backends.embeddings import embedded_images
from vital.describing.base import Context
from vital.describing.candidates.candidates import Candidate, candidates, joined
from vital.describing.candidates.evaluation import (
    CandidateEvaluator,
    Shown,
    by_encoder,
    measure_candidates,
    on_real,
)
from vital.describing.candidates.scoring import SCORERS
from vital.describing.candidates.top_images import TopImages
from vital.errors import UsageError
from vital.records import Description
from vital.units import Unit
from vital.utils.drawing import as_rgb

COMPARING = frozenset(("topk-compare", "mean-compare", "image-products"))
"""Scores that need an image-text encoder."""


@dataclass(frozen=True, eq=False)
class ScoredCandidate:
    """A candidate with its score (higher is better), its fit to real images, and the ranks of its own images."""

    candidate: Candidate
    score: float
    real: float
    ranks: tuple[float, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        found = {"text": self.candidate.text, "score": round(self.score, 6), "real": round(self.real, 6)}
        return found | {
            "support": round(self.candidate.support, 6),
            "ranks": [int(r) if r.is_integer() else r for r in self.ranks],
        }


def check_scoring(scoring: str, context: Context) -> None:
    """Raise `UsageError` for a score that compares images where no encoder is there."""
    if scoring in COMPARING and context.generator and not context.encoder:
        raise UsageError(
            f"the score {scoring} compares images and needs an image-text encoder: --encoder world or "
            "open_clip:NAME/PRETRAINED; without one score by auprc"
        )


def real_score(real: Shown, row: int, chosen: Sequence[Candidate], context: Context) -> Tensor:
    """Score candidates on real images alone: (C,) float64, higher is better.

    That is the correlation of the unit's values with whether captions say the candidate, and with an encoder the
    mean of that and the cubed cosine of the unit's values with the candidate's.
    """
    said = on_real(real, row, chosen)
    if context.encoder is None:
        return said
    return (said + by_encoder(real, row, chosen, context.encoder)) / 2


def _with_pairs(
    proposed: Sequence[Candidate],
    captions: Sequence[str],
    join: int,
    score: Callable[[Sequence[Candidate]], Tensor],
) -> tuple[list[Candidate], Tensor]:
    """Add pairs of the `join` best candidates to them, and score all."""
    fits = score(proposed)
    best = [proposed[i] for i in fits.argsort(descending=True, stable=True).tolist()[:join]]
    known = {c.words for c in proposed}
    new = [c for c in candidates(joined(best, captions), captions) if c.words not in known]
    return [*proposed, *new], torch.cat([fits, score(new)])


def score_candidates(
    evaluator: CandidateEvaluator,
    real: Shown,
    row: int,
    proposed: Sequence[Candidate],
    described: TopImages,
    context: Context,
    *,
    scoring: str = "auprc",
    most: int | None = 10,
    join: int = 0,
    captions: Sequence[str] = (),
) -> list[ScoredCandidate]:
    """Score candidates, best first.

    To them come the pairs of the `join` that fit real images best (see `joined`). The `most` that fit real images
    best (all, for None) are drawn by the generator, and the unit is asked how it responds to what was drawn. Without a
    generator, and for those that it cannot draw, the score on real images is all there is.
    """
    if not proposed:
        return []
    proposed, fits = _with_pairs(proposed, captions, join, lambda some: real_score(real, row, some, context))
    order = fits.argsort(descending=True, stable=True).tolist()[:most]
    drawn = [i for i in order if evaluator.of(proposed[i].text) is not None]
    if not drawn:
        return [ScoredCandidate(proposed[i], float(fits[i]), float(fits[i])) for i in order]
    seen = (
        embedded_images(context.encoder, as_rgb(described.pictures, context.model.bands)).cpu()
        if context.encoder
        else None
    )
    tested = measure_candidates(evaluator, real, row, [proposed[i] for i in drawn], seen)
    scores, ranks = SCORERS[scoring](tested), tested.ranks
    found = [
        ScoredCandidate(proposed[i], float(scores[at]), float(fits[i]), tuple(ranks[at].tolist()))
        for at, i in enumerate(drawn)
    ]
    return sorted(found, key=lambda t: -t.score)


def described_as(
    unit: Unit,
    method: str,
    found: Sequence[ScoredCandidate],
    shown: TopImages,
    context: Context,
    labels: int,
    **details: Any,
) -> Description:
    """Write a description: the best candidate as its label, the next up to `labels` beside it."""
    best = found[0] if found else None
    backends = {
        part: getattr(getattr(context, part), "name", "")
        for part in ("captioner", "summarizer", "encoder", "generator")
    }
    return Description(
        unit,
        method,
        label=best.candidate.text if best else "",
        score=best.score if best else 0.0,
        candidate=best.candidate.text if best else "",
        others=tuple((t.candidate.text, t.score) for t in found[1:labels]),
        evidence=tuple(dict.fromkeys(shown.names)),
        seed=context.seed,
        model=context.model.name,
        reason="" if best else "the captions and their summary name nothing that the unit might respond to",
        details={
            "shown": shown.to_dict(),
            "candidates": [t.to_dict() for t in found],
            "backends": backends,
            **details,
        },
    )
