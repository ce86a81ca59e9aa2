"""Tensors that are needed in every step, on the device where they are needed."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Copies: TypeAlias = dict[tuple[torch.device, torch.dtype], Tensor]

_COPIES: MutableMapping[Tensor, Copies] = WeakTensorKeyDictionary()

HOSTS = {"cpu"}
"""The kinds of devices whose numbers the host can look at without waiting."""


def on_host(tensor: Tensor) -> bool:
    """Whether a look at the numbers of a tensor costs no wait."""
    return tensor.device.type in HOSTS


def perhaps(flag: Tensor) -> bool:
    """What a flag says where it costs no wait to look; elsewhere yes, for what is done then is right in both cases."""
    return not on_host(flag) or bool(flag)


class Later:
    """A flag that the device sets and the host reads when it is there, without waiting for it."""

    def __init__(self, flag: Tensor) -> None:
        self._flag, self._event = flag, None
        if flag.device.type == "cuda":
            self._flag = torch.empty((), dtype=flag.dtype, pin_memory=True).copy_(flag, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def read(self) -> bool | None:
        """Return the flag, or None where it is not there yet."""
        there = self._event is None or self._event.query()  # type: ignore[no-untyped-call]
        return bool(self._flag) if there else None


def constants(numbers: Sequence[float], like: Tensor) -> Tensor:
    """Numbers as a tensor in the dtype and on the device of another, (N,), made once.

    >>> constants((0.5, 2.0), torch.zeros(1)).tolist()
    [0.5, 2.0]
    """
    return _constants(tuple(numbers), like.dtype, like.device)


@lru_cache(maxsize=512)
def _constants(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=dtype, device=device)


def moved(tensor: Tensor, like: Tensor) -> Tensor:
    """A constant in the dtype and on the device of another tensor, copied once: a copy in each step costs a wait.

    >>> moved(torch.ones(2), torch.zeros(1, dtype=torch.float64)).dtype
    torch.float64
    """
    if tensor.device == like.device and tensor.dtype == like.dtype:
        return tensor
    copies = _COPIES.setdefault(tensor, {})
    key = (like.device, like.dtype)
    if key not in copies:
        copies[key] = tensor.to(like)
    return copies[key]
