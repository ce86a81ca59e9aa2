"""What a network of the world learns from: one batch, and what a task has to say about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor, nn
from torch.nn import functional

from vital.lwta.schedule import SamplingSchedule
from vital.types import Images
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


def moved(images: Images, generator: torch.Generator, reach: int = 3) -> Images:
    """Shift a batch by up to `reach` pixels each way, its edges repeated, so that no pixel can be learned by heart.

    >>> moved(torch.zeros(1, 3, 8, 8), torch.Generator()).shape
    torch.Size([1, 3, 8, 8])
    """
    x, y = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
    wide = nn.functional.pad(images, (reach,) * 4, mode="replicate")
    return wide[..., y : y + images.shape[2], x : x + images.shape[3]]


def roughened(images: Images, generator: torch.Generator) -> Images:
    """Change how pictures look but not what they show: contrast, brightness, a tint, blur, fine and coarse noise.

    Each normalized picture has its own strengths, from none to 30 % contrast, ± 0.08 brightness and ± 0.04 tint (of
    the range of pictures, [0, 1]), noise of up to 0.2 per pixel and 0.1 over four; two in five are blurred. A network
    that saw clean renderings alone is swayed by noise that nobody sees.

    >>> roughened(torch.zeros(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """
    count, _, height, width = images.shape

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator).to(images.device)

    contrast, brightness, tint = 1 + 0.6 * (drawn(1, 1, 1) - 0.5), drawn(1, 1, 1) - 0.5, drawn(3, 1, 1) - 0.5
    images = contrast * images + 0.6 * brightness + 0.3 * tint
    images = torch.where(drawn(1, 1, 1) < 0.4, gaussian_blur2d(images, (3, 3), (0.85, 0.85)), images)
    fine = torch.randn(images.shape, generator=generator).to(images.device)
    few = torch.randn(count, 3, height // 4, width // 4, generator=generator).to(images.device)
    coarse = nn.functional.interpolate(few, (height, width), mode="bicubic")
    rough = images + 0.8 * drawn(1, 1, 1) * fine + 0.4 * drawn(1, 1, 1) * coarse
    return rough.contiguous(memory_format=torch.channels_last)
