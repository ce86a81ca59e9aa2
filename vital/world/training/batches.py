"""What a network of the world learns from: one batch, and what a task has to say about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vital.lwta.schedule import SamplingSchedule
from vital.world.training.corpus import Corpus
from vital.world.training.metrics import Metrics

AT_ONCE = SamplingSchedule(sampling=0)
"""The strongest wins from the first step on: how channels compete that have learned already, and never met noise."""


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch to learn from: `images` (B, 3, H, W), normalized, of the `rows` of a corpus.

    `generator` draws what is left to chance. A `teacher` is a network that has learned, whose answers to the same
    images can be asked for.
    """

    images: Tensor
    corpus: Corpus
    rows: Tensor
    generator: torch.Generator
    teacher: nn.Module | None = None

    def of(self, table: Tensor) -> Tensor:
        """The batch's rows of one of the corpus's tables, beside the images."""
        return table[self.rows].to(self.images.device)


class Task(ABC):
    """One network to train, for `length` times as long as the plan says.

    `lr_factor` is its learning rate, as a multiple of the plan's. `eyes` names the network whose image tower it takes
    over, which was trained before and learns no more; `parent` the network whose weights it begins with; `teacher` the
    one that sees its batches, for tasks that listen to one. `competition` is how channels that compete find their
    winners.
    """

    length: float = 1.0
    lr_factor: float = 1.0
    eyes: str = ""
    parent: str = ""
    teacher: str = ""
    competition: SamplingSchedule = AT_ONCE

    @abstractmethod
    def build(self) -> nn.Module:
        """Make the network, with random weights."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Measure how wrong the network is on a batch."""

    @abstractmethod
    def metrics(self, network: nn.Module, images: Sequence[Tensor], corpus: Corpus) -> Metrics:
        """Measure what the network knows of a corpus, whose images come normalized and in batches."""

    def rows(self, corpus: Corpus) -> Tensor:
        """Number the scenes to learn from: all, unless the task is about some."""
        return torch.arange(len(corpus))


def following(scores: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """How far scores are from a teacher's, both (B, C): T² · KL(softmax(wanted / T) ‖ softmax(scores / T)), a mean.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.

    >>> following(torch.zeros(1, 2), torch.zeros(1, 2), 2.0).item()
    0.0
    """
    own, others = (scores / temperature).log_softmax(1), (wanted / temperature).log_softmax(1)
    return temperature**2 * functional.kl_div(own, others, reduction="batchmean", log_target=True)
