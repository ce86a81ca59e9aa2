"""Sorting the places of a layer channel by channel, and matching them with sorted values."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vital.types import PerImage
from vital.utils.devices import on_host

Array: TypeAlias = np.ndarray[Any, Any]

WORTH_A_THREAD = 100_000
"""Numbers that take longer to sort than a thread takes to start."""

LONG = 2048
"""Places of a row from which a look for zeros costs less than it saves."""


def rows(act: Tensor) -> Tensor:
    """Lay the places of a layer out in a row: (B, C, N)."""
    return act.flatten(2) if act.ndim > 2 else act[:, :, None]


def ascending(x: Tensor) -> Tensor:
    """The values of the last axis in rising order.

    On a CPU, single precision is sorted by numpy, whose vectorized sort is several times as fast as torch's.

    >>> ascending(torch.tensor([2.0, 1.0, 1.0])).tolist()
    [1.0, 1.0, 2.0]
    """
    if not _quick(x):
        return x.sort(dim=-1).values
    copy = x.detach().clone(memory_format=torch.contiguous_format)
    _in_threads(_sort, copy.numpy())
    return copy


def stable_argsort(x: Tensor) -> Tensor:
    """The order that sorts the last axis; equal values keep their places.

    On a CPU, single-precision values are packed with their places into 64-bit integers, whose vectorized sort is
    two to three times as fast as an argsort.

    >>> stable_argsort(torch.tensor([2.0, 1.0, 1.0])).tolist()
    [1, 2, 0]
    """
    if not _quick(x):
        return torch.sort(x.detach(), dim=-1, stable=True).indices
    bits = (x.detach().contiguous().numpy() + np.float32(0)).view(np.int32)  # -0 becomes 0
    halves = np.empty((*x.shape, 2), np.dtype(np.int32).newbyteorder("<"))
    halves[..., 0] = np.arange(x.shape[-1])
    np.bitwise_xor(
        bits, bits >> 31 & 0x7FFFFFFF, out=halves[..., 1]
    )  # so that integers rise as the values do
    keys = halves.view(np.int64)[..., 0]
    _in_threads(_sort_around_zeros if x.shape[-1] >= LONG else _sort, keys)
    keys &= 0xFFFFFFFF
    return torch.from_numpy(keys)


def _quick(x: Tensor) -> bool:
    return on_host(x) and x.dtype == torch.float32


def _in_threads(sort: Callable[[Array], object], array: Array) -> None:
    """Sort the last axis in place, on many threads: numpy sorts on one, and lets others run meanwhile."""
    lines = array.reshape(-1, array.shape[-1])
    threads = min(torch.get_num_threads(), len(lines), 1 + lines.size // WORTH_A_THREAD)
    if threads <= 1:
        sort(lines)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(sort, np.array_split(lines, threads)))


def _sort(lines: Array) -> None:
    lines.sort(axis=-1)


def _sort_around_zeros(keys: Array) -> None:
    """The same for keys whose upper half is a value: zeros, of which masks make many, are in order already."""
    for row in keys:
        zero = (row >> 32) == 0
        if np.count_nonzero(zero) < 0.75 * len(row):
            row.sort()
            continue
        others = np.sort(row[~zero])
        below = np.searchsorted(others, 0)
        row[:] = np.concatenate([others[:below], row[zero], others[below:]])


def resize_quantiles(quantiles: Tensor, places: int) -> Tensor:
    """Read sorted vectors (C, N) at another number of evenly spread ranks, linearly interpolated.

    >>> resize_quantiles(torch.tensor([[0.0, 1.0, 2.0]]), 5).tolist()
    [[0.0, 0.5, 1.0, 1.5, 2.0]]
    """
    if quantiles.shape[1] == places:
        return quantiles
    if places == 1:
        return quantiles.mean(1, keepdim=True)
    return F.interpolate(quantiles[None], places, mode="linear", align_corners=True)[0]


def sort_matching(act: Tensor, quantiles: Tensor) -> PerImage:
    """Mean squared distance of activations (B, C, N) to the value of equal rank in `quantiles`: (B,).

    The quantiles are (C, N), or (S, C, N): those of S units, whose images stand in turn.
    """
    loss: PerImage = _SortMatching.apply(act, quantiles)
    return loss


class _SortMatching(torch.autograd.Function):
    """The loss and its gradient 2(f − q_rank)/(CN) in one go: the sort is not differentiated."""

    @staticmethod
    def forward(ctx: Any, act: Tensor, quantiles: Tensor) -> PerImage:
        wanted = quantiles if quantiles.ndim == 3 else quantiles[None]
        wanted = (
            wanted.repeat_interleave(len(act) // len(wanted), 0) if 1 < len(wanted) < len(act) else wanted
        )
        matched = torch.empty_like(act).scatter_(2, stable_argsort(act), wanted.expand_as(act))
        apart = torch.sub(act, matched, out=matched)
        ctx.save_for_backward(apart)
        return apart.square().flatten(1).mean(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (apart,), (grad,) = ctx.saved_tensors, grads
        return apart * (grad * (2 / apart[0].numel())).view(-1, 1, 1), None
