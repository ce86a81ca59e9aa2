"""Tensors that are needed in every step, on the device where they are needed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Copies: TypeAlias = dict[tuple[torch.device, torch.dtype], Tensor]

_COPIES: MutableMapping[Tensor, Copies] = WeakTensorKeyDictionary()


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
