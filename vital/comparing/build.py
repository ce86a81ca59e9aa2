"""Build the context of a comparison: judges, features and natural statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from vital.activations import ReferenceBank
from vital.backends import ImageTextEncoder, load_encoder
from vital.comparing.context import BATCH, EvalContext, Extractor, Judge, Question, fitted
from vital.comparing.hog import recognizer_for
from vital.errors import InvalidValueError, UsageError
from vital.models import Model
from vital.rendering.methods.stages import stages
from vital.tracing import Tracer, list_layers
from vital.types import Images
from vital.units import OUTPUT, Unit


def own_features(model: Model) -> Extractor:
    """The features of a network as an extractor: the last of its stages, averaged over places."""
    layer = stages(model)[-1]

    @torch.no_grad()
    def features(images: Images) -> Tensor:
        with Tracer(model, [layer]) as tracer:
            act = tracer(fitted(images, model))[layer]
        return (act.flatten(2).mean(2) if act.ndim > 2 else act).float().cpu()

    return Extractor(f"{model.name} {layer}, {list_layers(model)[layer].channels}", features)


def held_out_layers(model: Model, optimized: Sequence[str], count: int = 4) -> tuple[str, ...]:
    """Choose layers that no method optimizes: halfway, in the order of execution, between those that some do.

    They are maps or tokens before the output, of more than one place. Raises `UsageError` where there are none.
    """
    known = list_layers(model)
    usable = [la for la in known.values() if not la.problem and la.name != OUTPUT and la.kind != "vector"]
    ends = sorted({known[name].order for name in optimized if name in known} | {-1})
    found: list[str] = []
    for low, high in pairwise(ends):
        between = [la for la in usable if low < la.order < high and la.name not in optimized]
        if between:
            found.append(between[len(between) // 2].name)
    if not found:
        raise UsageError(
            f"{model.name} has no layer between {', '.join(optimized)}; name layers with --held-out"
        )
    return tuple(found[-count:])


def of_the_world(model: Model) -> bool:
    """Whether a network is one of the known-answer world."""
    from vital.world.training.tasks import TASKS

    return model.name in ("world", *(f"world:{name}" for name in TASKS))


def check_prompt(prompt: str) -> None:
    """See that a prompt has one place for the words. Raises `InvalidValueError`.

    >>> check_prompt("a photo")
    Traceback (most recent call last):
    ...
    vital.errors.InvalidValueError: the prompt is 'a photo'; allowed is one {} in it, as in 'a photo of a {}'
    """
    if prompt.count("{}") != 1:
        raise InvalidValueError(
            f"the prompt is {prompt!r}; allowed is one {{}} in it, as in 'a photo of a {{}}'"
        )


def build_context(
    bank: ReferenceBank,
    units: Sequence[Unit],
    *,
    judges: Sequence[Judge] | None = None,
    encoder: ImageTextEncoder | str | None = None,
    extractor: Extractor | None = None,
    held_out: Sequence[str] | None = None,
    prompt: str = "{}",
    progress: bool = False,
) -> EvalContext:
    """Put together what pictures of these units are measured against.

    `judges` are independent classifiers (`ClassJudge` makes one of a network with the same classes). `encoder` is an
    image-text encoder or its name, asked with `prompt`, such as "a photo of a {}". `extractor` gives the features of
    the Fréchet and kernel distance, by default the network's own last stage. `held_out` are layers that no method
    aligns, by default chosen between those that `vital` does. For a network of the known-answer world, its judge,
    encoder and truths stand in for what is not given. Raises `InvalidValueError` for a prompt without its place.
    """
    check_prompt(prompt)
    model = bank.model
    optimized = stages(model)
    questions, known = class_questions(model, units), bank.images
    if of_the_world(model):
        from vital.comparing import world as own
        from vital.world.scenes.dataset import CLASSES

        truths = own.world_truths(model, units, progress=progress)
        judges = (own.WorldJudge(truths),) if judges is None else judges
        extractor = extractor or own.world_features()
        questions, encoder = own.world_questions(truths), encoder or "world"
        known = own.fresh_scenes() if model.classes == CLASSES else known
    recognizer, notes = recognizer_for(model, known, units)
    taken = (*optimized, *(unit.layer for unit in units))
    return EvalContext(
        bank,
        optimized,
        held_out_layers(model, taken) if held_out is None else tuple(held_out),
        extractor or own_features(model),
        tuple(judges or ()),
        load_encoder(encoder, device=model.device) if isinstance(encoder, str) else encoder,
        questions,
        prompt,
        recognizer=recognizer,
        notes=notes,
    )


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
