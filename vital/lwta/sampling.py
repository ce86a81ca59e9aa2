"""What competitions draw from while they learn, or are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

WARM = 1.67
"""The published temperature of training."""

Generators = torch.Generator | Sequence[torch.Generator] | None
"""What is drawn from: torch's own random state, one generator, or one for each example of a batch."""


@dataclass(eq=False)
class WinnerSampler:
    """What competitions share while they learn: generators, temperature, and the divergences of the layers that ran.

    Without generators, torch's own random state is drawn from; with several, each example of a batch draws from its
    own, where the batch is the first axis; rows that cannot be shared out among the generators draw from the first.
    Where `deterministic`, nothing is drawn: the largest response wins.
    """

    generators: Generators = None
    temperature: float = WARM
    deterministic: bool = False
    found: list[Tensor] = field(default_factory=list)

    def noise(self, like: Tensor) -> Tensor | None:
        """Draw Gumbel noise, shaped like the responses; None where deterministic."""
        if self.deterministic:
            return None
        each = self.generators if isinstance(self.generators, Sequence) else [self.generators]
        if len(like) % len(each):
            each = each[:1]  # the first axis is not the batch, as with tokens of (T, B, C)
        where = like.device if each[0] is None else each[0].device
        luck = torch.empty_like(like, dtype=torch.float32, device=where, requires_grad=False)
        for rows, generator in zip(luck.chunk(len(each)), each, strict=True):
            rows.uniform_(generator=generator)
        luck.clamp_(min=torch.finfo(luck.dtype).tiny)
        return luck.log_().neg_().log_().neg_().to(like.device, like.dtype)

    def divergence(self) -> Tensor:
        """Sum the divergences of all layers that ran, and forget them; 0 where none did."""
        total = torch.stack(self.found).sum() if self.found else torch.zeros(())
        self.found.clear()
        return total
