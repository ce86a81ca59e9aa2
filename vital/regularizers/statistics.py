"""A penalty on what a network's batch norms remember of its training images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vital.errors import InvalidValueError, ModelError
from vital.models import Model
from vital.terms import REGULARIZERS, Imagewise
from vital.tracing import INPUT_OF, Trace, list_layers
from vital.types import PerImage


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
        total = trace.seen.new_zeros(len(trace))
        for number, layer in enumerate(self.layers):
            mean, variance = _running(trace.model, layer.removeprefix(INPUT_OF))
            act = trace[layer].flatten(2)
            apart = _norm(act.mean(2) - mean) + _norm(act.var(2, unbiased=False) - variance)
            total = total + (1.0 if number else self.first) * apart
        return total


def _remembers(module: nn.Module | None) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None


def _running(model: Model, name: str) -> tuple[Tensor, Tensor]:
    module = model.module.get_submodule(name)
    mean, variance = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        raise ModelError(f"{name!r} of {model.name} is a {type(module).__name__} without running statistics")
    return mean, variance


def _norm(x: Tensor) -> PerImage:
    norm: PerImage = torch.linalg.vector_norm(x, dim=1)
    return norm
