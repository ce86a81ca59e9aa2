"""What a method costs: the time of a step, and the memory that its tensors take."""

from __future__ import annotations

import itertools
import statistics
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vital.activations import ReferenceBank
from vital.errors import ModelError
from vital.models import Model
from vital.optim import Step
from vital.rendering import Method
from vital.rendering.api import render_group
from vital.units import Unit

MB = 1e6
WARM, TIMED = 2, 24


class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are made while it is active: `now`, and `peak`, the most at once.

    Storages are counted, so that views are free; those that were there before, such as weights, are not counted,
    nor is what an operation needs for itself while it runs.

    >>> import torch
    >>> with Held() as held:
    ...     x = torch.zeros(1000)
    ...     y = x.view(10, 100) + 1
    ...     del x
    >>> held.now, held.peak
    (4000, 8000)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count what it made."""
        del types
        for tensor in _tensors((args, kwargs)):
            self._known.setdefault(tensor.untyped_storage(), 0)
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: Any) -> None:
        if storage not in self._known:
            size = storage.nbytes()
            self._known[storage] = size
            weakref.finalize(storage, self._free, size)
            self.now += size
            self.peak = max(self.peak, self.now)

    def _free(self, size: int) -> None:
        self.now -= size


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def peak_bytes(run: Callable[[], object]) -> int:
    """The most bytes that tensors made by a call take at once (`Held`)."""
    with Held() as held:
        run()
    peak: int = held.peak
    return peak


def memory(model: Model, units: Sequence[Unit], method: Method, bank: ReferenceBank | None) -> float:
    """What rendering these units together takes at most, in MB: the plan and two steps, beside network and bank.

    They are rendered once before it counts, so that what is worked out once and kept with the network or the bank, such
    as templates, is in no method's figure, whichever comes first: the figure is that of every later batch.
    """
    few = with_steps(method, 2)
    render_group(model, units, few, bank, 0)
    return peak_bytes(lambda: render_group(model, units, few, bank, 0)) / MB


def step_seconds(model: Model, units: Sequence[Unit], method: Method, bank: ReferenceBank | None) -> float:
    """What a step of these units together takes, of processor time where that is the device.

    It is the median of a few steps. Processor time does not count what other programs take; on other devices it is the
    time on the clock. What comes before the steps, such as a template, is not part of it. Of units that go in parts,
    for memory does not suffice, it is a step of each part. Raises `ModelError` where none of the units can be rendered.
    """
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    ticks: list[float] = []
    ended: list[Step] = []

    def tick(step: Step) -> None:
        float(step.losses.sum())  # waits for the device
        ticks.append(clock())
        ended.extend([step] if step.number == step.of else [])

    made = render_group(model, units, with_steps(method, WARM + TIMED + 1), bank, 0, callback=tick)
    if len(ticks) < WARM + 2:
        raise ModelError(f"{made[0].unit}: {made[0].status}" if not ticks else f"it takes {len(ticks)} steps")
    return len(ended) * statistics.median(
        after - before for before, after in itertools.pairwise(ticks[WARM:])
    )


def steps_of(method: Method) -> int:
    """How many steps a method takes; 0 for one that takes none."""
    return int(method.options().get("steps", 0))


def with_steps(method: Method, steps: int) -> Method:
    """The method with another number of steps; one that takes none stays as it is."""
    return replace(method, steps=steps) if steps_of(method) else method  # type: ignore[type-var]
