"""What tells one thing from another: SHA-256 of texts, JSON, tensors, files, pictures and the backends of answers.

Of a backend only a hash is kept, and options that name a key, a token or a password are no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vital.utils.io import as_json

LOOKED_AT = 64
"""How many values of each tensor tell a network from another."""

_SECRET = ("key", "token", "secret", "password")
_HOW = frozenset(("cache", "folder", "device", "batch", "timeout", "retries", "pause", "name"))
"""Options that do not change an answer; the name is told apart. Fields that are not set by callers are no options."""


def sha256(data: bytes | str | Iterable[bytes | str]) -> str:
    """Hash bytes or a text, or several, with the length of each before it: 64 hexadecimal digits.

    >>> sha256(["ab", "c"]) == sha256([b"ab", b"c"]) != sha256(["a", "bc"])
    True
    """
    if isinstance(data, bytes | str):
        return hashlib.sha256(_bytes(data)).hexdigest()
    digest = hashlib.sha256()
    for piece in map(_bytes, data):
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)
    return digest.hexdigest()


def number_of(data: bytes | str) -> int:
    """Draw a number of 63 bits from bytes or a text: the first of their SHA-256."""
    return int(sha256(data)[:16], 16) >> 1


def key_of(*parts: object, **named: object) -> str:
    """Make a key of all that something was worked out from, as far as JSON can say it: 24 hexadecimal digits.

    >>> key_of(a=1, b=[2]) == key_of(b=[2], a=1) != key_of(a=2, b=[2])
    True
    """
    return sha256(as_json([*parts, named] if named else list(parts)))[:24]


def file_hash(path: Path) -> str:
    """Hash the bytes of a file: 64 hexadecimal digits. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensor_hash(tensors: Tensor | Mapping[str, Tensor]) -> str:
    """Hash names, shapes, types and bytes of tensors: 64 hexadecimal digits.

    >>> tensor_hash(torch.zeros(2)) == tensor_hash(torch.zeros(2)) != tensor_hash(torch.zeros(2, 1))
    True
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(({"": tensors} if isinstance(tensors, Tensor) else tensors).items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        if tensor.numel():
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def picture_hash(image: Tensor) -> str:
    """Hash a picture (C, H, W) in [0, 1] by its shape and its pixels of 8 bits.

    >>> picture_hash(torch.zeros(3, 2, 2)) == picture_hash(torch.full((3, 2, 2), 1e-4))
    True
    """
    return tensor_hash((image.detach().float().clamp(0, 1) * 255 + 0.5).byte())


def identity(backend: Any) -> str:
    """Hash what tells a backend from others: its kind, name, plain options, and a sample of its weights."""
    kind = f"{type(backend).__module__}.{type(backend).__qualname__}"
    return key_of(kind, backend.name, [[name, _said(value)] for name, value in sorted(_options(backend))])


def _options(backend: Any) -> Iterator[tuple[str, Any]]:
    if not is_dataclass(backend):
        return
    for option in fields(backend):
        aside = not option.init or option.name in _HOW or any(word in option.name.lower() for word in _SECRET)
        value = getattr(backend, option.name)
        if not aside:
            yield option.name, value
            parts = getattr(value, "components", None)
            if isinstance(parts, Mapping):  # a pipeline of diffusers
                yield from ((f"{option.name}.{key}", part) for key, part in parts.items())


def _said(value: Any) -> object:
    """Say what an option is; None for what nothing can be said of."""
    if isinstance(value, nn.Module):
        return tensor_hash(dict(_look(value)))
    if is_plain(value):
        return repr(value)
    return identity(value) if is_dataclass(value) and hasattr(value, "name") else None


def _look(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Some values of each tensor, under its name and shape."""
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.numel():
            flat = tensor.detach().reshape(-1)
            yield f"{name}{tuple(tensor.shape)}", flat[:: max(1, len(flat) // LOOKED_AT)][:LOOKED_AT]


def is_plain(value: object) -> bool:
    """Whether a value is a number, a text or None, or holds nothing else."""
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    if isinstance(value, tuple | list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data
