"""The objective for a direction in a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.objectives._vectors import check_cosine, check_window, digest, dot_cosine, over_places
from vital.terms import OBJECTIVES, Looped, Term, same, with_tensors
from vital.tracing import Trace, read_direction
from vital.tracing.readout import kind_of
from vital.types import PerImage
from vital.units import TOKENS, Unit
from vital.units.direction import as_place, check_fit
from vital.utils.devices import moved


@OBJECTIVES.register("direction", example="obj.Direction('layer2', torch.linspace(-1, 1, 16), power=2)")
@dataclass(frozen=True, repr=False)
class Direction(Term):
    """Move the activations of a layer along a direction, at every place.

    Formula: −mean_i (f_i · v) · max(floor, cos(f_i, v))^power, with cosine=True cos(f_i, v) for f_i · v
    Source: direction, Lucid; power and floor as in Carter et al., Activation Atlas, Distill 2019; the cosine as in
        direction, direction_neuron, and windows as in localgroup_weight, Lucent

    f_i are all channels at place i and v is the vector, used as long as it is given. With `power=0` only the
    length along v counts; the higher the power, the more the other channels must stay quiet. `layer` may be a
    direction in a file (`concepts.safetensors:3@layer4`), which then brings the vector. In a token layer
    `tokens` says where to look: "cls", "patches" or "all"; `concepts.safetensors:3@blocks.9#patches` says it too.
    `layer4@3,5` is one position, `concepts.safetensors:3@layer4@3,5` as well, and `window` weighs the places as in
    `Channel`.

    >>> Direction("layer4", [0.0, 1.0], power=2).layers
    ('layer4',)
    """

    layer: str | Unit
    vector: Tensor | Sequence[float] | None = field(default=None, compare=False, repr=False)
    power: float = 0.0
    floor: float = 0.1
    tokens: str = ""
    cosine: bool = False
    window: Tensor | None = field(default=None, compare=False, repr=False)
    digest: str = field(default="", init=False)
    window_digest: str = field(default="", init=False)
    _places: tuple[Unit, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_cosine(self.power, self.floor)
        if self.tokens not in ("", *TOKENS):
            raise InvalidValueError(f"tokens is {self.tokens!r}; allowed are 'cls', 'patches' and 'all'")
        unit = as_place(self.layer)
        place = Unit(unit.layer, 0, unit.position, self.tokens or unit.tokens)
        vector = read_direction(unit) if self.vector is None else torch.as_tensor(self.vector)
        if vector.ndim != 1 or not torch.isfinite(vector).all():
            raise InvalidValueError(
                "a direction is a vector of finite numbers, one per channel; "
                f"the one given has the shape {tuple(vector.shape)}"
            )
        at = "" if unit.position is None else "@{},{}".format(*unit.position)
        object.__setattr__(self, "layer", str(unit) if unit.source else unit.layer + at)
        object.__setattr__(self, "tokens", place.tokens)
        object.__setattr__(self, "_places", (place,))
        object.__setattr__(self, "vector", vector)
        object.__setattr__(self, "digest", digest(vector))
        object.__setattr__(self, "window_digest", check_window(self.window, place))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layer that the direction lies in."""
        return (self._places[0].layer,)

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term with a vector for each unit, where the directions are read in the same way."""
        vectors = [torch.as_tensor(term.vector) for term in terms]
        kinds = {kind_of(place) for term in terms for place in term._places}  # noqa: SLF001
        read_alike = same(terms, "power", "floor", "cosine", "window_digest") and len(kinds) == 1
        if not read_alike or len({vector.shape for vector in vectors}) > 1:
            return Looped(tuple(terms))
        made = with_tensors(terms[0], vector=torch.stack(vectors))
        object.__setattr__(made, "_places", tuple(place for term in terms for place in term._places))  # noqa: SLF001
        return made

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the mean over the places, (B,)."""
        acts, layer = trace.vectors(self._places), self._places[0].layer
        vectors = moved(torch.as_tensor(self.vector), acts)
        vectors = vectors if vectors.ndim == 2 else vectors[None]
        check_fit("the direction", vectors[0], layer, acts.shape[1])
        each = vectors.repeat_interleave(len(acts) // len(vectors), 0)[..., None]
        values = dot_cosine(acts, each, self.power, self.floor, alone=self.cosine)
        return -over_places(values, [self.window], trace[layer].shape[2:])
