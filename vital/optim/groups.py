"""Units that share a pass, and those among them whose terms are computed in one go."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vital.terms import Looped, Sum, Term, loss_of, stacked
from vital.tracing import Trace
from vital.tracing.readout import rows_of
from vital.types import PerImage
from vital.utils.parts import check_gradient


class Group:
    """Slots of a batch whose sums have parts of the same kinds that read the same layers."""

    def __init__(self, slots: Sequence[int], of: int, terms: Sequence[Sum]) -> None:
        self.slots, self.of = tuple(slots), of
        self.names = list(terms[0].names())
        columns = zip(*(term.parts for term in terms), strict=True)
        self.parts = [stacked([term for _, term in column]) for column in columns]
        self._weights = [[weight for weight, _ in term.parts] for term in terms]
        self._factors: Tensor | None = None

    def rows(self, trace: Trace) -> Tensor | None:
        """The numbers of its images among those of the batch; None for all of them."""
        return rows_of(self.slots, self.of, len(trace), trace.seen.device)

    def images(self, trace: Trace) -> Tensor | None:
        """The same with each image counted once, however often it was transformed."""
        return rows_of(self.slots, self.of, len(trace) // trace.n_transforms, trace.seen.device)

    def losses(self, trace: Trace) -> PerImage:
        """The weighted loss of each part for each of the group's images, (parts, B)."""
        rows, first = self.rows(trace), self._factors is None
        layers = {layer for part in self.parts if not isinstance(part, Looped) for layer in part.layers}
        own = trace if rows is None else trace.take(rows, layers)
        stacked = torch.stack([self._loss(part, own, trace, first=first) for part in self.parts])
        return stacked * self._spread(stacked)

    def _loss(self, part: Term, own: Trace, trace: Trace, *, first: bool) -> PerImage:
        """The loss of a part; terms that take turns see the rows of their slots in the pass of the whole batch."""
        if not isinstance(part, Looped):
            return _checked(part, own, first=first)
        turns = [trace.slot(slot, self.of) for slot in self.slots]
        return torch.cat([_checked(t, seen, first=first) for t, seen in zip(part.terms, turns, strict=True)])

    def _spread(self, losses: Tensor) -> Tensor:
        """The weight of each part for each image, (parts, B); made once."""
        if self._factors is None or self._factors.shape != losses.shape:
            weights = torch.tensor(self._weights, dtype=losses.dtype, device=losses.device).T
            self._factors = weights.repeat_interleave(losses.shape[1] // len(self.slots), 1)
        return self._factors


def _checked(term: Term, trace: Trace, *, first: bool) -> PerImage:
    """The loss of a term, whose gradient is held against what it reads at the first step."""
    loss = loss_of(term, trace)
    if first:
        check_gradient(term, loss, [trace.acts[layer] for layer in term.layers if layer in trace.acts])
    return loss


def grouped(terms: Sequence[Sum]) -> list[Group]:
    """The slots of these terms, in groups."""
    found: dict[object, list[int]] = {}
    for slot, term in enumerate(terms):
        found.setdefault(tuple((type(part), tuple(part.layers)) for _, part in term.parts), []).append(slot)
    return [Group(slots, len(terms), [terms[slot] for slot in slots]) for slots in found.values()]
