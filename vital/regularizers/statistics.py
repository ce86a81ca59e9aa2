"""A penalty on what a network's batch norms remember of its training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vital.errors import InvalidValueError, ModelError
from vital.models import Model
from vital.terms import REGULARIZERS, Imagewise
from vital.tracing import INPUT_OF, Trace, list_layers
from vital.types import PerImage
from vital.utils.devices import made_once

TINY = 1e-30
"""Below a root, so that the gradient is finite where there is no distance."""


@REGULARIZERS.register("batch-norm", example="reg.BatchNormStatistics.of(model)")
@dataclass(frozen=True, repr=False)
class BatchNormStatistics(Imagewise):
    """Give the features of an image the means and variances that the batch norms saw in training.

    Formula: Σ_l w_l (‖mean_i f_l − μ_l‖₂ + ‖var_i f_l − σ²_l‖₂), with w = first for the first layer, else 1
    Source: DeepInversion (Yin et al., CVPR 2020)

    f_l is the input of batch norm l, μ and σ² are its running mean and variance; var divides by N. The
    published loss takes mean and variance over a whole batch of images, which ties them to one another; here
    they are taken over the places of each image alone, so that a picture does not depend on its company.
    `layers` names the inputs of the batch norms; `of` finds them.
    """

    layers: tuple[str, ...] = ()
    first: float = 10.0

    def __post_init__(self) -> None:
        if not self.layers:
            raise InvalidValueError(
                "BatchNormStatistics has no batch norm to read; use BatchNormStatistics.of(model)"
            )

    @classmethod
    def of(cls, model: Model, *, first: float = 10.0) -> BatchNormStatistics:
        """Make the term for all batch norms over images of a network; `ModelError` where there is none."""
        modules = dict(model.module.named_modules())
        norms = [
            n for n, layer in list_layers(model).items() if not layer.problem and _remembers(modules.get(n))
        ]
        if not norms:
            raise ModelError(f"{model.name} has no batch norm with running statistics over images")
        return cls(tuple(INPUT_OF + name for name in norms), first)

    def __call__(self, trace: Trace) -> PerImage:
        """The weighted distance, (B,)."""
        acts = [trace[layer].flatten(2) for layer in self.layers]
        running = [_running(trace.model, layer.removeprefix(INPUT_OF)) for layer in self.layers]
        wanted = torch.cat([*(mean for mean, _ in running), *(variance for _, variance in running)])
        channels = tuple(act.shape[1] for act in acts) * 2
        squares = (_Moments.apply(*acts) - wanted).square()
        norms = torch.mm(squares, _members(channels, squares.dtype, squares.device)).clamp_min(TINY).sqrt()
        first = norms[:, :: len(self.layers)].sum(1)
        return norms.sum(1) + (self.first - 1) * first


def _remembers(module: nn.Module | None) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None


def _running(model: Model, name: str) -> tuple[Tensor, Tensor]:
    module = model.module.get_submodule(name)
    mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        raise ModelError(f"{name!r} of {model.name} is a {type(module).__name__} without running statistics")
    return mean, variance


class _Moments(torch.autograd.Function):
    """The means and then the variances over the places of each of several layers (B, C, N), side by side: (B, 2 Σ C).

    One operation for a layer, and one for its gradient, where the same from torch's own takes twenty.
    """

    @staticmethod
    def forward(ctx: Any, *acts: Tensor) -> Tensor:
        variances, means = zip(*(torch.var_mean(act, 2, correction=0) for act in acts), strict=True)
        mean = torch.cat(means, 1)
        ctx.save_for_backward(mean, *acts)
        return torch.cat([mean, *variances], 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        mean, *acts = ctx.saved_tensors
        by_mean, by_variance = grads[0].chunk(2, 1)
        channels = tuple(act.shape[1] for act in acts)
        count = _counts(channels, tuple(act.shape[2] for act in acts), mean.dtype, mean.device)
        slope = 2 * by_variance / count
        offset = by_mean / count - slope * mean
        parts = zip(acts, *(torch.split(x, list(channels), 1) for x in (slope, offset)), strict=True)
        return tuple(torch.addcmul(b[..., None], act, a[..., None]) for act, a, b in parts)


@made_once(maxsize=8)
def _counts(
    channels: tuple[int, ...], places: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The number of places of each channel of several layers, side by side."""
    return torch.tensor(places).repeat_interleave(torch.tensor(channels)).to(device, dtype)


@made_once(maxsize=8)
def _members(channels: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Which columns belong to which of several parts: (columns, parts), 1 where they do."""
    numbers = torch.arange(len(channels)).repeat_interleave(torch.tensor(channels))
    return torch.nn.functional.one_hot(numbers, len(channels)).to(device, dtype)
