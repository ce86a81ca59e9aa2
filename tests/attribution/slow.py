"""Slow oracles: every linear map as a dense matrix, every rule as written in the papers, one output at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vital.attribution import Context, Relevance, composite
from vital.attribution.sweep import sweep
from vital.tracing import Tape


def back(f: Callable[[Tensor], Tensor], x: Tensor, r: Tensor, rule: str | Relevance = "zplus") -> Tensor:
    """What the sweep makes of relevance r at f(x)."""
    with Tape(x) as tape:
        y = f(x)
    return sweep(Context(composite(rule), tape), [(tape.current(y), r)], [x])[0]


def matrix(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The matrix (outputs, inputs) of a linear function of one image (1, …)."""
    basis = torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    return f(basis).flatten(1).T


def shares(
    parts: Tensor, r: Tensor, rule: str, bias: Tensor | None = None, how: Relevance | None = None
) -> Tensor:
    """Relevance (inputs,) from contributions (outputs, inputs), by the formula of the rule, output by output."""
    how = how or composite(rule)
    found = torch.zeros(parts.shape[1], dtype=parts.dtype)
    for row, (c, r_row) in enumerate(zip(parts, r, strict=True)):
        b = 0.0 if bias is None else bias[row].item()
        found += one_output(c, r_row, b, rule, how)
    return found


def one_output(c: Tensor, r: Tensor, b: float, rule: str, how: Relevance) -> Tensor:
    plus, minus, z = c.clamp(min=0), c.clamp(max=0), c.sum().item() + b
    above, below = plus.sum() + max(b, 0), minus.sum() + min(b, 0)
    nothing = torch.zeros_like(c)
    match rule:
        case "epsilon":
            return c / (z + (how.epsilon if z >= 0 else -how.epsilon)) * r
        case "zplus" if above == 0:
            return minus / below * r if c.numel() < 64 and below else nothing
        case "zplus":
            return plus / above * r
        case "gamma":
            kind, shift = (plus, max(b, 0)) if z >= 0 else (minus, min(b, 0))
            tuned = c + how.gamma * kind
            total = tuned.sum() + b + how.gamma * shift
            return tuned / total * r if total else nothing
        case "alphabeta":
            if above == 0 or below == 0:
                return nothing if above == below else c / (above + below) * r
            return how.alpha * plus / above * r - how.beta * minus / below * r
    raise AssertionError(rule)
