"""Lucent's objectives, run unchanged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from vital.errors import InvalidValueError, unknown
from vital.models import Model
from vital.objectives.single import images_of
from vital.terms import OBJECTIVES, Term
from vital.tracing import Trace, list_layers
from vital.types import PerImage
from vital.units import OUTPUT
from vital.utils.random import generator, seeding_torch

LucentObjective: TypeAlias = Callable[[Callable[[str], Tensor]], Any]
IMAGE, LABELS = "input", "labels"
ROUNDING = 1e-5
"""The share of a loss below which a difference is taken for rounding."""


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
    `of` finds them. Raises `InvalidValueError` when the objective does not return one number, or when it
    compares images and `couples` is False: it is tried on random activations, alone and in pairs, before it
    is first used.

    >>> FromLucent(lambda T: -T("layer4_2")[:, 3].mean(), ("layer4.2",)).layers
    ('layer4.2',)
    """

    objective: LucentObjective
    layers: tuple[str, ...] = ()
    couples: bool = False  # type: ignore[misc]
    _tried: set[torch.Size] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.objective):
            raise InvalidValueError(f"a Lucent objective is a function of T; given is {self.objective!r}")

    @classmethod
    def of(cls, model: Model, objective: LucentObjective, *, couples: bool = False) -> FromLucent:
        """Make the term, with the layers found by calling the objective once on empty activations."""
        known, read = list_layers(model), dict[str, None]()

        def blank(layer: str) -> Tensor:
            shape = (model.channels, *model.size) if layer == IMAGE else known[layer].shape
            return torch.zeros(2, *shape, dtype=model.image_dtype, device=model.device)

        def recorded(name: str) -> Tensor:
            layer = _module_name(name, known)
            read.update({} if layer == IMAGE else {layer: None})
            return blank(layer)

        with torch.no_grad():
            objective(recorded)
        if not couples:
            _check_alone(objective, blank, known)
        return cls(objective, tuple(read), couples)

    def __call__(self, trace: Trace) -> PerImage:
        """The objective's own loss, (B,)."""
        if self.couples:
            return self._together(trace)
        if trace.image.shape[1:] not in self._tried:
            read = {IMAGE: trace.image} | {layer: trace[layer] for layer in self.layers}
            _check_alone(self.objective, read.__getitem__, self.layers)
            self._tried.add(trace.image.shape[1:])
        return torch.stack([self._loss(trace.rows(row, row + 1)) for row in range(len(trace))])

    def _together(self, trace: Trace) -> PerImage:
        images, loss = len(trace) // trace.n_transforms, self._loss(trace)
        if images == 1 and trace.seen.requires_grad and not loss.requires_grad:
            images_of(trace, self)
        return loss.expand(len(trace)) / images

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


def _check_alone(objective: LucentObjective, like: Callable[[str], Tensor], known: Iterable[str]) -> None:
    """Raise `InvalidValueError` unless an image's part in the loss is the same alone and beside another image.

    With two images that each add their own part, L(a, b) + L(b, a) = L(a, a) + L(b, b), and L(a) is a number.
    `like(layer)` has the shape and type of a layer's activations.
    """

    def loss(images: str) -> float:
        def read(name: str) -> Tensor:
            layer = _module_name(name, known)
            act = like(layer)
            rows = [torch.rand(act.shape[1:], generator=generator(image, layer)) for image in images]
            return torch.stack(rows).to(act)

        with torch.no_grad(), seeding_torch(generator(IMAGE), like(IMAGE).device), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return float(objective(read))
            except Exception:  # noqa: BLE001 (some objectives work for one image alone, others for several)
                return math.nan

    ab, ba, aa, bb = map(loss, ("ab", "ba", "aa", "bb"))
    alone = math.isfinite(loss("a")) and math.isfinite(loss("b"))
    close = max(ROUNDING, 30 * torch.finfo(like(IMAGE).dtype).eps) * max(map(abs, (ab, ba, aa, bb)))
    if math.isfinite(ab) and (not alone or abs(ab + ba - aa - bb) > close):
        raise InvalidValueError(
            "the Lucent objective compares images or picks one of several, and it is given each image alone; "
            "pass couples=True, and it gets the images of a unit together"
        )


def _module_name(name: str, known: Iterable[str]) -> str:
    if name in (IMAGE, LABELS):
        return OUTPUT if name == LABELS else IMAGE
    names = {layer.replace(".", "_"): layer for layer in known} | {layer: layer for layer in known}
    if name not in names:
        raise unknown("Lucent layer", name, names)
    return names[name]
