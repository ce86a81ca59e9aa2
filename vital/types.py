"""The words that all layers share: the shapes of tensors in names, and the two small protocols of an image.

`Images` is (B, C, H, W) in [0, 1]; `PerImage` is (B,); `Parameters` maps a name to a tensor with one leading
entry per slot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from vital.utils.random import Random

Images: TypeAlias = Tensor
PerImage: TypeAlias = Tensor
Parameters: TypeAlias = dict[str, Tensor]
Kind = Literal["vector", "map", "tokens"]


class Parameterization(ABC):
    """How numbers become an image; everything about the search space lives here.

    A *slot* is what one unit owns in a batch. Most parameterizations decode a slot to one image; those whose
    images share parts decode it to `images` of them, in order.
    """

    images: int = 1

    @abstractmethod
    def init(self, generator: torch.Generator) -> Parameters:
        """Draw the parameters of one slot: tensors with a leading axis of length 1."""

    @abstractmethod
    def decode(self, parameters: Parameters) -> Images:
        """Turn the parameters of S slots into (S · images, C, H, W) in [0, 1]."""

    def project(self, parameters: Parameters) -> None:
        """Bring the parameters back to where they are allowed, in place, after a step. Nothing by default."""
        del parameters

    def at(self, progress: float) -> Parameterization:
        """Return what decodes the same parameters after a share of the run, from 0 to 1; by default this one.

        A parameterization that goes from coarse to fine decodes to smaller images first.
        """
        del progress
        return self


class Transform(ABC):
    """A random transform of images: what is shown to the network in one step."""

    @abstractmethod
    def __call__(self, images: Images, random: Random) -> Images:
        """Transform a batch (B, C, H, W), each image by its own numbers, drawn only from `random`.

        An image becomes the same alone as in a batch. Sizes must not be random.
        """

    def at(self, progress: float) -> Transform:
        """Return the transform as it is after a share of the run, from 0 to 1; by default it is the same all along."""
        del progress
        return self


@dataclass(frozen=True)
class Layer:
    """What is known of one layer: how its output is laid out, for an input of the network's own size.

    `shape` is the output of one image, channels first: (C,), (C, H, W) or (C, T). `prefix` counts the class
    and register tokens that stand before the patch tokens. `problem` says why the layer cannot be used. Where its
    module returns several tensors, `tensor` is the key of this one, and `others` are the layers of the others.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    batch_axis: int = 0
    channel_axis: int = 1
    prefix: int = 0
    order: int = 0
    problem: str = ""
    tensor: str = ""
    others: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The name of the module that returns it.

        >>> Layer("attn[1]", "map", (2, 4, 4), tensor="1").module
        'attn'
        """
        return self.name.removesuffix(f"[{self.tensor}]")

    @property
    def choice(self) -> str:
        """Which of several tensors it is, in words; empty for the only one."""
        if not self.others:
            return ""
        return f"tensor {self.tensor!r} of {1 + len(self.others)}; the others: {', '.join(self.others)}"

    @property
    def channels(self) -> int:
        """The number of units."""
        return self.shape[0]

    def canonical(self, output: Tensor) -> Tensor:
        """Bring the raw output to (B, C), (B, C, H, W) or (B, C, T)."""
        if (self.batch_axis, self.channel_axis) == (0, 1):
            return output
        return output.movedim((self.batch_axis, self.channel_axis), (0, 1))
