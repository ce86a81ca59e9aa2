"""How winners are chosen over the course of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from vital.errors import InvalidValueError
from vital.lwta.layers import sampled
from vital.lwta.sampling import Draws


@dataclass(frozen=True)
class SamplingSchedule:
    """How winners are chosen over the course of training.

    For the first `sampling` of it they are sampled, at temperatures that fall from `warm` to `cold`, and the loss gets
    `weight` times the divergence; from then on the largest responses win, as in evaluation, so that the statistics of
    batch norm become those of evaluation. Raises `InvalidValueError`.

    >>> half = SamplingSchedule()
    >>> half.temperature(0.0), half.temperature(0.5), half.temperature(0.75)
    (1.67, 0.5, 0.5)
    """

    sampling: float = 0.5
    warm: float = 1.67
    cold: float = 0.5
    weight: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 <= self.sampling <= 1:
            raise InvalidValueError(
                f"sampling is {self.sampling}; allowed is a share of training, from 0 to 1"
            )
        if min(self.warm, self.cold) <= 0:
            raise InvalidValueError(
                f"the temperatures are {self.warm} and {self.cold}; allowed are numbers above 0"
            )

    def temperature(self, done: float) -> float:
        """Give the temperature after a share `done` of training: warm · (cold / warm)^(done / sampling), then cold."""
        return (
            float(self.warm * (self.cold / self.warm) ** min(done / self.sampling, 1.0))
            if self.sampling
            else self.cold
        )

    @contextmanager
    def at(self, network: nn.Module, dice: torch.Generator, done: float) -> Iterator[Draws]:
        """Run the competitions of a network as they are after a share `done` of training, inside the block."""
        with sampled(network, dice, self.temperature(done), settled=done >= self.sampling) as draws:
            yield draws
