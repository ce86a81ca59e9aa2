"""What comparisons on the known-answer world are measured against; imported when such a network is compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from vital.comparing.context import Extractor, Question
from vital.data import ImageSet
from vital.data.sources import Source
from vital.models import Model
from vital.types import Images
from vital.units import Unit
from vital.utils.random import generator
from vital.utils.tensor_cache import Tensors, cached
from vital.world.networks.architectures import Judge as WorldNetwork
from vital.world.networks.architectures import normalized
from vital.world.networks.judge import agrees, judged
from vital.world.networks.judge import fitted as sized
from vital.world.networks.weights import network
from vital.world.scenes.concepts import Concept, concepts
from vital.world.scenes.dataset import Rendered, fingerprint, image_set
from vital.world.scenes.grammar import sample
from vital.world.scenes.ground_truth import are_pictures, unit_truths
from vital.world.scenes.ground_truth_cache import path_of
from vital.world.scenes.vocabulary import MATERIALS, SOLIDS


@dataclass(frozen=True, eq=False)
class WorldJudge:
    """The judge of the known-answer world: it agrees where it names all words of the truth of a unit."""

    truths: Mapping[Unit, Concept] = field(repr=False)
    name: str = "world"

    def agrees(self, images: Images, units: Sequence[Unit]) -> list[float]:
        """1 where the truth is seen, else 0; not a number for units without a truth."""
        words = judged(images)
        return [
            float(agrees(self.truths[unit], said)) if unit in self.truths else math.nan
            for unit, said in zip(units, words, strict=True)
        ]


def world_truths(model: Model, units: Sequence[Unit], *, progress: bool = False) -> dict[Unit, Concept]:
    """What each unit of a network on the world stands for, by `vital.world.truth`; directions have no truth."""
    own = [unit for unit in units if not unit.source]
    return {found.unit: found.concept for found in unit_truths(model, own, progress=progress)} if own else {}


def world_questions(truths: Mapping[Unit, Concept]) -> dict[Unit, Question]:
    """Ask for a concept among all concepts about the same factors."""
    return {
        unit: Question(concept.name, tuple(c.name for c in concepts() if _about(c) == _about(concept)))
        for unit, concept in truths.items()
    }


def _about(concept: Concept) -> tuple[str, ...]:
    return tuple(factor for factor, _ in concept.wants)


def world_features() -> Extractor:
    """The features of the world's judge."""
    judge = network("judge")
    assert isinstance(judge, WorldNetwork)  # noqa: S101  that is what the name stands for

    @torch.no_grad()
    def features(images: Images) -> torch.Tensor:
        return judge.features(normalized(sized(images)))

    return Extractor("world judge, 168", features)


EACH = 16
"""How many fresh scenes of each class a recognizer is fitted on and tried with."""


@dataclass(frozen=True, eq=False)
class Stored(Source):
    """Pictures of scenes that are rendered all at once, and kept in the cache folder."""

    rendered: Rendered

    def __len__(self) -> int:
        return len(self.rendered)

    @cached_property
    def _pixels(self) -> np.ndarray:
        path = path_of("fresh", fingerprint(), self.rendered.size, *self.rendered.scenes)
        pixels: np.ndarray = cached(path, self._rendered, self._fits)["pictures"].numpy()
        return pixels

    def _fits(self, found: Tensors) -> bool:
        return are_pictures(found, len(self))

    def _rendered(self) -> Tensors:
        pictures = np.stack([self.rendered.read(i) for i in range(len(self))])
        return {"pictures": torch.from_numpy(pictures)}

    def read(self, index: int) -> np.ndarray:
        """Give one picture (H, W, 3), uint8."""
        picture: np.ndarray = self._pixels[index]
        return picture

    def content(self) -> Iterator[bytes]:
        """Yield what decides the pictures."""
        return self.rendered.content()


def fresh_scenes(each: int = EACH) -> ImageSet:
    """Scenes of every class of the world, as many of each, that no network and no method has seen."""
    scenes = [
        scene
        for solid in SOLIDS
        for material in MATERIALS
        for scene in sample(
            generator("world", "fresh", solid, material), each, solid=solid, material=material
        )
    ]
    found = image_set(scenes, name="fresh scenes")
    return replace(found, source=Stored(Rendered(tuple(scenes))))
