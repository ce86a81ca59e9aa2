"""Objectives for whole layers: DeepDream, and diversity between the images of a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch.nn.functional as F
from torch import Tensor

from vital.objectives.single import images_of
from vital.terms import OBJECTIVES, Batched, Imagewise, Term, per_image_mean
from vital.tracing import Trace
from vital.types import PerImage


@dataclass(frozen=True, repr=False)
class OneLayer(Term):
    """A term that reads one layer."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer."""
        return (self.layer,)


@OBJECTIVES.register("deepdream", example="obj.DeepDream('layer2')")
@dataclass(frozen=True, repr=False)
class DeepDream(OneLayer, Imagewise):
    """Make everything stronger that a layer already sees.

    Formula: −mean_{c,i} f_{c,i}²
    Source: Mordvintsev, Olah, Tyka, Inceptionism, 2015; deepdream, Lucid

    Units: the layer's own, squared.

    >>> DeepDream("layer3").layers
    ('layer3',)
    """

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the mean square, (B,)."""
        return -per_image_mean(trace[self.layer].square())


@OBJECTIVES.register("diversity", example="obj.Diversity('layer2')")
@dataclass(frozen=True, repr=False)
class Diversity(OneLayer, Batched):
    """Make the images of a unit differ from one another.

    Formula: mean_{j≠i} cos(G_i, G_j), with the Gram matrix G = F Fᵀ of image i's activations F (C, places)
    Source: diversity, Lucid (Olah, Mordvintsev, Schubert, Feature Visualization, Distill 2017)

    Between 0 and 1 for layers that end in a ReLU. The Gram matrices of several transformed images of one image are
    averaged first. It wants a parameterization with at least two images per slot and raises `InvalidValueError`
    otherwise.

    >>> Diversity("layer3").couples
    True
    """

    couples = True

    @classmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """Each image's mean similarity to the others of its unit, (B,)."""
        slots = len(terms)
        images = images_of(trace, terms[0], slots)
        grams = gram(trace[terms[0].layer]).view(slots, images, trace.n_transforms, -1).mean(2)
        units = F.normalize(grams, dim=2, eps=1e-10)
        similar = units @ units.mT
        others = (similar.sum(2) - similar.diagonal(dim1=1, dim2=2)) / (images - 1)
        return others.flatten().repeat_interleave(trace.n_transforms)


def gram(act: Tensor) -> Tensor:
    """The mean product of each two channels over the places: (B, C, …) to (B, C, C)."""
    flat = act.flatten(2) if act.ndim > 2 else act[:, :, None]
    return flat @ flat.mT / flat.shape[2]
