"""Witnesses of pictures, and what units stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from vital.compare.bench import BATCH, Extractor, Question, fitted
from vital.errors import UsageError
from vital.models import Model
from vital.trace import Tracer
from vital.types import Images
from vital.units import OUTPUT, Unit
from vital.world.concepts import Concept, concepts
from vital.world.judging import agrees, judged
from vital.world.judging import fitted as sized
from vital.world.networks import Judge as WorldNetwork
from vital.world.networks import normalised
from vital.world.truth import unit_truths
from vital.world.weights import network


@dataclass(frozen=True, eq=False)
class ClassJudge:
    """Another network with the same classes: it agrees where it gives a class's picture that class."""

    model: Model
    own: Model = field(repr=False)

    def __post_init__(self) -> None:
        if self.model.classes and self.own.classes and not set(self.model.classes) & set(self.own.classes):
            raise UsageError(
                f"{self.model.name} has no class in common with {self.own.name}, so that it cannot judge its pictures; "
                f"name a network with classes such as {', '.join(self.own.classes[:3])}"
            )

    @property
    def name(self) -> str:
        """The network's name."""
        return self.model.name

    @torch.no_grad()
    def agrees(self, images: Images, units: Sequence[Unit]) -> list[float]:
        """1 where its likeliest class is the unit's, else 0; not a number for other units than classes."""
        found: list[float] = []
        with Tracer(self.model, [OUTPUT]) as tracer:
            for start in range(0, len(images), BATCH):
                best = tracer(fitted(images[start : start + BATCH], self.model))[OUTPUT].argmax(1).tolist()
                part = units[start : start + BATCH]
                found += [self._right(unit, number) for unit, number in zip(part, best, strict=True)]
        return found

    def _right(self, unit: Unit, number: int) -> float:
        if unit.layer != OUTPUT or unit.source:
            return math.nan
        if self.model.classes and self.own.classes:
            return float(self.model.classes[number] == self.own.classes[unit.index])
        return float(number == unit.index)


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


def class_questions(model: Model, units: Sequence[Unit]) -> dict[Unit, Question]:
    """Ask for a class by its first name, among all classes; classes with the same first name keep all their names."""
    first = [name.split(",")[0].strip() for name in model.classes]
    names = tuple(
        short if first.count(short) == 1 else name for short, name in zip(first, model.classes, strict=True)
    )
    classes = [unit for unit in units if unit.layer == OUTPUT and not unit.source] if names else []
    return {unit: Question(names[unit.index], names) for unit in classes}


def world_features() -> Extractor:
    """The features of the world's judge."""
    judge = network("judge")
    assert isinstance(judge, WorldNetwork)  # noqa: S101  that is what the name stands for

    @torch.no_grad()
    def features(images: Images) -> torch.Tensor:
        return judge.features(normalised(sized(images)))

    return Extractor("world judge, 168", features)
