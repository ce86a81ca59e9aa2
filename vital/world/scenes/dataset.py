"""The world as a set of images: rendered when they are looked at, and known to the last word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from torch import Tensor

from vital.data import ImageSet
from vital.data.sources import Source
from vital.errors import DataError, InvalidValueError
from vital.utils.hashing import sha256
from vital.utils.random import generator
from vital.world.renderer.render import render
from vital.world.scenes.grammar import Scene, caption, sample
from vital.world.scenes.vocabulary import MATERIALS, SOLIDS

BLOCK = 32
"""How many pictures are rendered together when one of them is asked for."""

CLASSES = tuple(f"{material} {solid}" for solid in SOLIDS for material in MATERIALS)
"""The classes of the world: what the thing in front is made of, and what it is. Each is a concept of the grammar."""


def class_of(scene: Scene) -> int:
    """Find the class of a scene: solid · materials + material.

    >>> CLASSES[class_of(Scene())]
    'plain sphere'
    """
    return SOLIDS.index(scene.thing.solid) * len(MATERIALS) + MATERIALS.index(scene.thing.material)


@dataclass(frozen=True, eq=False)
class Rendered(Source):
    """Pictures of scenes, `size` pixels wide and high; each is rendered once, and then kept as 8-bit numbers."""

    scenes: tuple[Scene, ...]
    size: int = 64
    _kept: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.scenes)

    def read(self, index: int) -> np.ndarray:
        """Give one picture (H, W, 3), uint8; its neighbors are rendered with it."""
        if index not in self._kept:
            start = index - index % BLOCK
            block = self.scenes[start : start + BLOCK]
            self._kept.update(enumerate(as_bytes(render(block, self.size)), start))
        return self._kept[index]

    def divisible(self) -> bool:
        """Pictures are kept by the process that rendered them."""
        return False

    def content(self) -> Iterator[bytes]:
        """Yield what decides the pictures: the renderer, the size, and each scene in words and numbers."""
        yield f"world {self.size} {fingerprint()}".encode()
        for scene in self.scenes:
            yield f"{caption(scene)} {scene.variation}".encode()

    def identify(self, index: int) -> bytes:
        """Give what decides one picture."""
        scene = self.scenes[index]
        return f"world {self.size} {fingerprint()} {caption(scene)} {scene.variation}".encode()


@cache
def fingerprint() -> str:
    """Hash a few small pictures: what was made by an older renderer is told by it.

    >>> len(fingerprint())
    16
    """
    scenes = sample(generator("world", "fingerprint"), 48, pairs=0.5)
    return sha256(as_bytes(render(scenes, 16)).tobytes())[:16]


def as_bytes(pictures: Tensor) -> np.ndarray:
    """Turn rendered pictures (B, 3, H, W) into 8-bit ones (B, H, W, 3), without loss."""
    return (pictures * 255 + 0.5).byte().permute(0, 2, 3, 1).contiguous().numpy()


def images(count: int = 1000, seed: int = 0, size: int = 64, *, pairs: float = 0.0, **fixed: str) -> ImageSet:
    """Make a set of `count` pictures of drawn scenes, labeled with the classes of the world.

    The name of a picture is its number and its caption. `pairs` and `fixed` are those of `grammar.sample`. Nothing
    is rendered until it is looked at. Raises `InvalidValueError` and `UnknownNameError`.

    >>> pictures = images(3, size=16)
    >>> pictures[0].shape, len(pictures.class_names)
    ((16, 16, 3), 64)
    """
    if count < 1:
        raise InvalidValueError(f"{count} images are asked for; allowed are whole numbers from 1")
    drawn = sample(generator("world", "images", seed), count, pairs=pairs, **fixed)
    return image_set(drawn, size, f"world (seed {seed})")


def image_set(scenes: Sequence[Scene], size: int = 64, name: str = "world") -> ImageSet:
    """Make a set of the pictures of given scenes."""
    names = tuple(f"{number:05d} {caption(scene)}" for number, scene in enumerate(scenes))
    labels = tuple(class_of(scene) for scene in scenes)
    return ImageSet(Rendered(tuple(scenes), size), names, labels, CLASSES, name)


def scenes_of(pictures: ImageSet) -> tuple[Scene, ...]:
    """Give the scenes behind a set made here; raises `DataError` for any other set."""
    if not isinstance(pictures.source, Rendered):
        raise DataError(f"{pictures.name} is not of the world: nothing is known of its scenes")
    return pictures.source.scenes
