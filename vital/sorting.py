"""Sorting the places of a layer channel by channel, on as many threads as torch has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

WORTH_A_THREAD = 100_000
"""Numbers that take longer to sort than a thread takes to start."""


def rows(act: Tensor) -> Tensor:
    """Lay the places of a layer out in a row: (B, C, N)."""
    return act.flatten(2) if act.ndim > 2 else act[:, :, None]


def ascending(x: Tensor) -> Tensor:
    """The values of the last axis in rising order.

    On a CPU, single precision is sorted by numpy, whose vectorised sort is several times as fast as torch's.

    >>> ascending(torch.tensor([2.0, 1.0, 1.0])).tolist()
    [1.0, 1.0, 2.0]
    """
    if not _quick(x):
        return x.sort(dim=-1).values
    copy = x.detach().clone(memory_format=torch.contiguous_format)
    _sort(copy.numpy())
    return copy


def stable_argsort(x: Tensor) -> Tensor:
    """The order that sorts the last axis; equal values keep their places.

    On a CPU, single-precision values are packed with their places into 64-bit integers, whose vectorised sort is
    two to three times as fast as an argsort.

    >>> stable_argsort(torch.tensor([2.0, 1.0, 1.0])).tolist()
    [1, 2, 0]
    """
    if not _quick(x):
        return torch.sort(x.detach(), dim=-1, stable=True).indices
    bits = (x.detach() + 0.0).view(torch.int32)  # -0 becomes 0
    rising = bits.bitwise_xor_(bits.bitwise_right_shift(31).bitwise_and_(0x7FFFFFFF))
    keys = torch.add(torch.arange(x.shape[-1]), rising.long(), alpha=1 << 32)
    _sort(keys.numpy())
    return keys.bitwise_and_(0xFFFFFFFF)


def _quick(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def _sort(array: np.ndarray[Any, Any]) -> None:
    """Sort the last axis in place; numpy sorts on one thread, and lets others run meanwhile."""
    lines = array.reshape(-1, array.shape[-1])
    threads = min(torch.get_num_threads(), len(lines), 1 + lines.size // WORTH_A_THREAD)
    if threads == 1:
        lines.sort(axis=-1)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: part.sort(axis=-1), np.array_split(lines, threads)))
