"""The best concepts of units by a similarity: all concepts in blocks, and within a block all units of a layer.

Memory does not grow with the number of concepts, beyond the answers themselves and the cosines that there is room for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vital.describing.matching.similarity import Similarity, Wpmi
from vital.describing.matching.wpmi_sums import Ranks
from vital.errors import InvalidValueError

CONCEPTS = 1024
"""Concepts in a block: what is worked on at once has bounds, and what a block costs by itself is small."""

CACHED = 128
"""The same where each image's row is taken by many units: few enough for a processor's cache."""

HELD = 2**28
"""Up to so many cosines are kept (1 GB) where they are gone through twice; beyond, they are made twice."""


@dataclass(frozen=True, eq=False)
class BestConcepts:
    """The best concepts of units: `scores` and `concepts` (U, top), best first, and the layer's `prior` (K,)."""

    scores: Tensor
    concepts: Tensor
    prior: Tensor


def find_best_concepts(
    similarity: Similarity,
    values: Tensor,
    seen: Tensor,
    read: Tensor,
    *,
    layer: Tensor | None = None,
    prior: Tensor | None = None,
    top: int = 10,
) -> BestConcepts:
    """Find the best concepts of units, with their layer's prior.

    `values` (N, U) are those of the units, `layer` (N, C) those of their whole layer (by default, the units are the
    layer), `seen` (N, D) and `read` (K, D) embeddings of images and concepts. `prior` (K,) is what an earlier call on
    the same layer gave; then the layer is not looked at. Raises `InvalidValueError` for shapes that do not fit.

    >>> from vital.describing.matching.similarity import SIMILARITIES
    >>> eye = torch.eye(4)
    >>> find_best_concepts(SIMILARITIES["cos"], eye, eye, eye, top=1).concepts.view(-1)
    tensor([0, 1, 2, 3])
    """
    _check(values, seen, read)
    layer = values if layer is None else layer
    weighs = similarity.lam != 0 and layer.shape[1] > 1
    known = prior if weighs else read.new_zeros(len(read), dtype=torch.float64)
    rows, parts = _needed(similarity, values, layer if weighs and prior is None else None)
    soft = similarity if isinstance(similarity, Wpmi) else None
    blocks = _Blocks(seen[rows] * soft.a if soft else seen[rows], read, soft.odds if soft else None)
    total, floor = _total(similarity, blocks), similarity.floor(parts[0])
    best, priors = TopConcepts(values.shape[1], min(top, len(read))), []
    for start, cosines in blocks:
        raw = similarity.block(parts[0], cosines, total)
        if known is None:
            whole = raw if len(parts) == 1 else similarity.block(parts[1], cosines, total)
            priors.append(whole.logsumexp(0).double() - math.log(len(whole)))
        weight = priors[-1] if known is None else known[start : start + cosines.shape[1]] - floor
        best.add(raw - (similarity.lam * weight).to(raw.dtype), start)
    scores = best.scores + (1 - similarity.lam) * floor
    given = read.new_zeros(len(read), dtype=torch.float64) if known is None else known
    return BestConcepts(scores, best.concepts, torch.cat(priors) + floor if priors else given)


def _needed(similarity: Similarity, values: Tensor, layer: Tensor | None) -> tuple[Tensor, list[Any]]:
    """What to compare: the rows of images that matter, and the prepared units, and layer where it is another."""
    sets = [values] if layer is None or layer is values else [values, layer]
    parts = [similarity.prepared(part) for part in sets]
    if not isinstance(similarity, Wpmi):
        return torch.arange(len(values)), parts
    known = [part.rows for part in parts]
    rows, places = torch.cat([part.reshape(-1) for part in known]).unique(return_inverse=True)  # type: ignore[no-untyped-call]
    sizes = [part.numel() for part in known]
    return rows, [Ranks(p.view(part.shape)) for p, part in zip(places.split(sizes), known, strict=True)]


def _total(similarity: Similarity, blocks: _Blocks) -> Tensor | None:
    total = None
    if isinstance(similarity, Wpmi):
        for _, odds in blocks:
            total = similarity.total(odds, total)
    return total


class _Blocks:
    """Cosines of images with blocks of concepts, made when they are asked for.

    `change` makes of them what is gone through twice; it is kept while there is room.
    """

    def __init__(self, seen: Tensor, read: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> None:
        self.size = CACHED if change else CONCEPTS
        self.seen, self.parts, self.change = seen, torch.split(read, self.size), change
        self.kept: dict[int, Tensor] = {}
        self.room = change is not None and len(seen) * len(read) <= HELD

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        for number, part in enumerate(self.parts):
            found = self.kept.get(number)
            if found is None:
                found = self.seen @ part.T
                found = self.change(found) if self.change else found
                if self.room:
                    self.kept[number] = found
            yield number * self.size, found


class TopConcepts:
    """The best concepts of units so far, while blocks come in: `scores` and `concepts`, (U, top), best first."""

    def __init__(self, units: int, top: int) -> None:
        self.scores = torch.full((units, top), -math.inf, dtype=torch.float64)
        self.concepts = torch.zeros(units, top, dtype=torch.int64)

    def add(self, scores: Tensor, start: int) -> None:
        """Take in the scores of further concepts; most blocks hold none of the best of most units."""
        rows = (scores.amax(1) > self.scores[:, -1]).nonzero().view(-1)
        found = scores[rows].topk(min(self.scores.shape[1], scores.shape[1]))
        both = torch.cat([self.scores[rows], found.values], 1)
        which = torch.cat([self.concepts[rows], found.indices + start], 1)
        order = both.sort(dim=1, descending=True, stable=True).indices[:, : self.scores.shape[1]]
        self.scores[rows], self.concepts[rows] = both.gather(1, order), which.gather(1, order)


def _check(values: Tensor, seen: Tensor, read: Tensor) -> None:
    if values.ndim != 2 or len(values) != len(seen) or seen.shape[1] != read.shape[1] or not values.numel():
        shapes = f"{tuple(values.shape)}, {tuple(seen.shape)} and {tuple(read.shape)}"
        raise InvalidValueError(
            f"values, images and concepts are {shapes}; allowed are (N, U), (N, D) and (K, D)"
        )
