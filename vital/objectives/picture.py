"""Objectives that hold an image against the activations of a given picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.models import Model
from vital.objectives._vectors import activations, check_cosine, digest, dot_cosine, fitted
from vital.objectives.layer import OneLayer, gram
from vital.terms import OBJECTIVES, Looped, Term, per_image_mean, same, with_tensors
from vital.tracing import Trace
from vital.types import PerImage


@dataclass(frozen=True, repr=False)
class _Similarity(OneLayer):
    """Be like fixed activations, and more so: −(f · t) / N · max(floor, cos(f, t))^power."""

    target: Tensor = field(compare=False, repr=False)
    power: float = 1.0
    floor: float = 0.1
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        check_cosine(self.power, self.floor)
        object.__setattr__(self, "digest", digest(self.target))

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term with the activations of all, where they are compared in the same way."""
        return _together(terms) if same(terms, "power", "floor") else Looped(tuple(terms))

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the similarity, (B,)."""
        act = trace[self.layer]
        target = fitted(self.target, act, self.layer).flatten(1)
        return -dot_cosine(act.flatten(1), target, self.power, self.floor) / act[0, 0].numel()


@OBJECTIVES.register("caricature", example="obj.Caricature.of(model, 'layer2', picture)")
@dataclass(frozen=True, repr=False)
class Caricature(_Similarity):
    """Exaggerate what a layer sees in a picture.

    Formula: −(f · t) / N · max(floor, cos(f, t))^power
    Source: Olah, Mordvintsev, Schubert, Feature Visualization, Distill 2017 (caricatures); dot_compare, Lucid

    f and t are all activations of the image and of the picture at the layer, N its number of places. Random
    transforms move the image but not the picture, so use small ones. Units: the layer's own, squared. Raises
    `InvalidValueError` when image and picture differ in size.
    """

    @classmethod
    def of(
        cls, model: Model, layer: str, picture: Tensor, *, power: float = 1.0, floor: float = 0.1
    ) -> Caricature:
        """Make the term for one picture, (C, H, W) or (1, C, H, W) in [0, 1]."""
        return cls(layer, activations(model, layer, picture), power, floor)


@OBJECTIVES.register(
    "activation-difference",
    example="obj.ActivationDifference.of(model, 'layer2', picture, picture.flip(3), power=2)",
)
@dataclass(frozen=True, repr=False)
class ActivationDifference(_Similarity):
    """Exaggerate what a layer sees in one picture and not in another.

    Formula: −(f · d) / N · max(floor, cos(f, d))^power, with d = t_after − t_before
    Source: the difference of two activations as the direction of Lucid's dot_compare

    f, t and N as in `Caricature`. With a picture before and after a small change, the image shows what the
    change means to the network.
    """

    power: float = 0.0

    @classmethod
    def of(
        cls,
        model: Model,
        layer: str,
        before: Tensor,
        after: Tensor,
        *,
        power: float = 0.0,
        floor: float = 0.1,
    ) -> ActivationDifference:
        """Make the term for two pictures of one size, (C, H, W) or (1, C, H, W) in [0, 1]."""
        first, second = activations(model, layer, before), activations(model, layer, after)
        return cls(layer, second - fitted(first, second, layer), power, floor)


@OBJECTIVES.register("feature-match", example="obj.FeatureMatch.of(model, 'layer2', picture)")
@dataclass(frozen=True, repr=False)
class FeatureMatch(OneLayer):
    """Make an image that a layer cannot tell from a picture.

    Formula: mean |f − t|^power, or with gram=True mean |G(f) − G(t)|^power
    Source: Mahendran, Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015; with
        Gram matrices Gatys, Ecker, Bethge, CVPR 2016

    f and t are the activations of the image and of the picture, G = F Fᵀ / N their channels' mean products,
    which keep the texture, forget the places, and allow image and picture to differ in size. `power` is 1 or
    2.
    """

    target: Tensor = field(compare=False, repr=False)
    power: int = 2
    gram: bool = False
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.power not in (1, 2):
            raise InvalidValueError(f"power is {self.power}; allowed are 1 and 2")
        object.__setattr__(self, "digest", digest(self.target))

    @classmethod
    def of(
        cls, model: Model, layer: str, picture: Tensor, *, power: int = 2, gram: bool = False
    ) -> FeatureMatch:
        """Make the term for one picture, (C, H, W) or (1, C, H, W) in [0, 1]."""
        return cls(layer, activations(model, layer, picture), power, gram)

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term with the activations of all, where they are compared in the same way."""
        return _together(terms) if same(terms, "power", "gram") else Looped(tuple(terms))

    def __call__(self, trace: Trace) -> PerImage:
        """The distance, (B,)."""
        act = trace[self.layer]
        made, wanted = (gram(act), gram(self.target)) if self.gram else (act, self.target)
        return per_image_mean((made - fitted(wanted, made, self.layer)).abs() ** self.power)


def _together(terms: Sequence[_Similarity] | Sequence[FeatureMatch]) -> Term:
    """The first of some terms with the targets of all, where these have one shape."""
    targets = [term.target for term in terms]
    if len({(target.shape, target.device) for target in targets}) > 1:
        return Looped(tuple(terms))
    return with_tensors(terms[0], target=torch.cat(targets))
