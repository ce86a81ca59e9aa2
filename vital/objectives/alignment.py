"""Sort matching: give an image the feature distribution of real images (VITAL, ICCV 2025)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import BadValue, unknown
from vital.records import Template
from vital.relevance import mask
from vital.sorting import rows, stable_argsort
from vital.terms import OBJECTIVES, Relevant, Term
from vital.trace import Trace
from vital.types import PerImage
from vital.units import Unit

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

    def __post_init__(self) -> None:
        if self.scale not in ("none", "variance"):
            raise BadValue(f"scale {self.scale!r} is unknown; allowed are none, variance")
        for layer, weight in (self.weights or {}).items():
            if not math.isfinite(weight):
                raise BadValue(f"the weight of {layer!r} is {weight}; allowed are finite numbers")
            if layer not in self.template.layers:
                raise unknown("template layer", layer, self.template.layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that have a weight other than zero."""
        return tuple(self._weights())

    @property
    def relevant(self) -> Relevant | None:
        """The relevance of the template's unit, where the template was made with a rule."""
        if not self.template.rule:
            return None
        made = self.template
        return Relevant(Unit.parse(made.unit), self.layers, made.rule, made.start)

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
                raise BadValue(
                    f"the template's layer {layer!r} has {len(quantiles)} channels, the network's has {act.shape[1]}"
                )
            quantiles = resize_quantiles(quantiles, act.shape[2]).to(act.device, act.dtype)
            by = self.template.importance[layer].sqrt().to(act)[:, None] if self.template.rule else None
            self._targets[key] = (quantiles if by is None else quantiles * by, by)
        return self._targets[key]


def resize_quantiles(quantiles: Tensor, places: int) -> Tensor:
    """Read sorted vectors (C, N) at another number of evenly spread ranks, linearly interpolated.

    >>> resize_quantiles(torch.tensor([[0.0, 1.0, 2.0]]), 5).tolist()
    [[0.0, 0.5, 1.0, 1.5, 2.0]]
    """
    if quantiles.shape[1] == places:
        return quantiles
    if places == 1:
        return quantiles.mean(1, keepdim=True)
    return F.interpolate(quantiles[None], places, mode="linear", align_corners=True)[0]


def sort_matching(act: Tensor, quantiles: Tensor) -> PerImage:
    """Mean squared distance of activations (B, C, N) to the value of equal rank in `quantiles` (C, N): (B,)."""
    loss: PerImage = _SortMatching.apply(act, quantiles)
    return loss


class _SortMatching(torch.autograd.Function):
    """The loss and its gradient 2(f − q_rank)/(CN) in one go: the sort is not differentiated."""

    @staticmethod
    def forward(ctx: Any, act: Tensor, quantiles: Tensor) -> PerImage:
        matched = torch.empty_like(act).scatter_(2, stable_argsort(act), quantiles.expand_as(act))
        apart = torch.sub(act, matched, out=matched)
        ctx.save_for_backward(apart)
        return apart.square().flatten(1).mean(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (apart,), (grad,) = ctx.saved_tensors, grads
        return apart * (grad * (2 / apart[0].numel())).view(-1, 1, 1), None
