"""Sums of activations: residual additions, pooling, means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.attribution.composites import Relevance
from vital.attribution.operations import Context, Shares, away, fit, operation, sent_back, transposed
from vital.attribution.weighted import over, ratio
from vital.tracing import NoRuleError, Step
from vital.utils.devices import perhaps


@operation("add", "sub", "rsub", "subtract")
def addition(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """The composite's rule for sums.

    A constant takes nothing, except where it is a bias that takes its share; what shifts the image is no bias.
    """
    how = context.how
    if how.sums == "epsilon" and (len(step.inputs) == 2 or not context.is_first(step)):
        z = step.outputs[0].detach()
        quotient = r[0] / away(z, how.least) if len(step.inputs) == 2 else over(r[0], z)
        found = transposed(lambda *inputs: step.again(*inputs)[0], step.inputs, (quotient,))
        yield from ((x, back * x.detach()) for x, back in zip(step.inputs, found, strict=True))
        return
    if len(step.inputs) == 1:
        yield step.inputs[0], fit(r[0], step.inputs[0])
        return
    a, b = step.inputs
    size_a, size_b = (x.detach().abs() for x in (a, b))
    both = size_a.add(size_b, alpha=abs(step.kwargs.get("alpha", 1)))
    to_a = torch.div(size_a, both, out=both).nan_to_num_(0.5).mul_(r[0])
    yield a, fit(to_a, a)
    yield b, fit(r[0] - to_a, b)


@operation(
    *("mean", "sum", "nanmean", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("interpolate", "upsample", "upsample_nearest2d", "upsample_bilinear2d"),
)
def pooling(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """The composite's rule for averages."""
    (x,) = step.inputs
    yield x, average(lambda a: step.again(a)[0], x, r[0], context.how)


def average(
    f: Callable[[Tensor], Tensor], x: Tensor, r: Tensor, how: Relevance, *, fill: bool = True
) -> Tensor:
    """Share r among the inputs of f, which sums with weights that are not negative.

    With magnitudes, outputs whose inputs are all 0 share out r by the weights alone, unless `fill` is off or a
    stabilizer takes it.
    """
    size = x.detach() if how.average == "epsilon" else x.detach().abs()
    with torch.no_grad():
        z = f(size)
    if how.average == "epsilon":
        return size * transposed(f, (size,), (r / away(z, how.least),))[0]
    shares = size * transposed(f, (size,), (ratio(r, z, how.stabilizer),))[0]
    if not fill or how.stabilizer:
        return shares
    lost = r.masked_fill(z != 0, 0)
    if not perhaps(lost.any()):
        return shares
    ones = torch.ones_like(size)
    return shares + transposed(f, (ones,), (over(lost, f(ones)),))[0]


@operation(
    *("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices"),
    *("adaptive_max_pool1d", "adaptive_max_pool2d"),
)
def max_pooling(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All to the largest, or as if it were an average pool."""
    (x,), how = step.inputs, context.how
    if how.max_pool == "winner":
        yield x, sent_back(step, r)[0]
        return
    if step.name != "max_pool2d":
        raise NoRuleError(
            f"there is no rule for {step.name!r} with max_pool={how.max_pool!r}; allowed is 'winner'"
        )
    kernel, stride, padding, dilation, ceil = _window(step)
    if how.max_pool == "halving":
        kernel, stride, padding, ceil = 2, 2, 0, False
    if (
        dilation not in (1, (1, 1), [1, 1])
        or F.avg_pool2d(x, kernel, stride, padding, ceil).shape != r[0].shape
    ):
        raise NoRuleError(
            f"a max pool from {tuple(x.shape)} to {tuple(r[0].shape)} has no average pool for max_pool={how.max_pool!r}"
        )
    yield x, average(lambda a: F.avg_pool2d(a, kernel, stride, padding, ceil), x, r[0], how, fill=False)


def _window(step: Step) -> tuple[Any, ...]:
    names = {"kernel_size": None, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
    return tuple(step.argument(i + 1, name, default) for i, (name, default) in enumerate(names.items()))
