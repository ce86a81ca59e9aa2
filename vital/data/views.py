"""What a network sees of pictures, kept for a while."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

LIMIT_BYTES = 256_000_000


class View(NamedTuple):
    """A picture as a network sees it, (C, H, W) in [0, 1], and the (height, width) that the picture itself has."""

    pixels: Tensor
    size: tuple[int, int]


class Views(dict[int, View]):
    """Views of one size by the index of their picture, of which the oldest go where all take more than the limit."""

    def __setitem__(self, index: int, view: View) -> None:
        super().__setitem__(index, view)
        while len(self) > 1 and len(self) * view.pixels.nbytes > LIMIT_BYTES:
            del self[next(iter(self))]
