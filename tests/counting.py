"""Counts what torch carries out."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {"_local_scalar_dense", "nonzero", "equal", "masked_select"}
"""Operations after which the host knows a result, and has waited for it."""


class Counting(TorchDispatchMode):
    """The number of operations while it is active, and of those for which the host waits."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.count = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        name = func.__name__.split(".")[0]
        self.count += 1
        chosen = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        self.waits += name in WAITS or chosen
        return func(*args, **(kwargs or {}))
