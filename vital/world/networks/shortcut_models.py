"""Shortcut twins: networks that learned the same class names from different factors, and what a picture shows of these.

The label of `twin-solid` follows from the solid alone, that of `twin-material` from the material, that of
`twin-background` from the background; class i of each is the i-th value of its factor. So from the same reference
images, in which all three factors have the class's value, a picture that shows what its network uses shows one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vital.data import ImageSet
from vital.types import Images
from vital.utils.random import generator
from vital.world.networks.judge import judged
from vital.world.scenes.dataset import Rendered
from vital.world.scenes.grammar import sample
from vital.world.scenes.vocabulary import FACTORS
from vital.world.training.tasks import TWIN_CLASSES, TWIN_FACTORS

CHANCE = {factor: 1 / len(FACTORS[factor]) for factor in TWIN_FACTORS}
"""How often a judge that guesses names the right value of each factor."""


def twin_images(each: int = 50, seed: int = 0) -> ImageSet:
    """Make `each` pictures per class in which solid, material and background all have the class's value.

    >>> pictures = twin_images(2)
    >>> len(pictures), pictures.labels[:3], "cube" in str(pictures.source.scenes[0].thing)
    (12, (0, 0, 1), True)
    """
    scenes = []
    for number in range(len(TWIN_CLASSES)):
        fixed: dict[str, Any] = {factor: FACTORS[factor][number] for factor in TWIN_FACTORS}
        scenes += sample(generator("world", "twins", seed, number), each, **fixed)
    labels = tuple(number for number in range(len(TWIN_CLASSES)) for _ in range(each))
    names = tuple(f"{i:04d}" for i in range(len(scenes)))
    return ImageSet(Rendered(tuple(scenes)), names, labels, TWIN_CLASSES, f"twins (seed {seed})")


def seen(pictures: Images, classes: Sequence[int]) -> dict[str, list[bool]]:
    """Say of each factor in which pictures (B, 3, H, W) the world's judge sees the value of the picture's class."""
    words = judged(pictures)
    return {
        factor: [said[factor] == FACTORS[factor][number] for said, number in zip(words, classes, strict=True)]
        for factor in TWIN_FACTORS
    }
