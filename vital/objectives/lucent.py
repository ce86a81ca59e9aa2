"""Lucent's objectives, run unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from vital.errors import InvalidValueError, unknown
from vital.models import Model
from vital.terms import OBJECTIVES, Term
from vital.tracing import Trace, list_layers
from vital.types import PerImage
from vital.units import OUTPUT

LucentObjective: TypeAlias = Callable[[Callable[[str], Tensor]], Any]
IMAGE, LABELS = "input", "labels"


@OBJECTIVES.register("lucent", example="obj.FromLucent(lambda T: -T('layer2')[:, 1].mean(), ('layer2',))")
@dataclass(frozen=True, repr=False)
class FromLucent(Term):
    """Run an objective written for Lucent, which turns T(layer), the activations, into a loss.

    Formula: objective(T), with T(layer) = the activations of one image, (1, C, H, W)
    Source: torch-lucent 0.1.8 (github.com/greentfrapp/lucent)

    Lucent names layers with underscores: T("layer4_2") is the module `layer4.2`; T("input") is the image and
    T("labels") the network's output. Activations have their channels second, in token layers too: (1, C, T).
    The objective is called once for each image. One that compares images (Lucent's diversity, alignment,
    channel_interpolate, anything with `batch=`) needs `couples=True`: it is then called once for the images
    of a unit together and its loss is shared equally among them. `layers` names the modules that it reads;
    `of` finds them. Raises `InvalidValueError` when the objective does not return one number.

    >>> FromLucent(lambda T: -T("layer4_2")[:, 3].mean(), ("layer4.2",)).layers
    ('layer4.2',)
    """

    objective: LucentObjective
    layers: tuple[str, ...] = ()
    couples: bool = False  # type: ignore[misc]

    def __post_init__(self) -> None:
        if not callable(self.objective):
            raise InvalidValueError(f"a Lucent objective is a function of T; given is {self.objective!r}")

    @classmethod
    def of(cls, model: Model, objective: LucentObjective, *, couples: bool = False) -> FromLucent:
        """Make the term, with the layers found by calling the objective once on empty activations."""
        known, read = list_layers(model), dict[str, None]()

        def recorded(name: str) -> Tensor:
            layer = _module_name(name, known)
            shape = (model.channels, *model.size) if layer == IMAGE else known[layer].shape
            read.update({} if layer == IMAGE else {layer: None})
            return torch.zeros(2, *shape, dtype=model.dtype, device=model.device)

        with torch.no_grad():
            objective(recorded)
        return cls(objective, tuple(read), couples)

    def __call__(self, trace: Trace) -> PerImage:
        """The objective's own loss, (B,)."""
        if self.couples:
            return self._loss(trace).expand(len(trace)) / (len(trace) // trace.copies)
        return torch.stack([self._loss(trace.rows(row, row + 1)) for row in range(len(trace))])

    def _loss(self, trace: Trace) -> Tensor:
        def read(name: str) -> Tensor:
            layer = _module_name(name, self.layers)
            return trace.image if layer == IMAGE else trace[layer]

        loss = torch.as_tensor(self.objective(read), dtype=trace.seen.dtype, device=trace.seen.device)
        if loss.numel() != 1:
            raise InvalidValueError(
                f"a Lucent objective returns one number; this one returned {tuple(loss.shape)}"
            )
        return loss.reshape(())


def _module_name(name: str, known: Iterable[str]) -> str:
    if name in (IMAGE, LABELS):
        return OUTPUT if name == LABELS else IMAGE
    names = {layer.replace(".", "_"): layer for layer in known} | {layer: layer for layer in known}
    if name not in names:
        raise unknown("Lucent layer", name, names)
    return names[name]
