"""Tensors that are needed in every step, on the device where they are needed."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from functools import lru_cache, wraps
from typing import ParamSpec, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")
Copies: TypeAlias = dict[tuple[torch.device, torch.dtype, int], Tensor]

_COPIES: MutableMapping[Tensor, Copies] = WeakTensorKeyDictionary()

HOSTS = {"cpu"}
"""The kinds of devices whose numbers the host can look at without waiting."""


def on_host(tensor: Tensor) -> bool:
    """Whether a look at the numbers of a tensor costs no wait."""
    return tensor.device.type in HOSTS


def perhaps(flag: Tensor) -> bool:
    """What a flag says where it costs no wait to look; elsewhere yes, for what is done then is right in both cases."""
    return not on_host(flag) or bool(flag)


def made_once(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep the constants that a function makes: a copy to a device in each step would make the host wait.

    They are ordinary tensors, made in `torch.inference_mode` too, so that a later search can use them.
    """

    def keeping(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def outside(*given: P.args, **named: P.kwargs) -> T:
            with torch.inference_mode(mode=False):
                return function(*given, **named)

        return lru_cache(maxsize)(outside)  # type: ignore[return-value]

    return keeping


class Later:
    """A flag that the device sets and the host reads when it is there, without waiting for it."""

    def __init__(self, flag: Tensor) -> None:
        self._flag, self._event = flag, None
        if flag.device.type == "cuda":
            self._flag = torch.empty((), dtype=flag.dtype, pin_memory=True)
            with torch.cuda.device(flag.device):
                self._flag.copy_(flag, non_blocking=True)
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


@made_once(maxsize=512)
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
    key = (like.device, like.dtype, version(tensor))
    if key not in copies:
        copies.clear()
        with torch.inference_mode(mode=False):
            copies[key] = tensor.detach().to(like)
    return copies[key]


def version(tensor: Tensor) -> int:
    """How often a tensor was written to; 0 for one of inference mode, which does not count it."""
    return 0 if tensor.is_inference() else int(tensor._version)  # noqa: SLF001  torch has no public name for it
