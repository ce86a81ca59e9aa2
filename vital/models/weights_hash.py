"""The hash of a network's weights, and when one that is known still holds."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from vital.utils.hashing import tensor_hash
from vital.utils.logs import busy

_KNOWN: ContextVar[MutableMapping[nn.Module, tuple[object, str]] | None] = ContextVar("_KNOWN", default=None)


def weights_hash(module: nn.Module) -> str:
    """Hash the names and bytes of the state dict: SHA-256, 16 hexadecimal digits."""
    known, state = _KNOWN.get(), module.state_dict()
    if known is None:
        return _hashed(state)
    seen = {name: _mark(value) for name, value in state.items()}
    found = known.get(module)
    if found is None or found[0] != seen:
        found = known[module] = (seen, _hashed(state))
    return found[1]


@contextmanager
def hashed_once() -> Iterator[None]:
    """Within, weights are hashed again only after a change that torch counts, or when they lie elsewhere.

    Torch counts what is done in place to a tensor, but not what is done through `.data` or an array that shares its
    memory. So this is for one run, in which nobody reaches for the weights like that; between runs all is noticed.
    """
    token = _KNOWN.set(weakref.WeakKeyDictionary() if (held := _KNOWN.get()) is None else held)
    try:
        yield
    finally:
        _KNOWN.reset(token)


def _mark(value: object) -> object:
    """What changes when a tensor does: its memory, how it lies there, and how often torch has written to it.

    The memory is held weakly, so that no other can come to lie at its address and be taken for it.
    """
    if not isinstance(value, Tensor):
        return repr(value)
    if value.is_inference():  # torch counts nothing
        return object()
    layout = value.dtype, value.shape, value.stride(), value.storage_offset()
    return weakref.ref(value.untyped_storage()), value._version, layout  # noqa: SLF001  torch has no public name for it


def _hashed(state: Mapping[str, Any]) -> str:
    with busy("hashing the weights"):
        return tensor_hash({k: v if isinstance(v, Tensor) else _as_tensor(v) for k, v in state.items()})[:16]


def _as_tensor(value: object) -> Tensor:
    """What a state dict holds beside tensors, as a tensor of bytes."""
    return torch.tensor(list(repr(value).encode()))
