"""Witnesses of pictures, and what units stand for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from vital.comparing.context import BATCH, Question, fitted
from vital.errors import UsageError
from vital.models import Model
from vital.tracing import Tracer
from vital.types import Images
from vital.units import OUTPUT, Unit


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
        if not unit.is_class:
            return math.nan
        if self.model.classes and self.own.classes:
            return float(self.model.classes[number] == self.own.classes[unit.channel])
        return float(number == unit.channel)


def class_questions(model: Model, units: Sequence[Unit]) -> dict[Unit, Question]:
    """Ask for a class by its first name, among all classes; classes with the same first name keep all their names."""
    first = [name.split(",")[0].strip() for name in model.classes]
    names = tuple(
        short if first.count(short) == 1 else name for short, name in zip(first, model.classes, strict=True)
    )
    classes = [unit for unit in units if unit.is_class] if names else []
    return {unit: Question(names[unit.channel], names) for unit in classes}
