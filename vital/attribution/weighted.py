"""Convolutions, linear layers and products with constants: relevance by what each input contributed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from types import EllipsisType
from typing import TypeAlias

import torch
from torch import Tensor

from vital.attribution.composites import Relevance
from vital.attribution.operations import Context, Shares, away, operation
from vital.tracing import NoRuleError, Step
from vital.utils.devices import perhaps

Groups: TypeAlias = Sequence[Sequence[tuple[Tensor, Tensor]]]

FEW = 64
"""A weighted sum of fewer terms (a depthwise convolution) often has no positive term at all."""


@operation("conv1d", "conv2d", "conv3d", "linear", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def layer(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """The composite's rule for weighted sums; constant weights only."""
    x, weight, bias = (step.argument(i, n) for i, n in enumerate(("input", "weight", "bias")))
    if step.depends(weight) or not step.depends(x):
        raise NoRuleError(
            f"relevance cannot be followed through {step.name!r} with weights that depend on the image"
        )
    linear = step.name == "linear"
    how = context.how_in(step, weight, linear=linear)
    scale, shift = context.folded.get(id(step.outputs[0]), (None, None))
    if bias is not None:
        bias = bias.detach() if scale is None else bias.detach() * scale
        shift = bias if shift is None else shift + bias
    if scale is not None:
        weight = _scaled(step, weight, scale)
    if shift is not None:
        shift = (
            shift.view(-1, *[1] * (0 if linear else weight.ndim - 2))
            if how.shares_bias(linear=linear)
            else None
        )
    box: tuple[Tensor, ...] = context.bounds(x) if how.weighted == "box" else ()
    read, f = x, partial(_without_bias, step)
    if (places := _places_read(step, weight)) is not None:
        read, f = x[places].contiguous(), partial(step.run, groups=step.argument(6, "groups", 1))
        box = tuple(end[places].contiguous() for end in box)
    shared = contributions(Weighted(f, read, weight, r[0], how, shift, context.rectified(x), box), context)
    if places is not None:
        shared, thin = torch.zeros_like(x), shared
        shared[places] = thin
    yield x, shared


def _scaled(step: Step, weight: Tensor, scale: Tensor) -> Tensor:
    """The weights with a scale for each channel of what the operation makes."""
    rest = [1] * (weight.ndim - 2)
    if "transpose" not in step.name:
        return weight.detach() * scale.view(-1, 1, *rest)
    groups = step.argument(6, "groups", 1)
    columns = scale.view(groups, 1, -1).expand(-1, len(weight) // groups, -1).reshape(len(weight), -1, *rest)
    return weight.detach() * columns


def _without_bias(step: Step, x: Tensor, w: Tensor) -> Tensor:
    rest = {k: v for k, v in step.kwargs.items() if k not in {"input", "weight", "bias"}}
    made: Tensor = step.run(x, w, None, *step.args[3:], **rest)
    return made


def _places_read(step: Step, weight: Tensor) -> tuple[EllipsisType | slice, ...] | None:
    """The places that a strided convolution of 1 × 1 reads, since the others take no relevance; None for any other."""
    if not step.name.startswith("conv") or "transpose" in step.name or weight[0, 0].numel() > 1:
        return None
    steps, edges = (
        (given,) * (weight.ndim - 2) if isinstance(given, int | str) else tuple(given)
        for given in (step.argument(3, "stride", 1), step.argument(4, "padding", 0))
    )
    if not set(edges) <= {0, "valid"} or set(steps) == {1}:
        return None
    return (..., *(slice(None, None, by) for by in steps))


@dataclass(frozen=True, eq=False)
class Weighted:
    """A sum z = f(x, w) + shift, linear in x and in w, with the relevance r of z and its composite.

    x ≥ 0 for sure where `rectified`, and lies between the two of `box` where that is known.
    """

    f: Callable[[Tensor, Tensor], Tensor]
    x: Tensor
    w: Tensor
    r: Tensor
    how: Relevance
    shift: Tensor | None = None
    rectified: bool = False
    box: tuple[Tensor, ...] = ()

    def share(self, groups: Groups, quotients: Callable[..., Sequence[Tensor]]) -> Tensor:
        """Σ_g Σ_k x_gk · fᵀ(s_g, w_gk), where s = quotients(z_1, z_2, …) and z_g = Σ_k f(x_gk, w_gk).

        A group is a list of inputs with the weights that go with them.
        """
        inputs = [x.detach().requires_grad_() for group in groups for x, _ in group]
        left = iter(inputs)
        with torch.enable_grad():
            sums = [reduce(torch.add, [self.f(next(left), w) for _, w in group]) for group in groups]
        gradients = torch.autograd.grad(sums, inputs, quotients(*(z.detach() for z in sums)))
        return reduce(torch.add, (g.mul_(x.detach()) for x, g in zip(inputs, gradients, strict=True)))

    def plus(self, z: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Add the shift, or what `change` makes of it, where there is one."""
        if self.shift is None:
            return z
        return z + (self.shift if change is None else change(self.shift))

    def signs(self) -> tuple[Tensor, Tensor]:
        """The positive and the negative part of the inputs."""
        return self.x.clamp(min=0), self.x.clamp(max=0)


def contributions(s: Weighted, context: Context) -> Tensor:
    """Share the relevance of a weighted sum among its inputs by the composite's rule; half precision becomes single."""
    kind = torch.float32 if s.x.dtype in {torch.float16, torch.bfloat16} else s.x.dtype
    same = replace(
        s,
        x=s.x.detach().to(kind),
        w=s.w.to(kind),
        r=s.r.to(kind),
        shift=None if s.shift is None else s.shift.to(kind),
        box=tuple(end.to(kind) for end in s.box),
    )
    with torch.autocast(s.x.device.type, enabled=False):
        return _WEIGHTED[s.how.weighted](same, context)


def _zplus(s: Weighted, context: Context) -> Tensor:
    least = s.how.stabilizer
    if not s.how.signed:
        return s.share([[(s.x, context.positive(s.w))]], lambda z: [over(s.r, s.plus(z) + least)])
    if s.w[0].numel() < FEW and not least:
        return s.share(_both_signs(s, context), lambda z, n: _all_of(s, s.plus(z, _positive), n))
    group = [(s.x, context.positive(s.w))]
    if not s.rectified and perhaps(s.x.amin() < 0):
        high, low = s.signs()
        group = [(high, context.positive(s.w)), (low, _negative(s.w))]
    return s.share([group], lambda z: [_safe_quotient(s.r, s.plus(z, _positive), least)])


def _all_of(s: Weighted, z: Tensor, negative: Tensor) -> Sequence[Tensor]:
    """By the positive contributions, and by the negative ones where there are no positive ones."""
    none = z < _tiny(z)  # a fast convolution may give a little less than 0 for a sum of none
    return over(s.r.masked_fill(none, 0), z), over(s.r.where(none, 0), negative)


def _epsilon(s: Weighted, context: Context) -> Tensor:
    del context
    return s.share([[(s.x, s.w)]], lambda z: [s.r / away(s.plus(z), s.how.epsilon)])


def _gamma(s: Weighted, context: Context) -> Tensor:
    del context

    def more(t: Tensor) -> Tensor:
        return t + s.how.gamma * _positive(t)

    def less(t: Tensor) -> Tensor:
        return t + s.how.gamma * _negative(t)

    (high, low), up, least = s.signs(), s.plus(s.f(s.x, s.w)) >= 0, s.how.stabilizer
    groups = [[(high, more(s.w)), (low, less(s.w))], [(high, less(s.w)), (low, more(s.w))]]
    return s.share(
        groups,
        lambda z, n: (
            ratio(s.r.where(up, 0), s.plus(z, more), least),
            ratio(s.r.masked_fill(up, 0), s.plus(n, less), least),
        ),
    )


def _alphabeta(s: Weighted, context: Context) -> Tensor:
    alpha, beta, least = s.how.alpha, s.how.beta, s.how.stabilizer

    def quotients(z: Tensor, n: Tensor) -> Sequence[Tensor]:
        z, n = s.plus(z, _positive), s.plus(n, _negative)
        if least:
            return alpha * s.r / (z + least), -beta * s.r / (n - least)
        only_z, only_n = n > -_tiny(n), z < _tiny(z)
        to_z, to_n = (s.r * alpha).where(~only_z, s.r), (s.r * -beta).where(~only_n, s.r)
        return over(to_z, z), over(to_n, n)

    return s.share(_both_signs(s, context), quotients)


def _flat(s: Weighted, context: Context) -> Tensor:
    del context
    group = [(torch.ones_like(s.x), torch.ones_like(s.w))]
    return s.share([group], lambda z: [ratio(s.r, z, s.how.stabilizer)])


def _box(s: Weighted, context: Context) -> Tensor:
    low, high = s.box or (torch.zeros_like(s.x), torch.ones_like(s.x))
    group = [(s.x, s.w), (low, -context.positive(s.w)), (high, -_negative(s.w))]
    return s.share([group], lambda z: [ratio(s.r, z, s.how.stabilizer)])


def _both_signs(s: Weighted, context: Context) -> Groups:
    """The positive contributions, and the negative ones."""
    (high, low), (plus, minus) = s.signs(), (context.positive(s.w), _negative(s.w))
    return [[(high, plus), (low, minus)], [(high, minus), (low, plus)]]


def _positive(x: Tensor) -> Tensor:
    return x.clamp(min=0)


def _negative(x: Tensor) -> Tensor:
    return x.clamp(max=0)


_WEIGHTED: dict[str, Callable[[Weighted, Context], Tensor]] = {
    "zplus": _zplus,
    "epsilon": _epsilon,
    "gamma": _gamma,
    "alphabeta": _alphabeta,
    "flat": _flat,
    "box": _box,
}


def over(r: Tensor, z: Tensor) -> Tensor:
    """Divide r by z, and give 0 where z is 0 or so near to it that the quotient may overflow."""
    return r / z.masked_fill(z.abs() < _tiny(z), torch.inf)


def ratio(r: Tensor, z: Tensor, stabilizer: float) -> Tensor:
    """Divide r by z, moved away from 0 by the stabilizer where there is one."""
    return r / away(z, stabilizer) if stabilizer else over(r, z)


def _safe_quotient(r: Tensor, z: Tensor, stabilizer: float) -> Tensor:
    """The same for z ≥ 0, written over z: a third of the passes over memory."""
    z = z.add_(stabilizer) if stabilizer else z
    return torch.div(r, z.clamp_(min=_tiny(z)), out=z)


def _tiny(z: Tensor) -> float:
    tiny = torch.finfo(z.dtype).tiny
    return tiny if z.dtype == torch.float16 else tiny * 1e8  # which is large in float16
