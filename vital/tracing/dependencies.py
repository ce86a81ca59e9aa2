"""Which layers another layer is made from, by the operations of a pass and not by the order in which layers finish."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from vital.models import Model
from vital.tracing.layers import list_layers
from vital.tracing.tape import NoRuleError
from vital.tracing.tracer import Tracer


def feeding(model: Model, layer: str, others: Iterable[str]) -> tuple[str, ...]:
    """Those of the other layers, in their order, from whose output the output of `layer` is made.

    A sibling branch that ends earlier is not among them. Where the operations cannot be followed (scripted code, or
    something computed outside torch) the layers that finish earlier are taken.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), size=(8, 8))
    >>> feeding(net, "1", ["0", "1"])
    ('0',)
    """
    known = list_layers(model)
    earlier = tuple(name for name in others if known[name].order < known[layer].order)
    if not earlier:
        return ()
    grey = torch.full((1, model.channels, *model.size), 0.5, dtype=model.dtype, device=model.device)
    try:
        with Tracer(model, [*earlier, layer], record=True) as tracer:
            (done,) = tracer(grey.requires_grad_()).passes
    except NoRuleError:
        return earlier
    tape = done.tape
    if tape is None or id(done.raw[layer]) not in tape.makers:
        return earlier
    sources = tape.sources(done.raw[layer])
    return tuple(name for name in earlier if id(done.raw[name]) in sources)
