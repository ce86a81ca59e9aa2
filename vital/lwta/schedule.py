"""How winners are chosen over the course of training."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from vital.lwta.layers import sampled
from vital.lwta.sampling import WinnerSampler
from vital.utils.options import NonNegative, Positive, Share, check_options


@dataclass(frozen=True)
class SamplingSchedule:
    """How winners are chosen over the course of training.

    At first they are sampled, at temperatures that fall, and the loss gets the divergence; from then on the largest
    responses win, as in evaluation, so that the statistics of batch norm become those of evaluation. Raises
    `InvalidValueError`.

    Options:
        sampling: The share of training, from its beginning, in which winners are sampled.
        temperature_start: The temperature at the beginning.
        temperature_end: The temperature at the end of the sampling.
        weight: The weight of the divergence in the loss.

    >>> half = SamplingSchedule()
    >>> half.temperature(0.0), half.temperature(0.5), half.temperature(0.75)
    (1.67, 0.5, 0.5)
    """

    sampling: Share = 0.5
    temperature_start: Positive = 1.67
    temperature_end: Positive = 0.5
    weight: NonNegative = 1e-6

    def __post_init__(self) -> None:
        check_options(self)

    def temperature(self, done: float) -> float:
        """Give the temperature after a share `done` of training: start · (end / start)^(done / sampling), then end."""
        if not self.sampling:
            return self.temperature_end
        ratio = self.temperature_end / self.temperature_start
        return float(self.temperature_start * ratio ** min(done / self.sampling, 1.0))

    def at(
        self, network: nn.Module, generator: torch.Generator, done: float
    ) -> AbstractContextManager[WinnerSampler]:
        """Run the competitions of a network as they are after a share `done` of training, inside the block."""
        return sampled(network, generator, self.temperature(done), deterministic=done >= self.sampling)
