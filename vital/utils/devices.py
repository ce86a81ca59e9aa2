"""Tensors that are needed in every step, on the device where they are needed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Copies: TypeAlias = dict[tuple[torch.device, torch.dtype], Tensor]

_COPIES: MutableMapping[Tensor, Copies] = WeakTensorKeyDictionary()


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
