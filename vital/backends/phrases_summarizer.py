"""The summarizer that needs no language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.backends._loading import Device, Dtype
from vital.backends.embeddings import embedded_images
from vital.backends.noun_phrases import Phrase, shared_phrases
from vital.backends.protocols import ImageTextEncoder
from vital.errors import InvalidValueError
from vital.types import Images

POOL = 64
"""How many phrases the encoder is asked about."""


@dataclass(frozen=True)
class BuiltIn:
    """Phrases that captions share, ranked by how many captions share them.

    With an encoder and images, the rank is that of the sum of two standard scores: of the phrase's weight
    (`Phrase.weight`) and of its mean cosine with the images.

    >>> BuiltIn().summarize(["a dog on a sofa", "two dogs in the snow", "a brown dog"], 2)
    ['dog']
    """

    encoder: ImageTextEncoder | None = None

    @property
    def name(self) -> str:
        """`built-in`, and the encoder where there is one."""
        return f"built-in ({self.encoder.name})" if self.encoder else "built-in"

    def summarize(self, captions: list[str], count: int, images: Images | None = None) -> list[str]:
        """Propose up to `count` phrases, best first; none where the captions say nothing."""
        check_count(count)
        found = shared_phrases(captions)[: max(POOL, count)]
        if self.encoder and images is not None and len(images) and len(found) > 1:
            found = _ranked(found, len(captions), agreement(self.encoder, [p.text for p in found], images))
        return [phrase.text for phrase in found[:count]]


def built_in(
    name: str = "",
    *,
    device: Device = None,
    dtype: Dtype = None,
    encoder: ImageTextEncoder | None = None,
) -> BuiltIn:
    """Make the built-in summarizer."""
    del device, dtype
    if name:
        raise InvalidValueError(f"the built-in summarizer takes no name, and got {name!r}; write built-in")
    return BuiltIn(encoder)


def check_count(count: int) -> None:
    """Raise `InvalidValueError` for a count below 1."""
    if count < 1:
        raise InvalidValueError(f"{count} descriptions are asked for; allowed are whole numbers from 1")


def agreement(encoder: ImageTextEncoder, texts: list[str], images: Images) -> Tensor:
    """Measure how well texts fit images: the mean cosine with them, (K,) float64 on the CPU."""
    seen = embedded_images(encoder, images).double().cpu().mean(0)
    return encoder.encode_text(texts).double().cpu() @ seen


def _ranked(found: Sequence[Phrase], captions: int, agreed: Tensor) -> list[Phrase]:
    weights = torch.tensor([phrase.weight(captions) for phrase in found], dtype=torch.float64)
    total = _standard(weights) + _standard(agreed)
    return [found[i] for i in total.argsort(descending=True, stable=True).tolist()]


def _standard(values: Tensor) -> Tensor:
    return (values - values.mean()) / values.std().clamp(min=1e-9)
