"""One sweep back along a tape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vital.attribution.operations import OPERATIONS, Context
from vital.errors import nearest
from vital.tracing import NoRuleError, Step, Tape


def sweep(
    context: Context, starts: Sequence[tuple[Tensor, Tensor]], wanted: Sequence[Tensor]
) -> list[Tensor]:
    """Follow relevance back from the starting tensors to the wanted ones, and stop at the earliest of them.

    `starts` pairs tensors of the context's tape with their relevance. A wanted tensor that no relevance reaches gets
    zeros. Sweeps in one context go on where the last one stopped. Raises `NoRuleError`, with the operation's name,
    where one on the way has no rule.
    """
    tape = context.tape
    relevance: dict[int, Tensor] = {}
    for tensor, r in starts:
        _give(relevance, tensor, r)
    after = _behind(tape, wanted)
    places = {id(tensor): tape.makers[id(tensor)] for tensor in wanted}
    with torch.no_grad():
        for place in range(len(tape.steps) - 1, min(places.values(), default=-1), -1):
            step = tape.steps[place]
            if any(id(x) in after for x in step.inputs):
                _through(step, relevance, after, context, keep=places)
    return [relevance[id(x)] if id(x) in relevance else torch.zeros_like(x) for x in wanted]


def _behind(tape: Tape, wanted: Sequence[Tensor]) -> set[int]:
    """Tensors that depend on a wanted one, by id: nothing else needs relevance."""
    after = {id(tensor) for tensor in wanted}
    for step in tape.steps:
        if any(id(x) in after for x in step.inputs):
            after.update(id(x) for x in step.outputs)
    return after


def _through(
    step: Step, relevance: dict[int, Tensor], after: set[int], context: Context, keep: dict[int, int]
) -> None:
    """Take the relevance of an operation's outputs to its inputs."""
    if not any(id(x) in relevance for x in step.outputs):
        return
    if step.name not in OPERATIONS:
        raise _no_rule(step)
    reached = tuple(relevance[id(x)] if id(x) in relevance else torch.zeros_like(x) for x in step.outputs)
    for x in step.outputs:
        if id(x) not in keep:
            relevance.pop(id(x), None)
    for x, r in OPERATIONS[step.name](step, reached, context):
        if id(x) in after:
            _give(relevance, x, r)


def _give(relevance: dict[int, Tensor], x: Tensor, r: Tensor) -> None:
    r = r.to(x.dtype)
    relevance[id(x)] = relevance[id(x)] + r if id(x) in relevance else r


def _no_rule(step: Step) -> NoRuleError:
    close = nearest(step.name, OPERATIONS)
    hint = f"the nearest with one: {', '.join(close)}; " if close else ""
    return NoRuleError(
        f"relevance has no rule for the operation {step.name!r}; {hint}"
        f"file one with vital.attribution.OPERATIONS.register({step.name!r})"
    )
