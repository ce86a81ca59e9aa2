"""Sort matching: give an image the feature distribution of real images (VITAL, ICCV 2025)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from torch import Tensor

from vital.attribution import mask
from vital.errors import InvalidValueError, unknown
from vital.records import Template
from vital.terms import OBJECTIVES, RelevanceRequest, Term
from vital.tracing import Trace
from vital.types import PerImage
from vital.units import Unit
from vital.utils.sorting import resize_quantiles, rows, sort_matching

Target: TypeAlias = tuple[Tensor, Tensor | None]


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
    _targets: dict[tuple[str, int, str], Target] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _unit: Unit | None = field(default=None, init=False, repr=False, compare=False)

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

    def _weights(self) -> dict[str, float]:
        weights = dict.fromkeys(self.template.layers, 1.0) if self.weights is None else self.weights
        return {layer: weight for layer, weight in weights.items() if weight}

    def __call__(self, trace: Trace) -> PerImage:
        """The weighted sum over the layers, (B,)."""
        total = trace.seen.new_zeros(len(trace))
        for layer, weight in self._weights().items():
            act = rows(trace[layer])
            unit = max(self.template.variances[layer], 1e-12) if self.scale == "variance" else 1.0
            target, by = self._target(layer, act)
            if by is not None:
                act = act * mask(rows(trace.relevance[layer]), self.template.rule).mul_(by)
            total = total + weight / unit * sort_matching(act, target)
        return total

    def _target(self, layer: str, act: Tensor) -> Target:
        """What stays over the steps: the vectors to match at the image's number of places, and by what to weigh it."""
        key = (layer, act.shape[2], f"{act.dtype} {act.device}")
        if key not in self._targets:
            quantiles = self.template.layers[layer]
            if len(quantiles) != act.shape[1]:
                raise InvalidValueError(
                    f"the template's layer {layer!r} has {len(quantiles)} channels, the network's has {act.shape[1]}"
                )
            quantiles = resize_quantiles(quantiles, act.shape[2]).to(act.device, act.dtype)
            by = self.template.importance[layer].sqrt().to(act)[:, None] if self.template.rule else None
            self._targets[key] = (quantiles if by is None else quantiles * by, by)
        return self._targets[key]
