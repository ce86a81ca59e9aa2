"""What tells one thing from another: SHA-256 of texts, JSON, tensors, files, pictures and the backends of answers.

Of a backend only a hash is kept, and options that name a key, a token or a password are no part of it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from operator import itemgetter
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vital.utils import code_hash
from vital.utils.io import as_json, encoded

_SECRET = frozenset(
    ("key", "apikey", "token", "secret", "password", "passwd", "bearer", "credentials", "authorization")
)
_HOW = frozenset(("cache", "device", "batch", "timeout", "retries", "pause", "name", "allow_http"))
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
            whole = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
            digest.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def picture_hash(image: Tensor) -> str:
    """Hash a picture (C, H, W) in [0, 1] by its shape and its pixels of 8 bits.

    >>> picture_hash(torch.zeros(3, 2, 2)) == picture_hash(torch.full((3, 2, 2), 1e-4))
    True
    """
    return tensor_hash((image.detach().float().clamp(0, 1) * 255 + 0.5).byte())


def identity(backend: Any) -> str:
    """Hash what tells a backend from others: its kind, name, options and code, and its weights.

    One that says what it is in `fingerprint`, a text or a function that gives one, is told by that and its name.
    """
    stated = getattr(backend, "fingerprint", None)
    stated = stated() if callable(stated) else stated
    if isinstance(stated, str) and stated:
        return key_of(str(backend.name), "stated", stated)
    return key_of(str(backend.name), _Teller().of_object(backend, 0))


def _options(owner: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(owner):
        known = {option.name: getattr(owner, option.name) for option in fields(owner) if option.init}
    else:
        known = dict(code_hash.attributes(owner))
    for name, value in known.items():
        if name.strip("_") not in _HOW and not _is_secret(name, value):
            yield name, value
            parts = getattr(value, "components", None)
            if isinstance(parts, Mapping):  # a pipeline of diffusers
                yield from ((f"{name}.{key}", part) for key, part in parts.items())


def _plain_options(part: nn.Module) -> Iterator[tuple[str, str]]:
    """The options of a part of a network, but for whether it is trained right now."""
    for name, value in sorted(vars(part).items()):
        if (
            not name.startswith("_")
            and name != "training"
            and is_plain(value)
            and not _is_secret(name, value)
        ):
            yield name, repr(value)


def _is_secret(name: str, value: object) -> bool:
    """Whether an option holds a key, which tells nothing of the answers; a number of tokens is none."""
    return not isinstance(value, bool | int | float) and bool(_SECRET & set(name.lower().split("_")))


@dataclass(eq=False)
class _Teller:
    """Says in plain values what options are; `seen` is what was told already, which is told once."""

    seen: set[int] = field(default_factory=set)

    def __call__(self, value: Any, depth: int) -> object:
        """Say what an option is; of an object of a library little more than its kind."""
        if isinstance(value, nn.Module):
            return self._of_network(value, depth)
        value = _without_arrays(value)
        if is_plain(value) or depth > code_hash.DEEPEST:
            return repr(value) if is_plain(value) else type(value).__qualname__
        if code_hash.is_collection(value):
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            return [[str(key), self(part, depth + 1)] for key, part in pairs]
        if isinstance(value, type | FunctionType | MethodType | functools.partial) or hasattr(
            value, "__wrapped__"
        ):
            return code_hash.code_of(value, self, depth)
        found = code_hash.told(value)
        if found is None and (parts := code_hash.parts_of(value)) is not None:
            return [type(value).__qualname__, self(parts, depth + 1)]
        return [str(getattr(value, "name", "")), self.of_object(value, depth)] if found is None else found

    def _of_network(self, network: nn.Module, depth: int) -> object:
        """The structure of a network, its weights, and the code and options of those parts that are no library's."""
        own = [
            [name, code_hash.code_of(type(part), self, depth), list(_plain_options(part))]
            for name, part in network.named_modules()
            if not code_hash.is_library(type(part))
        ]
        return [type(network).__qualname__, repr(network), own, _weights(network)]

    def of_object(self, owner: Any, depth: int) -> object:
        """The code and the options of an object, once."""
        if id(owner) in self.seen:
            return "again"
        self.seen.add(id(owner))
        if depth and code_hash.is_library(type(owner)):
            return self._of_library(owner, depth)
        options = [
            [name, self(value, depth + 1)] for name, value in sorted(_options(owner), key=itemgetter(0))
        ]
        return [code_hash.code_of(type(owner), self, depth), options]

    def _of_library(self, owner: Any, depth: int) -> object:
        """The kind of an object of a library, its networks, and the names that say which model it is."""
        own = getattr(owner, "__dict__", {})
        names = [
            [key, own[key]] for key in ("model", "name_or_path", "revision") if isinstance(own.get(key), str)
        ]
        parts = [
            [key, self(part, depth + 1)] for key, part in sorted(own.items()) if isinstance(part, nn.Module)
        ]
        return [type(owner).__qualname__, names, parts]


def _weights(network: nn.Module) -> str:
    """Hash all weights of a network: about a second for each GB."""
    return tensor_hash({name: t for name, t in network.state_dict().items() if isinstance(t, Tensor)})


def _without_arrays(value: Any) -> Any:
    """What tells a tensor, an array or one of their types, as plain values; any other value as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biufc":
        return value.tolist()
    if isinstance(value, Tensor | np.ndarray):
        return tensor_hash(torch.as_tensor(value))
    kinds = torch.dtype | torch.layout | torch.memory_format | np.generic
    return repr(value) if isinstance(value, kinds) else value


def is_plain(value: object) -> bool:
    """Whether a value is a number, a text or None, or holds nothing else."""
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    if isinstance(value, tuple | list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _bytes(data: bytes | str) -> bytes:
    return encoded(data) if isinstance(data, str) else data
