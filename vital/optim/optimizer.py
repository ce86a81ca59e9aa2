"""How parameters move over the steps, and at which of them a picture is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.utils.public import public


@public
@dataclass(frozen=True)
class Optimizer:
    """How parameters move: an elementwise optimizer with a learning-rate schedule.

    `schedule` multiplies `lr`: "constant"; "cosine", ½(1 + cos(π·e/T)); "warmup-cosine", (e+1)/W during the first
    W = `warmup` steps and then ½(1 + cos(π(e−W)/(T−W))). Only elementwise optimizers keep a unit's picture
    independent of its batch, so L-BFGS is not offered.

    >>> [round(Optimizer(1.0, schedule="cosine").factor(e, 4), 3) for e in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """

    lr: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["constant", "cosine", "warmup-cosine"] = "constant"
    warmup: int = 0
    kind: Literal["adam", "nadam"] = "adam"
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise InvalidValueError(f"the learning rate is {self.lr}; allowed are numbers above 0")
        for what, value, allowed in (
            ("schedule", self.schedule, ("constant", "cosine", "warmup-cosine")),
            ("optimizer", self.kind, ("adam", "nadam")),
        ):
            if value not in allowed:
                raise InvalidValueError(f"{what} {value!r} is unknown; allowed are {', '.join(allowed)}")

    def factor(self, step: int, steps: int) -> float:
        """The multiple of `lr` at a step, counted from 0."""
        if self.schedule == "constant":
            return 1.0
        warmup = min(self.warmup, steps - 1) if self.schedule == "warmup-cosine" else 0
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    def build(self, tensors: Sequence[Tensor]) -> torch.optim.Optimizer:
        """The torch optimizer over these tensors: one operation a step where torch has it."""
        if self.kind == "nadam":
            return torch.optim.NAdam(tensors, lr=self.lr, betas=self.betas, eps=self.eps)
        fused = all(tensor.device.type in {"cpu", "cuda"} for tensor in tensors)
        return torch.optim.Adam(tensors, lr=self.lr, betas=self.betas, eps=self.eps, fused=fused)


def checkpoints(steps: int, count: int = 12) -> Iterator[int]:
    """Steps at which to keep a frame: 0 and the end, and a geometric series between them.

    >>> list(checkpoints(100, 5))
    [0, 3, 10, 32, 100]
    """
    yield 0
    last = 0
    for i in range(1, count):
        step = round(steps ** (i / (count - 1)))
        if step > last:
            last = step
            yield step
