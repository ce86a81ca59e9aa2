"""Sort matching: give an image the feature distribution of real images (VITAL, ICCV 2025)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

import torch
from torch import Tensor

from vital.attribution import mask
from vital.errors import InvalidValueError, unknown
from vital.records import Template
from vital.terms import OBJECTIVES, Looped, RelevanceRequest, Term, per_slot
from vital.tracing import Trace
from vital.types import PerImage
from vital.units import Unit
from vital.utils.sorting import resize_quantiles, rows, sort_matching

Target: TypeAlias = tuple[Tensor, Tensor | None, tuple[float, ...]]


@OBJECTIVES.register("alignment", example="obj.Alignment(template)")
@dataclass(frozen=True)
class Alignment(Term):
    """Match, per channel, the sorted activations of the image with those of the reference images.

    Formula: Σ_l w_l / v_l · mean_{c,i} (f_{c,i} − q_{c,rank(i)})²
    Source: sort matching, VITAL (Görgün, Schiele, Fischer, ICCV 2025)

    f are the activations of layer l at C channels and N places, q the template's sorted vector of the channel and
    rank(i) the place of f_{c,i} among its channel's activations. Ranks are constants: the gradient moves each
    activation towards the reference value of equal rank. `weights` maps layers to w_l (all of the template's
    layers with weight 1 by default); v_l is 1 with `scale="none"`, as published, or the template's variance with
    `scale="variance"`, which lets layers of any magnitude speak equally loud. A template made at another
    resolution is interpolated along its quantiles. Units: squared activations, or none with `scale="variance"`.
    """

    template: Template
    weights: Mapping[str, float] | None = None
    scale: Literal["none", "variance"] = "none"
    _unit: Unit | None = field(default=None, init=False, repr=False, compare=False)
    _alone: Templates | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.scale not in ("none", "variance"):
            raise InvalidValueError(f"scale {self.scale!r} is unknown; allowed are none, variance")
        for layer, weight in (self.weights or {}).items():
            if not math.isfinite(weight):
                raise InvalidValueError(f"the weight of {layer!r} is {weight}; allowed are finite numbers")
            if layer not in self.template.layers:
                raise unknown("template layer", layer, self.template.layers)
        if self.template.rule:
            object.__setattr__(self, "_unit", Unit.parse(self.template.unit))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that have a weight other than zero."""
        return tuple(self._weights())

    @property
    def relevance_request(self) -> RelevanceRequest | None:
        """The relevance of the template's unit, where the template was made with a rule."""
        if self._unit is None:
            return None
        return RelevanceRequest(self._unit, self.layers, self.template.rule, self.template.start)

    def factor(self, layer: str) -> float:
        """What the mean square at a layer is multiplied with: w_l / v_l."""
        unit = max(self.template.variances[layer], 1e-12) if self.scale == "variance" else 1.0
        return self._weights()[layer] / unit

    def _weights(self) -> dict[str, float]:
        weights = dict.fromkeys(self.template.layers, 1.0) if self.weights is None else self.weights
        return {layer: weight for layer, weight in weights.items() if weight}

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term with the templates of all, where they are masked by the same rule."""
        rules = {term.template.rule for term in terms}
        return Templates(tuple(terms)) if len(rules) == 1 else Looped(tuple(terms))

    def __call__(self, trace: Trace) -> PerImage:
        """The weighted sum over the layers, (B,)."""
        if self._alone is None:
            object.__setattr__(self, "_alone", Templates((self,)))
        return self._alone(trace)  # type: ignore[misc]


@dataclass(frozen=True, repr=False)
class Templates(Term):
    """The alignments of several units as one."""

    terms: tuple[Alignment, ...]
    _targets: dict[tuple[str, int, str], Target] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all."""
        return self.terms[0].layers

    def __call__(self, trace: Trace) -> PerImage:
        """The weighted sums over the layers, (B,)."""
        total = trace.seen.new_zeros(len(trace))
        rule = self.terms[0].template.rule
        for layer in self.layers:
            act = rows(trace[layer])
            target, by, factors = self._target(layer, act)
            if by is not None:
                masks = mask(rows(trace.relevance[layer]), rule)
                act = act * masks.mul_(by.repeat_interleave(len(act) // len(by), 0))
            total = total + per_slot(factors, trace) * sort_matching(act, target)
        return total

    def _target(self, layer: str, act: Tensor) -> Target:
        """What stays over the steps: the vectors to match at the image's number of places, and by what to weigh them.

        (S, C, N) and (S, C, 1) for the templates of S units, of which equal ones are one, and S factors.
        """
        key = (layer, act.shape[2], f"{act.dtype} {act.device}")
        if key not in self._targets:
            templates = [term.template for term in self.terms]
            templates = templates[:1] if all(t is templates[0] for t in templates) else templates
            quantiles = torch.stack([_resized(t, layer, act) for t in templates]).to(act)
            by = None
            if templates[0].rule:
                by = torch.stack([t.importance[layer].sqrt() for t in templates]).to(act)[..., None]
                quantiles = quantiles * by
            self._targets[key] = (quantiles, by, tuple(term.factor(layer) for term in self.terms))
        return self._targets[key]


def _resized(template: Template, layer: str, act: Tensor) -> Tensor:
    """The template's vectors at the number of places of `act` (B, C, N): (C, N)."""
    quantiles = template.layers[layer]
    if len(quantiles) != act.shape[1]:
        raise InvalidValueError(
            f"the template's layer {layer!r} has {len(quantiles)} channels, the network's has {act.shape[1]}"
        )
    return resize_quantiles(quantiles, act.shape[2])
