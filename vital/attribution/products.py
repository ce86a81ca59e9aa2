"""Products of activations: one factor may be a gate, which is a constant for relevance."""

from __future__ import annotations

import torch
from torch import Tensor

from vital.attribution.operations import REARRANGEMENTS, Context, Shares, fit, operation
from vital.attribution.sums import average
from vital.attribution.weighted import Weighted, contributions
from vital.tracing import NoRuleError, Step

SQUASHING = frozenset({"sigmoid", "hardsigmoid", "softmax", "softmin", "tanh", "relu6", "hardtanh", "clamp"})
"""What makes the gate of an elementwise product."""

WEIGHING = frozenset({"softmax", "softmin", "sigmoid", "relu", "elu"})
"""What makes the attention weights of a matrix product, or the kernels of a linear attention."""

SAME = REARRANGEMENTS | {"dropout", "to", "type_as", "clone", "contiguous", "float", "interpolate"}
SCALED = frozenset({"mul", "div", "add", "sub", "rsub"})


@operation("mul", "multiply", "div", "divide", "true_divide", "rdiv")
def product(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All to the factor that is no gate, and to a numerator; half each where neither factor is a gate."""
    factors = [x for x in (step.argument(0, "input"), step.argument(1, "other")) if step.depends(x)]
    if "div" in step.name or len(step.inputs) == 1:
        yield factors[0], fit(r[0], factors[0])
        return
    gate = elementwise_gate(factors[0], factors[1], context)
    for x in factors:
        if x is not gate:
            yield x, fit(r[0] if gate is not None else r[0] / 2, x)


@operation("glu")
def gated_linear_unit(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All to the first half; the second is a gate."""
    del context
    yield step.inputs[0], torch.cat([r[0], torch.zeros_like(r[0])], step.argument(1, "dim", -1))


@operation("matmul", "rmatmul", "bmm", "mm", "einsum")
def matrix_product(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """With a constant matrix as a linear layer; with attention weights as an average of the values."""
    factors = _factors(step)
    if len(factors) != 2 or factors[0] is factors[1]:
        raise NoRuleError(
            f"relevance has no rule for {step.name!r} of one tensor with itself, or of more than two"
        )
    if len(step.inputs) == 1:
        (x,) = step.inputs
        (w,) = (t for t in factors if t is not x)
        how = context.how_in(step, w, linear=True)
        box = context.bounds(x) if how.weighted == "box" else ()
        sums = Weighted(lambda a, b: _with(step, {id(x): a, id(w): b}), x, w, r[0], how, box=box)
        yield x, contributions(sums, context)
        return
    gate = matrix_gate(factors[0], factors[1], context)
    (x,) = (t for t in factors if t is not gate)
    weights = gate.detach() if context.how.average == "epsilon" else gate.detach().abs()
    yield x, average(lambda a: _with(step, {id(x): a, id(gate): weights}), x, r[0], context.how)


def _factors(step: Step) -> list[Tensor]:
    flat = step.args[1:] if step.name == "einsum" else (*step.args, *step.kwargs.values())
    if flat and isinstance(flat[0], list | tuple):
        flat = tuple(flat[0])
    return [t for t in flat if isinstance(t, Tensor)]


def _with(step: Step, other: dict[int, Tensor]) -> Tensor:
    return step.with_other(other)[0]


def elementwise_gate(a: Tensor, b: Tensor, context: Context) -> Tensor | None:
    """Find the gate of two factors: what a squashing function made, or what is spread over the other; or None."""
    squashed = [_comes_from(SQUASHING, SAME, x, context) for x in (a, b)]
    if squashed[0] != squashed[1]:
        return a if squashed[0] else b
    if a.numel() != b.numel():
        return a if a.numel() < b.numel() else b
    return None


def matrix_gate(a: Tensor, b: Tensor, context: Context) -> Tensor:
    """Find the attention weights of two factors, mixed among heads or not; `NoRuleError` where none or both are."""
    weights = [_comes_from(WEIGHING, SAME | {"linear", "conv2d"}, x, context) for x in (a, b)]
    if weights[0] == weights[1]:
        raise NoRuleError(
            "relevance has no rule for a matrix product of two activations of which not one is attention"
        )
    return a if weights[0] else b


def _comes_from(kinds: frozenset[str], through: frozenset[str], x: Tensor, context: Context) -> bool:
    while (step := context.maker(x)) is not None:
        if step.name in kinds:
            return True
        if step.name not in through and not (step.name in SCALED and len(step.inputs) == 1):
            return False
        x = step.inputs[0]
    return False
