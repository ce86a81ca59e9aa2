"""Rendering as many units together as fit into memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch

from vital.models import Model
from vital.utils.memory import short_of_memory, times_that_fit

_MOST: WeakKeyDictionary[Model, dict[str, int]] = WeakKeyDictionary()
_MEASURED = ("cuda",)
"""The devices of which torch tells how much of their memory is taken."""
T = TypeVar("T")
U = TypeVar("U")


def in_parts(
    model: Model,
    units: Sequence[U],
    what: str,
    render: Callable[[Sequence[U]], list[T]],
    trial: Callable[[], Callable[[], object]],
) -> Iterator[T | None]:
    """What `render` makes of units, as many at once as fit into memory; None for one that does not fit alone.

    On a GPU what `trial` prepares, a short search for one unit, says how many are tried at first. Where memory does not
    suffice it is half as many, and from then on no more, for this network and for `what` is rendered.
    """
    known, key, waiting = _MOST.setdefault(model, {}), f"{model.device} {what}", list(units)
    if key not in known and len(units) > 1 and model.device.type in _MEASURED:
        known[key] = _fitting(lambda: times_that_fit(model.device, trial())) or 1
    while waiting:
        part = waiting[: known.get(key, len(waiting))]
        made = _fitting(partial(render, part))
        if made is None and len(part) > 1:
            known[key] = (len(part) + 1) // 2
            continue
        yield from made or (None,)
        waiting = waiting[len(part) :]


def _fitting(run: Callable[[], T]) -> T | None:
    """What a call gives back; None where memory does not suffice for it."""
    try:
        return run()
    except Exception as error:
        if not short_of_memory(error):
            raise
    gc.collect()  # out here the error is gone, and with it the tensors of the frames that it went through
    torch.cuda.empty_cache()
    return None
