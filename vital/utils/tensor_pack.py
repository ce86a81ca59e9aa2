"""Many small sets of tensors in one file of the cache, each under its key: thousands of files would be slow to list.

A record is its length, the checksum of what follows, its key, and a safetensors file, which also says the order of its
tensors: safetensors reads them in any. Records are added at the end, by one process at a time; one that a killed
process left unfinished is written over, and a damaged one counts as missing.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout
from torch import Tensor

from vital.utils.file_kinds import REMOVE, check_file
from vital.utils.io import explained, replacing
from vital.utils.tensor_cache import LIMIT_BYTES, Tensors, prune

HEAD = 8 + 4 + 24
"""The bytes before a record: length, checksum and key."""
PATIENCE = 60.0
"""How many seconds a process waits for another one that writes the file; then it keeps nothing."""


@dataclass
class _Index:
    """Where the records of a file are: the end of the last whole record, and all by key.

    The file is told from one that took its place by its number in the file system and the head of its first record,
    for such numbers are used again.
    """

    file: int = -1
    first: bytes = b""
    end: int = 0
    at: dict[bytes, tuple[int, int]] = field(default_factory=dict)


_indices: dict[Path, _Index] = {}


def put(path: Path, key: str, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Add tensors and notes under a key of 24 letters, and let the oldest go where the file has become too large.

    Raises `RunError` where the file cannot be written.
    """
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = json.dumps({"notes": notes, "order": list(whole)}, sort_keys=True)
    body = key.encode() + save(whole, {"vital": said})
    record = (len(body) - 24).to_bytes(8, "little") + zlib.crc32(body).to_bytes(4, "little") + body
    with explained(path, "write"):
        check_file(path, REMOVE)
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Timeout), _locked(path):
            with path.open("r+b" if path.exists() else "w+b") as file:
                index = _read_on(path, file)
                try:
                    file.seek(index.end)
                    file.write(record)
                    file.flush()
                finally:
                    file.truncate(max(index.end, _whole(file, index.end)))
                index = _read_on(path, file)
            if index.end > LIMIT_BYTES:
                _shorten(path, index)
    prune(path.parent, LIMIT_BYTES, pattern="*.pack")


def get(path: Path, key: str) -> tuple[Tensors, dict[str, Any]] | None:
    """Read what `put` wrote, in its order; None where nothing is under the key or it is damaged. Raises `RunError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    with explained(path, "read"):
        check_file(path, REMOVE)
    damage = (SafetensorError, ValueError, KeyError, TypeError, OverflowError)
    with suppress(FileNotFoundError, *damage), path.open("rb") as file:
        index = _read_on(path, file)
        if found := index.at.get(key.encode()):
            start, length = found
            file.seek(start - HEAD + 8)
            summed, body = int.from_bytes(file.read(4), "little"), file.read(24 + length)
            if zlib.crc32(body) == summed:
                size = int.from_bytes(body[24:32], "little")
                said = json.loads(json.loads(body[32 : 32 + size])["__metadata__"]["vital"])
                tensors = load(body[24:])
                return {name: tensors[name] for name in said["order"]}, said["notes"]
    return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others from writing; file systems without locks lock nothing."""
    lock = FileLock(path.with_suffix(".lock"), timeout=PATIENCE)
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _whole(file: BinaryIO, start: int) -> int:
    """The end of the record that begins at a place, the place itself where it is not whole."""
    size = os.fstat(file.fileno()).st_size
    file.seek(start)
    head = file.read(HEAD)
    end = start + HEAD + int.from_bytes(head[:8], "little")
    return end if len(head) == HEAD and end <= size else start


def _read_on(path: Path, file: BinaryIO) -> _Index:
    """What a file holds, as far as it is known already, and what was added since."""
    known = os.fstat(file.fileno())
    file.seek(0)
    first, index = file.read(HEAD), _indices.get(path, _Index())
    if index.file != known.st_ino or index.end > known.st_size or (index.end and index.first != first):
        index = _Index(known.st_ino)
    index.first = first
    while (end := _whole(file, index.end)) > index.end:
        file.seek(index.end + 12)
        index.at[file.read(24)] = (index.end + HEAD, end - index.end - HEAD)
        index.end = end
    _indices[path] = index
    return index


def _shorten(path: Path, index: _Index) -> None:
    """Keep the newest records, up to half the limit and at least one."""
    newest, total = list[tuple[int, int]](), 0
    for start, length in sorted(index.at.values(), reverse=True):
        total += HEAD + length
        if newest and total > LIMIT_BYTES // 2:
            break
        newest.append((start - HEAD, HEAD + length))
    with replacing(path) as part, path.open("rb") as old, part.open("wb") as new:
        for start, length in reversed(newest):
            old.seek(start)
            new.write(old.read(length))
