"""Counts what a piece of code asks of the device: operations that compute, views, waits for results, and transfers.

It runs on a CPU, where host and device are one, and tells what would be on which: numbers drawn by a generator of the
host, and tensors made without a device or with "cpu", are the host's until they are brought `to` a device; so is all
that is computed from them alone. On a GPU the devices of the tensors say it. What the code does
otherwise on a CPU, where a look at numbers costs no wait, it does as on a GPU.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vital.utils import devices

KERNELS, VIEWS, HOST, SYNCS, CONSTANTS = KINDS = ("kernels", "views", "host", "syncs", "constants")
"""Operations that compute on the device (one kernel or a few each); those that only give another view of numbers or
room for some; those on numbers of the host; waits of the host for the device; transfers of the host's numbers to it."""

WAITS = {
    "_local_scalar_dense", "_linalg_check_errors", "_unique", "_unique2", "bincount", "equal", "is_nonzero", "item",
    "masked_select", "nonzero", "nonzero_numpy", "unique_consecutive", "unique_dim", "unique_dim_consecutive",
}  # fmt: skip
"""Operations after which the host knows a result or a shape that depends on results."""
ROOM = {
    "_unsafe_view",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
}
READS = {Tensor.cpu, Tensor.tolist}
"""What reads a tensor without an operation, where it lies on the host; `numpy` never reads one of a device."""
FROM_NUMBERS = {torch.tensor, torch.as_tensor, torch.asarray}
MOVES = {Tensor.to, Tensor.type_as}


class Counting:
    """Counts by kind while it is active, in the backward pass too: `counts` holds the numbers of `KINDS` so far.

    `device` is the kind of device that is asked, "cpu" or "cuda".

    >>> x = torch.ones(3, 2, requires_grad=True)
    >>> with Counting() as counting:
    ...     y = (x.t() * torch.tensor([1.0, 2.0, 3.0], device=x.device)).sum()
    ...     found = y.item()
    >>> [counting.counts[kind] for kind in (KERNELS, SYNCS, CONSTANTS)]
    [2, 1, 1]
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.counts: Counter[str] = Counter()
        self.names: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        """What was counted of each kind, by the names of operations."""
        self.making_on_host = False
        self._host: weakref.WeakSet[Any] = weakref.WeakSet()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(patch.object(devices, "HOSTS", set()))
        self._stack.enter_context(_Operations(self))
        self._stack.enter_context(_Calls(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def on_host(self, tensor: Tensor) -> bool:
        """Whether a tensor would lie on the host where there is a GPU."""
        return tensor.device.type == "cpu" and (
            self.device != "cpu" or tensor.untyped_storage() in self._host
        )

    def place(self, made: Any, *, host: bool) -> None:
        """Remember where the tensors lie that were made."""
        for tensor in _tensors(made):
            (self._host.add if host else self._host.discard)(tensor.untyped_storage())

    def add(self, kind: str, name: str) -> None:
        """Count one."""
        self.counts[kind] += 1
        self.names[kind][name] += 1


class _Operations(TorchDispatchMode):
    """Counts operations as they are dispatched."""

    def __init__(self, counting: Counting) -> None:
        super().__init__()
        self.counting = counting

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        given, known = list(_tensors((args, kwargs))), self.counting
        made, name = func(*args, **kwargs), func.__name__.split(".")[0]
        host = known.making_on_host or bool(given and all(map(known.on_host, given)))
        if not _is_view(func) or name == "lift_fresh":  # which gives a tensor that was made of numbers
            known.place(made, host=host)
        if _is_view(func) or name in ROOM:
            kind = VIEWS
        elif host:
            kind = HOST
        else:
            kind = SYNCS if name in WAITS or _asks_for_shape(name, args) else KERNELS
        known.add(kind, name)
        return made


class _Calls(TorchFunctionMode):
    """Sees what no operation tells: where a tensor is asked to be, and reads of the host's memory."""

    def __init__(self, counting: Counting) -> None:
        super().__init__()
        self.counting = counting

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        known, aims = self.counting, _aims(func, args, kwargs)
        on_device = any(not isinstance(aim, str) or aim != "cpu" for aim in aims)
        if func in MOVES | READS and aims:
            at_home = known.on_host(args[0])
            if at_home == on_device:
                known.add(CONSTANTS if on_device else SYNCS, func.__name__)
        given = any(True for _ in _tensors((args, kwargs)))
        if func in FROM_NUMBERS and on_device and not given:
            known.add(CONSTANTS, func.__name__)
        before, drawn = known.making_on_host, kwargs.get("generator")
        made_here = not (
            given or on_device or func is torch.from_numpy
        )  # numpy stands in for what a GPU does
        known.making_on_host = drawn.device.type == "cpu" if drawn else made_here
        try:
            made = func(*args, **kwargs)
        finally:
            known.making_on_host = before
        if func in MOVES and on_device:
            known.place(made, host=False)
        return made


def _aims(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """Where a call says that its result is to be: a device, a tensor that is there, or "cpu" for the host."""
    if func in READS:
        return ["cpu"]
    said = [value for name, value in kwargs.items() if name in {"device", "other"}]
    said += args[1:] if func in MOVES else []
    return [one for one in said if isinstance(one, torch.device | str | Tensor)]


def _asks_for_shape(name: str, args: Any) -> bool:
    """Whether a selection by truth values or repeats decides a shape."""
    if name == "repeat_interleave":
        return True
    if name not in {"index", "index_put", "index_put_", "_index_put_impl_"}:
        return False
    filled = name != "index" and args[2].numel() == 1  # a masked fill
    return not filled and any(one.dtype in {torch.bool, torch.uint8} for one in _tensors(args[1]))


def _is_view(func: Any) -> bool:
    """Whether an operation gives other views of its numbers, and writes none."""
    marks = [one.alias_info for one in func._schema.returns]  # noqa: SLF001  torch has no public name for it
    return any(mark is not None and not mark.is_write for mark in marks)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
