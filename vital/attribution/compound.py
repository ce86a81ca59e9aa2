"""Operations of several parts: each is run again in parts that have rules, and swept as they say."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.attribution.operations import Context, Shares, operation
from vital.attribution.sums import average
from vital.attribution.sweep import sweep
from vital.tracing import NoRuleError, Step, Tape


def in_parts(
    make: Callable[..., Tensor], step: Step, inputs: tuple[Tensor, ...], r: Tensor, context: Context
) -> Shares:
    """Compute an operation from parts, `make(*inputs)`, and follow r back through them."""
    copies = tuple(x.detach().clone() for x in inputs)
    with torch.no_grad(), Tape(*copies, kept=context.tape.kept) as tape:
        made = make(*copies)
    found = sweep(context.within(tape, step), [(made, r.reshape(made.shape))], copies)
    yield from zip(inputs, found, strict=True)


@operation("addcmul", "addmm")
def sum_with_product(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """A product, as its rule says, and an addition."""
    terms = [step.argument(i, n) for i, n in enumerate(("input", "tensor1", "tensor2"))]
    if step.name == "addmm":
        terms = [step.argument(i, n) for i, n in enumerate(("input", "mat1", "mat2"))]
    beta, alpha = step.kwargs.get("beta", 1), step.kwargs.get("alpha", step.kwargs.get("value", 1))

    def make(*inputs: Tensor) -> Tensor:
        other = {id(old): new for old, new in zip(step.inputs, inputs, strict=True)}
        start, left, right = (other.get(id(term), term) for term in terms)
        made = left @ right if step.name == "addmm" else left * right
        return start * beta + made * alpha  # type: ignore[no-any-return]

    yield from in_parts(make, step, step.inputs, r[0], context)


@operation("scaled_dot_product_attention")
def attention(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """The values share relevance as the terms of an average; queries and keys get none."""
    query, key, value = (step.argument(i, n) for i, n in enumerate(("query", "key", "value")))
    if not step.depends(value):
        return
    rest = {k: v for k, v in step.kwargs.items() if k not in {"query", "key", "value"}}

    def attend(v: Tensor) -> Tensor:
        made: Tensor = step.run(query.detach(), key.detach(), v, *step.args[3:], **rest)
        return made

    yield value, average(attend, value, r[0], context.how)


@operation("multi_head_attention_forward")
def multi_head_attention(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """Projection of the values, attention and output projection, each by its own rule."""
    bound = inspect.signature(F.multi_head_attention_forward).bind(*step.args, **step.kwargs)
    bound.apply_defaults()
    given = bound.arguments
    if not step.depends(value := given["value"]):
        return
    added = ("bias_k", "bias_v", "static_k", "static_v")
    if any(given[name] is not None for name in added) or given["add_zero_attn"]:
        raise NoRuleError("relevance has no rule for multi-head attention with added keys and values")
    fixed = given | {name: given[name].detach() for name in ("query", "key")}
    yield from in_parts(lambda v: attend_in_parts(fixed | {"value": v}), step, (value,), r[0], context)


def attend_in_parts(given: dict[str, Any]) -> Tensor:
    """Compute what `F.multi_head_attention_forward` does, from its arguments, in operations that have rules."""
    if given["use_separate_proj_weight"]:
        weights = [given[f"{name}_proj_weight"] for name in "qkv"]
    else:
        weights = given["in_proj_weight"].chunk(3)
    biases = [None] * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    query, key, value = (
        _heads(F.linear(given[name], w, b), given["num_heads"])
        for name, w, b in zip(("query", "key", "value"), weights, biases, strict=True)
    )
    attended = F.scaled_dot_product_attention(query, key, value, _mask(given, query, key))
    flat = attended.permute(2, 0, 1, 3).flatten(2)
    return F.linear(flat, given["out_proj_weight"], given["out_proj_bias"])


def _heads(x: Tensor, count: int) -> Tensor:
    """From (T, B, D), or (T, D), to (B, heads, T, D / heads)."""
    x = x if x.ndim == 3 else x.unsqueeze(1)
    return x.reshape(*x.shape[:2], count, -1).permute(1, 2, 0, 3)


def _mask(given: dict[str, Any], query: Tensor, key: Tensor) -> Tensor | None:
    """Both masks as one that is added to the logits, (B, heads, L, S) or smaller."""
    total: Tensor | None = None
    for name in ("attn_mask", "key_padding_mask"):
        mask = given[name]
        if mask is None:
            continue
        if mask.dtype == torch.bool:
            none = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device)
            mask = none.masked_fill(mask, -torch.inf)
        if name == "key_padding_mask":
            mask = mask.view(-1, 1, 1, key.shape[2])
        elif mask.ndim == 3:
            mask = mask.view(len(query), -1, *mask.shape[1:])
        total = mask if total is None else total + mask
    return total
