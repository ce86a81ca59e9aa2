"""Targets: where relevance starts in the images of a set, at one unit or at the class of each image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vital.attribution import Relevance, propagate
from vital.attribution.gradients import gradients_of
from vital.attribution.start import start_at
from vital.data import ImageSet
from vital.data.labels import LABELING, match_classes
from vital.errors import DataError, InvalidValueError
from vital.models import Model
from vital.terms import GRADIENT
from vital.tracing import Trace, list_layers
from vital.types import PerImage
from vital.units import OUTPUT, Unit

LABEL, PREDICTED = "label", "predicted"


@dataclass(frozen=True)
class Target:
    """Where relevance starts in each image: at `unit`, or at its class where that is None.

    `classes` holds the class of each image of the set by its label, None where it has none; of a set of predicted
    classes it is empty. The class of an image is an output of the network.
    """

    unit: Unit | None = None
    classes: tuple[int | None, ...] = ()

    def __str__(self) -> str:
        return str(self.unit) if self.unit is not None else LABEL if self.classes else PREDICTED

    @property
    def layer(self) -> str:
        """The layer where relevance starts."""
        return OUTPUT if self.unit is None else self.unit.layer

    def classes_of(self, trace: Trace, which: Sequence[int]) -> list[int | None]:
        """The class at which relevance starts in each image; of a target that is one unit there is none."""
        if self.unit is not None:
            return [None] * len(which)
        if self.classes:
            return [self.classes[i] for i in which]
        return list(trace[OUTPUT].argmax(1).tolist())

    def start(self, trace: Trace, which: Sequence[int], start: str = "activation") -> Tensor:
        """The relevance of the target's layer with which images start, as `start_at` has it; 0 without a class."""
        if self.unit is not None:
            return start_at(trace, self.unit, start)
        act = trace[OUTPUT].detach()
        chosen = self._chosen(trace, which)
        return act.where(chosen, 0) if start == "activation" else chosen.to(act)

    def relevance(
        self, trace: Trace, which: Sequence[int], layers: Iterable[str], rule: str | Relevance = "zplus"
    ) -> dict[str, Tensor]:
        """The relevance of layers for the target; with the rule `GRADIENT`, gradient times activation."""
        if rule != GRADIENT:
            return propagate(trace, {self.layer: self.start(trace, which)}, layers, rule)
        slopes = gradients_of(trace, self._values(trace, which), self.layer, layers)
        return {name: slope * trace[name].detach() for name, slope in slopes.items()}

    def _values(self, trace: Trace, which: Sequence[int]) -> PerImage:
        if self.unit is not None:
            return trace.read(self.unit)
        return trace[OUTPUT].where(self._chosen(trace, which), 0).sum(1)

    def _chosen(self, trace: Trace, which: Sequence[int]) -> Tensor:
        """True at the class of each image: (B, classes)."""
        own = [-1 if index is None else index for index in self.classes_of(trace, which)]
        index = torch.tensor(own, device=trace[OUTPUT].device)
        return index[:, None] == torch.arange(trace[OUTPUT].shape[1], device=index.device)


def find_target(model: Model, images: ImageSet, given: str | Unit | None = None) -> Target:
    """Read a target: a unit, "label" or "predicted"; None is the label where labels name classes, else predicted.

    Raises what `Model.unit` raises, `DataError` for "label" where labels are missing or name no class of the network,
    and `InvalidValueError` for the class of an image where the network has no classes.
    """
    if given is not None and given not in (LABEL, PREDICTED):
        return Target(model.unit(given))
    known = list_layers(model)[OUTPUT]
    if known.problem or known.kind != "vector":
        raise InvalidValueError(
            f"the output of {model.name} is no vector of classes; give a unit as the target"
        )
    if given == PREDICTED:
        return Target()
    try:
        return Target(None, _by_label(model, images, known.channels))
    except DataError:
        if given is not None:
            raise
    return Target()


def _by_label(model: Model, images: ImageSet, outputs: int) -> tuple[int | None, ...]:
    """The network's class of each image by its label, None where it has none."""
    used = {label for label in images.labels if label is not None}
    if not used:
        raise DataError(f"{images.name} has no labels; {LABELING}, or take {PREDICTED!r}")
    own = {label: label for label in used}
    if images.class_names:
        own = match_classes(images.class_names, model.classes, outputs, images.name, used)
    if (high := max(own.values())) >= outputs:
        raise DataError(f"{images.name} has the label {high}; the network has the classes 0 to {outputs - 1}")
    return tuple(None if label is None else own[label] for label in images.labels)
