"""What tells a picture from others, and a maker: hashes under which answers are kept.

Of a maker only a hash is kept, and options that name a key, a token or a password are no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from vital.utils.io import as_json

LOOKED_AT = 64
"""How many values of each tensor tell a network from another."""

_SECRET = ("key", "token", "secret", "password")
_HOW = frozenset(("folder", "device", "batch", "timeout", "retries", "pause", "calls", "replay", "name"))
"""Options that do not change an answer; the name is told apart. Fields that are not set by callers are no options."""


def hashed(*parts: object) -> str:
    """Hash what JSON can say: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(as_json(list(parts))).hexdigest()


def picture_hash(image: Tensor) -> str:
    """Hash a picture (C, H, W) in [0, 1] by its shape and its pixels of 8 bits.

    >>> import torch
    >>> picture_hash(torch.zeros(3, 2, 2)) == picture_hash(torch.full((3, 2, 2), 1e-4))
    True
    """
    pixels = (image.detach().float().clamp(0, 1) * 255 + 0.5).byte().cpu().contiguous()
    return hashlib.sha256(f"{tuple(image.shape)}".encode() + pixels.numpy().tobytes()).hexdigest()


def identity(maker: Any) -> str:
    """Hash what tells a maker from others: its kind, name, plain options, and a look at the weights of its networks."""
    digest = hashlib.sha256(f"{type(maker).__module__}.{type(maker).__qualname__} {maker.name}".encode())
    for name, value in sorted(_options(maker)):
        if isinstance(value, nn.Module):
            digest.update(name.encode())
            _look(value, digest)
        elif _plain(value):
            digest.update(f"{name}={value!r}".encode())
        elif is_dataclass(value) and hasattr(value, "name"):
            digest.update(f"{name}={identity(value)}".encode())
    return digest.hexdigest()[:32]


def _options(maker: Any) -> Iterator[tuple[str, Any]]:
    if not is_dataclass(maker):
        return
    for option in fields(maker):
        aside = not option.init or option.name in _HOW or any(word in option.name.lower() for word in _SECRET)
        value = getattr(maker, option.name)
        if not aside:
            yield option.name, value
            parts = getattr(value, "components", None)
            if isinstance(parts, Mapping):  # a pipeline of diffusers
                yield from ((f"{option.name}.{key}", part) for key, part in parts.items())


def _look(network: nn.Module, digest: Any) -> None:
    for name, tensor in sorted(network.state_dict().items()):
        if isinstance(tensor, Tensor) and tensor.numel():
            flat = tensor.detach().reshape(-1)
            some = flat[:: max(1, len(flat) // LOOKED_AT)][:LOOKED_AT].double().cpu()
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode() + some.numpy().tobytes())


def _plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(map(_plain, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
