"""The table from operations to what becomes of relevance in them, and the operations that only move or pass it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor, nn

from vital.attribution.composites import Relevance
from vital.models import Model
from vital.tracing import Step, Tape
from vital.utils.registry import Registry


@dataclass(eq=False)
class Context:
    """What a rule may know beside its operation: the composite, the tape, the network, and notes of rules before.

    `folded` maps a tensor, by id, to the scale and the shift of the batch norm that belongs to the layer that made it.
    `begins` says whether the tape begins where the network does.
    """

    how: Relevance
    tape: Tape
    model: Model | None = None
    folded: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    begins: bool = True

    def within(self, tape: Tape, step: Step) -> Context:
        """The context of an operation that is run again in parts."""
        return Context(self.how, tape, self.model, begins=self.is_first(step))

    def how_in(self, step: Step, weight: Tensor | None = None, *, linear: bool) -> Relevance:
        """The composite for one operation with weights."""
        how = self.how
        name = self.names.get(id(weight), "") if how.named else ""
        return how.of_layer(name, linear=linear, first=self._knows_first and self.is_first(step))

    @cached_property
    def _knows_first(self) -> bool:
        """Whether first layers have a rule of their own."""
        others = (other for _, other in self.how.named if isinstance(other, Relevance))
        return any(how.first != "same" for how in (self.how, *others))

    @cached_property
    def names(self) -> dict[int, str]:
        """The layers of the network, by the id of a parameter."""
        if self.model is None:
            return {}
        return {id(p): name.rpartition(".")[0] for name, p in self.model.module.named_parameters()}

    @cached_property
    def _late(self) -> set[int]:
        """Tensors, by id, that were made by a layer or from what a layer made."""
        found: set[int] = set()
        for step in self.tape.steps:
            if step.name in LAYERS or any(id(x) in found for x in step.inputs):
                found.update(id(x) for x in step.outputs)
        return found

    def is_first(self, step: Step) -> bool:
        """Whether no layer is before an operation."""
        return self.begins and not any(id(x) in self._late for x in step.inputs)

    def bounds(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest that a tensor before the first layers can be: made of black and white images."""
        step = self.maker(tensor)
        if step is None:
            ends = [torch.full_like(tensor, value) for value in (0.0, 1.0)]
            low, high = ends if self.model is None else map(self.model.normalize, ends)
            return low.to(tensor), high.to(tensor)
        lows, highs = zip(*map(self.bounds, step.inputs), strict=True)
        place = next(i for i, made in enumerate(step.outputs) if made is tensor)
        made = step.again(*lows)[place], step.again(*highs)[place]
        return torch.minimum(*made), torch.maximum(*made)

    @cached_property
    def readers(self) -> Counter[int]:
        """How many operations read each tensor."""
        return Counter(id(tensor) for step in self.tape.steps for tensor in step.inputs)

    def positive(self, weight: Tensor) -> Tensor:
        """max(w, 0); a parameter's is kept with the tape, since every pass of a search asks for it again."""
        if not isinstance(weight, nn.Parameter):
            return weight.detach().clamp(min=0)
        version = weight._version  # noqa: SLF001  torch has no public name for it
        found = self.tape.kept.get(id(weight))
        if found is None or found[1] != version:
            found = self.tape.kept[id(weight)] = (weight, version, weight.detach().clamp(min=0))
        return found[2]

    def rectified(self, tensor: Tensor) -> bool:
        """Whether a tensor is known, by what made it, to have no negative values."""
        step = self.maker(tensor)
        while step is not None and step.name in _KEEPS_SIGNS:
            step = self.maker(step.inputs[0])
        return step is not None and step.name in _RECTIFIES

    def maker(self, tensor: Tensor) -> Step | None:
        """The operation that made a tensor; None for the network's input and for constants."""
        place = self.tape.makers.get(id(tensor), -1)
        return self.tape.steps[place] if place >= 0 else None


LAYERS = frozenset({
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear", "addmm"),
    *("matmul", "rmatmul", "bmm", "mm", "einsum", "multi_head_attention_forward"),
})  # fmt: skip
"""Operations with weights."""

_RECTIFIES = frozenset({"relu", "relu6", "sigmoid", "hardsigmoid", "softmax", "abs", "square", "exp"})
_KEEPS_SIGNS = frozenset({"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "flatten", "dropout"})

Shares: TypeAlias = Iterable[tuple[Tensor, Tensor]]
Rule: TypeAlias = Callable[[Step, tuple[Tensor, ...], Context], Shares]

OPERATIONS: Registry[Rule] = Registry("operation")
"""From the name of an operation (the `name` of a `vital.tracing.Step`) to its rule.

A rule is called with the operation, the relevance of each of its outputs, and the context; it yields inputs of the
operation with the relevance that they get. All tensors are detached and no gradient is recorded.
"""


def operation(*names: str) -> Callable[[Rule], Rule]:
    """Return a decorator that files a rule under several names."""

    def add(rule: Rule) -> Rule:
        for name in names:
            OPERATIONS.register(name)(rule)
        return rule

    return add


def transposed(
    function: Callable[..., Tensor | tuple[Tensor, ...]], inputs: tuple[Tensor, ...], r: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Pull r back through a function that is linear in its inputs: the transposed map, applied to r."""
    with torch.enable_grad():
        inputs = tuple(x.detach().requires_grad_() for x in inputs)
        made = function(*inputs)
    outputs = made if isinstance(made, tuple) else (made,)
    found = torch.autograd.grad(outputs, inputs, r, allow_unused=True)
    return tuple(torch.zeros_like(x) if back is None else back for x, back in zip(inputs, found, strict=True))


def sent_back(step: Step, r: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Send r back to where an operation took its values from: along the pass's own graph, else by running it again."""
    if not all(x.requires_grad for x in (*step.inputs, *step.outputs)):
        return transposed(step.again, step.inputs, r)
    try:
        found = torch.autograd.grad(step.outputs, step.inputs, r, retain_graph=True, allow_unused=True)
    except RuntimeError:  # the graph went with a backward pass of the caller's
        return transposed(step.again, step.inputs, r)
    return tuple(
        torch.zeros_like(x) if back is None else back for x, back in zip(step.inputs, found, strict=True)
    )


def away(z: Tensor, epsilon: float) -> Tensor:
    """Move z away from 0: z + ε sign z, with sign 0 = 1."""
    return torch.where(z < 0, z - epsilon, z + epsilon)  # of two numbers it would make single precision


def fit(r: Tensor, like: Tensor) -> Tensor:
    """Sum r over the axes along which `like` was spread."""
    return r if r.shape == like.shape else r.sum_to_size(like.shape)


REARRANGEMENTS = frozenset({
    *("reshape", "view", "flatten", "unflatten", "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"),
    *("squeeze", "unsqueeze", "expand", "expand_as", "broadcast_to", "repeat", "repeat_interleave", "tile", "getitem"),
    *("split", "chunk", "tensor_split", "unbind", "split_with_sizes", "hsplit", "vsplit", "pad", "roll"),
    *("flip", "rot90", "T", "mT", "t", "H", "mH", "adjoint", "select", "narrow", "index_select", "gather"),
    *("take_along_dim", "atleast_1d"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "view_as", "reshape_as", "masked_fill", "where"),
    *("diagonal", "unfold", "fold", "ravel", "fliplr", "flipud", "copy"),
})  # fmt: skip
"""Operations that move the values of one tensor."""


@operation(
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish"),
    *("softplus", "softsign", "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "tanh", "logsigmoid", "threshold"),
    *("clamp", "clamp_min", "clamp_max", "clip", "softmax", "log_softmax", "softmin", "tanhshrink", "hardshrink"),
    *("softshrink", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "square", "pow", "reciprocal", "erf", "sin", "cos"),
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout"),
    *("instance_norm", "local_response_norm", "normalize"),
    *("clone", "contiguous", "to", "float", "double", "half", "bfloat16", "type", "type_as", "detach", "data"),
    *("nan_to_num", "positive", "alias", "cpu", "cuda"),
)  # fmt: skip
def passes(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All relevance to the first argument: functions of one value, and norms with constant statistics."""
    del context
    x: Tensor = step.kwargs.get("input", step.inputs[0])
    yield x if step.depends(x) else step.inputs[0], r[0]


@operation(
    *REARRANGEMENTS,
    "stack",
    "setitem",
    "index_put",
    "scatter",
    "max",
    "min",
    "amax",
    "amin",
    "maximum",
    "minimum",
    "hstack",
    "vstack",
)
def moves(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """Relevance goes back to where each value came from; equal maxima share it."""
    del context
    yield from zip(step.inputs, sent_back(step, r), strict=True)


@operation("cat", "concat", "concatenate")
def concatenation(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """Each part gets the relevance of its own channels."""
    del context
    parts, axis = step.argument(0, "tensors"), step.argument(1, "dim", step.kwargs.get("axis", 0))
    parts = [p for p in parts if p.shape != (0,)]
    for part, share in zip(parts, torch.split(r[0], [p.shape[axis] for p in parts], axis), strict=True):
        if step.depends(part):
            yield part, share
