"""What comparisons on the known-answer world are measured against; imported when such a network is compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from vital.compare.bench import Extractor, Question
from vital.models import Model
from vital.types import Images
from vital.units import Unit
from vital.world.concepts import Concept, concepts
from vital.world.judging import agrees, judged
from vital.world.judging import fitted as sized
from vital.world.networks import Judge as WorldNetwork
from vital.world.networks import normalised
from vital.world.truth import unit_truths
from vital.world.weights import network


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
        return judge.features(normalised(sized(images)))

    return Extractor("world judge, 168", features)
