"""Scores of anybody's description on images that had no part in choosing it, and the right to say nothing.

A description stands for a presence per image: that of its text as the encoder sees it, or of the weighted sum that it
tells (`details["terms"]`). The metrics compare it with the unit's values on the held-out half. The right to a
label is that of one text: of a weighted sum the weightiest, since the sum is fitted to its own unit, and units that it
was not fitted to are no match for it. A label stays if

- hardly any other unit of the layer goes as well with it: p = (1 + #{other units as good}) / (1 + #{other units}) is at
  most `alpha`, or the unit is the best of its layer; and
- no unit of the same layer goes as well with it in networks of the same architecture with random weights, by more than
  luck with so many images makes (two standard errors of Fisher's z).

"As good" is by Pearson's correlation. Otherwise the label becomes "", the candidate stays to be read, and the reason
says which of the two failed. A label that cannot be judged is not judged, and says why: it does not stand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated

import torch
from torch import Tensor

from vital.activations.matrix import embed_images, embed_texts, readout_key
from vital.describing.base import Context, probe_images
from vital.describing.matching.presence import presence, weighted
from vital.describing.variation import count_different, is_excited, matrix_of
from vital.errors import UsageError
from vital.metrics import METRICS
from vital.models import Model
from vital.models.random import random_weights
from vital.records import NOT_JUDGED, STANDS, TAKEN_BACK, Description
from vital.units import Unit
from vital.utils.options import CountOrZero, Range, check_options

JUDGING = METRICS["correlation"]
"""The metric that decides."""

FEWEST = 20
"""Held-out images without which nothing is judged."""

TOLD_APART = 1e4
"""Embeddings that differ by less than one in so many are of the same image."""

LAYER, RANDOM = "layer", "random"
"""The two conditions of a label, as `details["failed"]` names them."""

TOGETHER = 256
"""Descriptions that are judged at once."""


@dataclass(frozen=True)
class JudgeOptions:
    """How labels are judged. Raises `InvalidValueError`.

    Options:
        alpha: The highest p-value at which a label stands.
        n_random_models: The number of networks with random weights that a label is held against; 0 for none.
        split_seed: The seed of the halves of the images, on which labels are chosen and judged.
    """

    alpha: Annotated[float, Range(0, 1, open=True)] = 0.05
    n_random_models: Annotated[int, Range(0, 100)] = 3
    split_seed: CountOrZero = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, eq=False)
class LabelEvaluator:
    """What descriptions are judged with: images, an encoder, the network, and networks that know nothing.

    `alpha` and `n_random_models` are those of `JudgeOptions`.
    """

    context: Context
    alpha: float = 0.05
    n_random_models: int = 3
    _texts: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        JudgeOptions(self.alpha, self.n_random_models)
        if self.context.encoder is None:
            raise UsageError("words are judged by an image-text encoder: give encoder=, or --encoder ENCODER")

    def judged(self, descriptions: Sequence[Description]) -> list[Description]:
        """Score descriptions, and take back the labels that do not stand; what has no candidate stays as it is."""
        found = [
            replace(d, status=NOT_JUDGED, reason="") if d.candidate or d.label else d for d in descriptions
        ]
        wanted = [i for i, d in enumerate(found) if d.candidate or d.label]
        self._embed([text for i in wanted for text, _ in terms_of(found[i])])
        for copy in self._copies if wanted else ():  # one pass over the images for all layers
            matrix_of(replace(self.context, model=copy), [found[i].unit for i in wanted])
        groups: dict[str, list[int]] = {}
        for i in wanted:
            groups.setdefault(readout_key(found[i].unit), []).append(i)
        for rows in groups.values():
            for start in range(0, len(rows), TOGETHER):
                part = rows[start : start + TOGETHER]
                for i, verdict in zip(part, self._verdicts([found[i] for i in part]), strict=True):
                    found[i] = verdict
        return found

    def _verdicts(self, given: Sequence[Description]) -> list[Description]:
        """Judge descriptions of units of one layer."""
        units = [d.unit for d in given]
        known = matrix_of(self.context, units)
        held, own = ~known.choosing, known.of(units)
        count = self._count_different(held)
        shown, claims = (
            torch.stack([self.shown(d) for d in part], 1) for part in (given, map(leading, given))
        )
        why = [
            self._obstacle(d, own[:, i], held, count, shown[:, i], claims[:, i]) for i, d in enumerate(given)
        ]
        rows = [i for i, reason in enumerate(why) if not reason]
        found = [unjudged(d, reason) for d, reason in zip(given, why, strict=True)]
        if rows:
            layer, kept = known.layer(units[0])[held], (held.nonzero(), torch.tensor(rows))
            claims, shown, own = claims[kept], shown[kept], own[kept]
            rivals, floors = JUDGING(layer, claims), self._floors(units, claims)
            for at, i in enumerate(rows):
                numbers = {name: _short(METRICS[name](own[:, at], shown[:, at])) for name in METRICS}
                claim = JUDGING(own[:, at], claims[:, at])
                found[i] = self._verdict(given[i], claim, rivals[:, at], floors[at], numbers, count)
        return found

    def _count_different(self, held: Tensor) -> int:
        """Count the held-out images that the encoder can tell apart: copies of one image prove no more than it does."""
        return len((self._image_embeddings[held] * TOLD_APART).round().unique(dim=0))  # type: ignore[no-untyped-call]

    def _obstacle(
        self, d: Description, values: Tensor, held: Tensor, different: int, shown: Tensor, claim: Tensor
    ) -> str:
        """Why a description cannot be judged; "" where it can be."""
        count, text = int(held.sum()), leading_text(d)
        if different < FEWEST:
            which = "images" if different == count else "different images"
            return f"{different} {which} were held out, and judging needs at least {FEWEST}"
        if not count_different(values[held]):
            return f"the unit has the same value on all {count} held-out images"
        if not is_excited(values, held):
            return f"none of the {count} held-out images shows what excites the unit"
        if not (shown.isfinite().all() and claim.isfinite().all()):
            return f"the encoder gives no finite number for {text!r}"
        if claim[held].amin() == claim[held].amax():
            return f"the encoder sees {text!r} in all {count} held-out images alike"
        return ""

    def _verdict(
        self,
        d: Description,
        claim: Tensor,
        layer: Tensor,
        floor: Tensor,
        numbers: dict[str, float],
        count: int,
    ) -> Description:
        """Judge one description: `claim` is its correlation, `layer` that of all units of the layer."""
        p, others = p_value(claim, layer, None if d.unit.source else d.unit.channel)
        numbers |= {"random": _short(floor)} if self.n_random_models else {}
        details = {**d.details, "held-out": numbers}
        if not (others or self.n_random_models):
            alone = f"{d.unit.layer} has no other unit, and no network with random weights was asked"
            return replace(unjudged(d, alone), details=details)
        limit, bound = max(self.alpha, 1 / (1 + others)), max(0.0, with_luck(float(floor), count))
        failed = {}
        if p > limit:
            equal = round(p * (1 + others)) - 1
            failed[LAYER] = f"{equal} of {others} other units of {d.unit.layer} go as well with it, p {p:.3g}"
        if float(claim) <= bound:
            failed[RANDOM] = (
                f"a unit with random weights goes as well with it, {float(floor):.2f}, up to {bound:.2f} with luck, "
                f"against {float(claim):.2f}"
                if self.n_random_models
                else f"it does not go with the unit: the correlation is {float(claim):.2f}"
            )
        text = d.candidate or d.label
        details |= {"failed": list(failed)} if failed else {}
        return replace(
            d,
            label="" if failed else d.label or text,
            candidate=text,
            p_value=p,
            details=details,
            status=TAKEN_BACK if failed else STANDS,
            reason="; ".join(failed.values()),
        )

    def _floors(self, units: Sequence[Unit], shown: Tensor) -> Tensor:
        """The best that units of the same layer get for each presence in networks that know nothing: (U,)."""
        best = torch.full((shown.shape[1],), -1.0, dtype=torch.float64)
        for copy in self._copies:
            known = matrix_of(replace(self.context, model=copy), units)
            best = torch.maximum(best, JUDGING(known.layer(units[0])[~known.choosing], shown).amax(0))
        return best

    @cached_property
    def _copies(self) -> list[Model]:
        made = (random_weights(self.context.model, draw) for draw in range(self.n_random_models))
        return [
            replace(copy, name=f"{copy.name} {n} of {self.n_random_models}") for n, copy in enumerate(made, 1)
        ]

    @cached_property
    def _image_embeddings(self) -> Tensor:
        encoder = self.context.encoder
        assert encoder is not None  # noqa: S101  checked when the evaluator was made
        return embed_images(
            encoder, self.context.model, probe_images(self.context), progress=self.context.progress
        )

    def _embed(self, texts: Sequence[str]) -> None:
        """Embed the texts that are new, all at once."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._texts]:
            self._texts.update(zip(new, embed_texts(self.context.encoder, new), strict=True))  # type: ignore[arg-type]

    def shown(self, given: Description) -> Tensor:
        """How far each probe image shows what a description says, (N,) in [0, 1]."""
        terms = terms_of(given)
        self._embed([text for text, _ in terms])
        cosines = self._image_embeddings @ torch.stack([self._texts[text] for text, _ in terms]).T
        if len(terms) == 1:
            return presence(cosines)[:, 0]
        return weighted(cosines, torch.tensor([weight for _, weight in terms]))


def p_value(score: Tensor, layer: Tensor, own: int | None) -> tuple[float, int]:
    """The share of other units of a layer that score as high, itself counted, and the number of others.

    Formula: (1 + #{others ≥ score}) / (1 + #others); `own` is the unit's place in the layer, None for a direction

    >>> p_value(torch.tensor(0.5), torch.tensor([0.1, 0.5, 0.7]), 1)
    (0.6666666666666666, 2)
    """
    others = layer if own is None else torch.cat([layer[:own], layer[own + 1 :]])
    return float(1 + (others >= score).sum()) / (1 + len(others)), len(others)


def with_luck(correlation: float, count: int) -> float:
    """The correlation that luck may make of one, measured twice on `count` images: Fisher's z, two standard errors up.

    >>> round(with_luck(0.8, 1000), 3)
    0.83
    """
    bound = min(max(correlation, -1 + 1e-9), 1 - 1e-9)
    return math.tanh(math.atanh(bound) + 2 * math.sqrt(2 / max(1, count - 3)))


def leading(given: Description) -> Description:
    """Keep the weightiest term of a description alone; one without terms stays as it is."""
    terms = terms_of(given)
    if len(terms) == 1:
        return given
    return replace(given, details={**given.details, "terms": [max(terms, key=lambda term: term[1])]})


def leading_text(given: Description) -> str:
    """The text by which a description earns its label."""
    return max(terms_of(given), key=lambda term: term[1])[0]


def unjudged(given: Description, reason: str) -> Description:
    """Say of a description that it was not judged, and why."""
    return replace(given, status=NOT_JUDGED, reason=given.reason or reason)


def terms_of(given: Description) -> list[tuple[str, float]]:
    """The texts that a description is made of, with weights: its terms, or its one candidate."""
    terms = given.details.get("terms")
    if terms:
        return [(str(text), float(weight)) for text, weight in terms]
    return [(given.candidate or given.label, 1.0)]


def _short(x: Tensor | float) -> float:
    return float(f"{float(x):.6g}")
