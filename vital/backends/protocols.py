"""What a backend has to offer. Any object with these methods and a `name` for provenance is one.

Images are (B, 3, H, W) in [0, 1], of any size: a backend brings them to the size that it wants.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from vital.errors import ModelError
from vital.types import Images


class NoAnswerError(ModelError):
    """A question that a backend does not answer, though it works: it refuses, or a filter holds its answer back.

    A backend of one's own may raise it too: what was asked about gets no label and says why, and the run goes on.
    """


class Backend(Protocol):
    """What every backend has."""

    @property
    def name(self) -> str:
        """What it is, for provenance."""


@runtime_checkable
class TextEncoder(Backend, Protocol):
    """Texts to vectors, near where they mean the same. Every `ImageTextEncoder` is one."""

    def encode_text(self, texts: list[str]) -> Tensor:
        """Embed K texts: (K, D), length 1."""


@runtime_checkable
class ImageTextEncoder(TextEncoder, Protocol):
    """Images and texts in one space, where what belongs together is close (CLIP, Radford et al. 2021)."""

    def encode_image(self, images: Images) -> Tensor:
        """Embed images: (B, D), length 1."""


@runtime_checkable
class Captioner(Backend, Protocol):
    """Images to sentences."""

    def describe(self, images: Images) -> list[str]:
        """Write one caption for each image."""


@runtime_checkable
class Summarizer(Backend, Protocol):
    """Captions of what one unit responds to, to a few words for what they share."""

    def summarize(self, captions: list[str], count: int, images: Images | None = None) -> list[str]:
        """Propose up to `count` short descriptions, best first; `images` are those that the captions tell of."""


@runtime_checkable
class Simplifier(Protocol):
    """Captions to short phrases; language models do it, and a summarizer that does not is no worse off."""

    def simplify(self, captions: list[str]) -> list[str]:
        """Bring each caption to one short phrase."""


@runtime_checkable
class ImageGenerator(Backend, Protocol):
    """A text to images of it."""

    def generate(self, text: str, count: int, seed: int) -> Images:
        """Make `count` images of what the text says: (N, 3, H, W) in [0, 1], the same for the same seed."""
