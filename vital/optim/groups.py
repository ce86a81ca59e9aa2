"""Units that share a pass, and those among them whose terms are computed in one go."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vital.attribution.masks import rows_of
from vital.terms import Sum, loss_of
from vital.tracing import Trace
from vital.types import PerImage
from vital.utils.parts import check_gradient


class Group:
    """Slots of a batch whose sums have parts of the same kinds that read the same layers."""

    def __init__(self, slots: Sequence[int], of: int, terms: Sequence[Sum]) -> None:
        self.slots, self.of = tuple(slots), of
        self.names = list(terms[0].names())
        columns = zip(*(term.parts for term in terms), strict=True)
        self.parts = [type(column[0][1]).stack([term for _, term in column]) for column in columns]
        self._weights = [[weight for weight, _ in term.parts] for term in terms]
        self._layers = tuple(dict.fromkeys(layer for part in self.parts for layer in part.layers))
        self._factors: Tensor | None = None

    def rows(self, trace: Trace) -> Tensor | None:
        """The numbers of its images among those of the batch; None for all of them."""
        return rows_of(self.slots, self.of, len(trace), trace.seen.device)

    def images(self, trace: Trace) -> Tensor | None:
        """The same with each image counted once, however often it was transformed."""
        return rows_of(self.slots, self.of, len(trace) // trace.n_transforms, trace.seen.device)

    def losses(self, trace: Trace) -> PerImage:
        """The weighted loss of each part for each of the group's images, (parts, B)."""
        rows = self.rows(trace)
        own = trace if rows is None else trace.take(rows, self._layers)
        losses = [loss_of(part, own) for part in self.parts]
        if self._factors is None:
            for part, loss in zip(self.parts, losses, strict=True):
                check_gradient(part, loss, [own.acts[layer] for layer in part.layers if layer in own.acts])
        stacked = torch.stack(losses)
        return stacked * self._spread(stacked)

    def _spread(self, losses: Tensor) -> Tensor:
        """The weight of each part for each image, (parts, B); made once."""
        if self._factors is None or self._factors.shape != losses.shape:
            weights = torch.tensor(self._weights, dtype=losses.dtype, device=losses.device).T
            self._factors = weights.repeat_interleave(losses.shape[1] // len(self.slots), 1)
        return self._factors


def grouped(terms: Sequence[Sum]) -> list[Group]:
    """The slots of these terms, in groups."""
    found: dict[object, list[int]] = {}
    for slot, term in enumerate(terms):
        found.setdefault(tuple((type(part), tuple(part.layers)) for _, part in term.parts), []).append(slot)
    return [Group(slots, len(terms), [terms[slot] for slot in slots]) for slots in found.values()]
