"""What encoders answer, held to be what they promise: a row of finite numbers for each image or text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from vital.backends.protocols import ImageTextEncoder, TextEncoder
from vital.errors import ModelError
from vital.types import Images
from vital.utils.logs import busy

MANY = 10_000
"""From so many texts on it is said that they are waited for."""


def embedded_images(encoder: ImageTextEncoder, images: Images) -> Tensor:
    """Embed images: (B, D). Raises `ModelError` for what is no such tensor."""
    return _held(encoder, encoder.encode_image(images), len(images), "images")


def embedding(count: int) -> AbstractContextManager[None]:
    """Say that so many texts are waited for, where they are many."""
    return busy(f"embedding {count:,} texts") if count > MANY else nullcontext()


def embedded_texts(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Embed texts: (K, D). Raises `ModelError` for what is no such tensor."""
    with embedding(len(texts)):
        return _held(encoder, encoder.encode_text(list(texts)), len(texts), "texts")


def _held(encoder: TextEncoder, found: Any, count: int, what: str) -> Tensor:
    said = f"{type(found).__name__}"
    if isinstance(found, Tensor):
        said = f"{found.dtype} of shape {tuple(found.shape)}"
        right = found.ndim == 2 and len(found) == count and found.shape[1] > 0
        if right and found.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            return found
    raise ModelError(
        f"{encoder.name} gives {said} for {count} {what}; needed is a tensor of floating numbers, ({count}, D)"
    )
