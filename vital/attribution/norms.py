"""Norms: they pass relevance, belong to the layer before them, or are layers of their own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vital.attribution.operations import Context, Shares, away, operation, transposed
from vital.tracing import Step


@operation("batch_norm")
def batch_norm(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All relevance to the input; a folded batch norm is noted for the layer before it."""
    x = step.argument(0, "input")
    how = context.how_in(step, _parts(step)["weight"], linear=x.ndim == 2)
    known = _scale_and_shift(step)
    if how.batch_norm != "folded" or known is None:
        yield x, r[0]
        return
    before = context.maker(x)
    if before is not None and _folds(before, x) and context.readers[id(x)] == 1:
        context.folded[id(x)] = known
    elif how.weighted == "epsilon":
        scale = known[0].view(-1, *[1] * (x.ndim - 2))
        yield x, x.detach() * scale * (r[0] / away(step.outputs[0].detach(), how.epsilon))
        return
    yield x, r[0]


def _folds(layer: Step, made: Tensor) -> bool:
    """Whether an operation has weights for each channel of what it made."""
    return layer.name.startswith("conv") or (layer.name == "linear" and made.ndim == 2)


def _parts(step: Step) -> dict[str, Tensor | None]:
    """The tensors of a batch norm by their names."""
    names = ["running_mean", "running_var", "weight", "bias"]
    if step.run is torch.batch_norm:  # which has another order than the function of `torch.nn.functional`
        names = names[2:] + names[:2]
    return {name: step.argument(i, name) for i, name in enumerate(names, 1)}


def _scale_and_shift(step: Step) -> tuple[Tensor, Tensor] | None:
    """A batch norm as a scale and a shift; None where it takes its statistics from the batch."""
    parts = _parts(step)
    mean, variance, weight, bias = (parts[name] for name in ("running_mean", "running_var", "weight", "bias"))
    if step.argument(5, "training") or mean is None or variance is None:
        return None
    scale = torch.rsqrt(variance + step.argument(7, "eps"))
    scale = scale if weight is None else scale * weight.detach()
    return scale, -mean * scale if bias is None else bias.detach() - mean * scale


@operation("layer_norm", "rms_norm", "group_norm")
def norm(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All relevance to the input; under "epsilon", a layer of its own in which the deviation is a constant."""
    x, channelwise = step.argument(0, "input"), step.name == "group_norm"
    how = context.how_in(step, step.argument(2, "weight"), linear=not channelwise or x.ndim == 2)
    if how.batch_norm != "folded" or how.weighted != "epsilon":
        yield x, r[0]
        return
    quotient = r[0] / away(step.outputs[0].detach(), how.epsilon)
    yield x, x.detach() * transposed(_with_constant_deviation(step, x.detach()), (x,), (quotient,))[0]


def _with_constant_deviation(step: Step, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The norm without its bias, linear in its input."""
    if step.name == "group_norm":
        shape: tuple[int, ...] = (len(x), step.argument(1, "num_groups"), -1)
        axes: tuple[int, ...] = (2,)
    else:
        shape, axes = tuple(x.shape), tuple(range(-len(step.argument(1, "normalized_shape")), 0))
    eps = step.argument(3 if step.name == "rms_norm" else 4, "eps")
    scale: Tensor | int = 1 if (weight := step.argument(2, "weight")) is None else weight.detach()
    if isinstance(scale, Tensor) and step.name == "group_norm":
        scale = scale.view(-1, *[1] * (x.ndim - 2))
    eps = (torch.finfo(x.dtype).eps if step.name == "rms_norm" else 1e-5) if eps is None else eps

    def centered(a: Tensor) -> Tensor:
        a = a.reshape(shape)
        return a if step.name == "rms_norm" else a - a.mean(axes, keepdim=True)

    deviation = (centered(x).square().mean(axes, keepdim=True) + eps).sqrt()

    def linear(a: Tensor) -> Tensor:
        return (centered(a) / deviation).view(a.shape) * scale

    return linear
