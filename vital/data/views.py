"""What a network sees of pictures, kept for a while."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

LIMIT_BYTES = 256_000_000


class View(NamedTuple):
    """A picture as a network sees it, (C, H, W) in [0, 1], and the (height, width) that the picture itself has."""

    pixels: Tensor
    size: tuple[int, int]


def size_of(picture: Image.Image | np.ndarray) -> tuple[int, int]:
    """The (height, width) of a picture.

    >>> size_of(np.zeros((2, 3, 1)))
    (2, 3)
    """
    height, width = picture.size[::-1] if isinstance(picture, Image.Image) else picture.shape[:2]
    return int(height), int(width)


class Views(dict[int, View]):
    """Views of one size by the index of their picture, of which the oldest go where all take more than the limit."""

    def __setitem__(self, index: int, view: View) -> None:
        super().__setitem__(index, view)
        while len(self) > 1 and len(self) * view.pixels.nbytes > LIMIT_BYTES:
            del self[next(iter(self))]


class Sizes(Views):
    """Views of which only the pictures' own sizes are kept, those of the first few."""

    def __init__(self, most: int = 16) -> None:
        super().__init__()
        self.most, self.sizes = most, list[tuple[int, int]]()

    def __setitem__(self, index: int, view: View) -> None:
        if len(self.sizes) < self.most:
            self.sizes.append(view.size)
