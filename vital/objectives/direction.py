"""The objective for a direction in a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.objectives._vectors import check_cosine, digest, dot_cosine
from vital.terms import OBJECTIVES, Looped, Term, same, with_tensors
from vital.tracing import Trace, read_direction
from vital.types import PerImage
from vital.units import TOKENS, Unit
from vital.units.direction import as_place, check_fit
from vital.utils.devices import moved


@OBJECTIVES.register("direction", example="obj.Direction('layer2', torch.linspace(-1, 1, 16), power=2)")
@dataclass(frozen=True, repr=False)
class Direction(Term):
    """Move the activations of a layer along a direction, at every place.

    Formula: −mean_i (f_i · v) · max(floor, cos(f_i, v))^power
    Source: direction, Lucid; power and floor as in Carter et al., Activation Atlas, Distill 2019

    f_i are all channels at place i and v is the vector, used as long as it is given. With `power=0` only the
    length along v counts; the higher the power, the more the other channels must stay quiet. `layer` may be a
    direction in a file (`concepts.safetensors:3@layer4`), which then brings the vector. In a token layer
    `tokens` says where to look: "cls", "patches" or "all"; `concepts.safetensors:3@blocks.9#patches` says it too.

    >>> Direction("layer4", [0.0, 1.0], power=2).layers
    ('layer4',)
    """

    layer: str | Unit
    vector: Tensor | Sequence[float] | None = field(default=None, compare=False, repr=False)
    power: float = 0.0
    floor: float = 0.1
    tokens: str = ""
    digest: str = field(default="", init=False)
    _place: Unit = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_cosine(self.power, self.floor)
        if self.tokens not in ("", *TOKENS):
            raise InvalidValueError(f"tokens is {self.tokens!r}; allowed are 'cls', 'patches' and 'all'")
        unit = as_place(self.layer)
        place = Unit(unit.layer, 0, tokens=self.tokens or unit.tokens)
        vector = read_direction(unit) if self.vector is None else torch.as_tensor(self.vector)
        if vector.ndim != 1 or not torch.isfinite(vector).all():
            raise InvalidValueError(
                "a direction is a vector of finite numbers, one per channel; "
                f"the one given has the shape {tuple(vector.shape)}"
            )
        object.__setattr__(self, "layer", str(unit) if unit.source else unit.layer)
        object.__setattr__(self, "tokens", place.tokens)
        object.__setattr__(self, "_place", place)
        object.__setattr__(self, "vector", vector)
        object.__setattr__(self, "digest", digest(vector))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that the direction lies in."""
        return (self._place.layer,)

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term with a vector for each unit, where the directions are read in the same way."""
        vectors = [torch.as_tensor(term.vector) for term in terms]
        if not same(terms, "tokens", "power", "floor") or len({vector.shape for vector in vectors}) > 1:
            return Looped(tuple(terms))
        return with_tensors(terms[0], vector=torch.stack(vectors))

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the mean over all places, (B,)."""
        acts = trace.vectors(self._place)
        vectors = moved(torch.as_tensor(self.vector), acts)
        vectors = vectors if vectors.ndim == 2 else vectors[None]
        check_fit("the direction", vectors[0], self._place.layer, acts.shape[1])
        each = vectors.repeat_interleave(len(acts) // len(vectors), 0)[..., None]
        return -dot_cosine(acts, each, self.power, self.floor).mean(1)
