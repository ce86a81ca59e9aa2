"""A cache on disk: tensors under a key of everything that they were computed from, so that nothing is ever stale."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from vital.utils.file_kinds import REMOVE, check_file
from vital.utils.io import cache_folder, explained, kept_if_possible, parse_json, write
from vital.utils.logs import logger

LIMIT_BYTES = 2_000_000_000
SUMMED_BYTES = 2**26
"""How large a tensor may be to be read whole where its file is opened; larger ones stay on the disk."""
FRESH_SECONDS = 60
"""Files that changed in the last seconds may be what another process has just written and goes on to read."""

T = TypeVar("T")
Tensors = dict[str, Tensor]
Fits = Callable[[Tensors], bool]
"""Whether tensors are what is looked for; one that is missing may raise `KeyError`."""
Told = tuple[torch.dtype, Sequence[int], int]
"""The type, shape and checksum of a tensor."""


def file_of(folder: str, key: str) -> Path:
    """Name the file of a key in a folder of the cache, such as "banks"."""
    return cache_folder() / folder / f"{key}.safetensors"


def cached(path: Path, make: Callable[[], Mapping[str, Tensor]], fits: Fits | None = None) -> Tensors:
    """Read tensors from the cache, or make and keep them where they are missing or the file is damaged."""
    found = load(path, fits)
    if found and found[1] == {"of": path.stem}:
        logger.debug("found in the cache: %s", path.name)
        return found[0]
    made = dict(make())
    with kept_if_possible():
        keep(path, made, {"of": path.stem})
    return made


def keep(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any] | None = None) -> None:
    """Write tensors into the cache, and let the oldest of its folder go where it has become too large."""
    save(path, tensors, notes or {})
    prune(path.parent, LIMIT_BYTES)


def save(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write tensors and notes to a safetensors file, whole or not at all. Raises `RunError`."""
    from safetensors.torch import (
        save as as_bytes,  # its save_file leaves files of other names when it is killed
    )

    whole = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
    said = json.dumps(notes, sort_keys=True)
    write(path, as_bytes(whole, noted(_told(whole), said)))


def load(path: Path, fits: Fits | None = None) -> tuple[Tensors, dict[str, Any]] | None:
    """Read what `save` wrote; None when the file is missing, damaged or another, or its tensors do not fit.

    Raises `RunError` for a folder.
    """
    found = _read(path, lambda file: {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
    if found is None:
        return None
    tensors, total, said, notes = found
    if total != content_sum(_told(tensors), said):
        return None
    with suppress(KeyError):
        return (tensors, notes) if fits is None or fits(tensors) else None
    return None


def is_table(tensor: Tensor, kind: torch.dtype, *shape: int | None) -> bool:
    """Whether a tensor is of a type and shape, None being any length, and none of its values is NaN.

    A large one is not read.

    >>> is_table(torch.zeros(3, 2), torch.float32, 3, None), is_table(torch.zeros(3), torch.float32, 3, None)
    (True, False)
    """
    if tensor.dtype != kind or tensor.ndim != len(shape):
        return False
    right = all(asked in (None, given) for asked, given in zip(shape, tensor.shape, strict=True))
    return right and (tensor.nbytes > SUMMED_BYTES or not bool(tensor.isnan().any()))


def notes_of(path: Path) -> dict[str, Any] | None:
    """Read the notes of a file alone; None when it is missing or damaged. Raises `RunError` for a folder."""
    found = _read(path, lambda _: None)
    return found and found[3]


def _read(path: Path, take: Callable[[Any], T]) -> tuple[T, str, str, dict[str, Any]] | None:
    """What is taken of a file, its checksum, and its notes as text and read; None where it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with explained(path, "read"), suppress(FileNotFoundError):
            check_file(path, REMOVE)
            with safe_open(path, "pt") as file:
                total, _, said = (file.metadata() or {}).get("vital", "").partition(" ")
                if isinstance(notes := parse_json(said), dict):
                    return take(file), total, said, notes
    except (SafetensorError, ValueError):
        pass
    return None


def checksum(tensor: Tensor) -> int:
    """A checksum of the values of a tensor; 0 for a large one, which is not read when its file is opened."""
    if tensor.nbytes > SUMMED_BYTES:
        return 0
    return zlib.crc32(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _told(tensors: Mapping[str, Tensor]) -> dict[str, Told]:
    return {name: (tensor.dtype, tensor.shape, checksum(tensor)) for name, tensor in tensors.items()}


def noted(told: Mapping[str, Told], notes: str) -> dict[str, str]:
    """The metadata of a file of tensors: its checksum and notes, as one text, for several have no order."""
    return {"vital": f"{content_sum(told, notes)} {notes}"}


def content_sum(told: Mapping[str, Told], notes: str) -> str:
    """What tells the content of a file from any other, of the type, shape and checksum of each tensor."""
    rows = sorted((name, str(kind), list(shape), number) for name, (kind, shape, number) in told.items())
    return f"{zlib.crc32(json.dumps([rows, notes]).encode()):08x}"


def prune(folder: Path, limit: int, held: Collection[Path] = (), pattern: str = "*.safetensors") -> None:
    """Delete the oldest files of a cache folder until it holds at most `limit` bytes.

    The newest file, all of the last minute, and what is `held`, stay even where they alone are above the limit.
    """
    total, fresh = 0, time.time_ns() - FRESH_SECONDS * 10**9
    for number, (changed, size, file) in enumerate(sorted(_aged(folder, pattern), reverse=True)):
        total += size
        if total > limit and number and changed < fresh and file not in held:
            with suppress(OSError):  # one that is open cannot be deleted everywhere; the next time will do
                file.unlink(missing_ok=True)


def _aged(folder: Path, pattern: str) -> Iterator[tuple[int, int, Path]]:
    """Time of change, size and path of each file that another process has not deleted meanwhile."""
    for file in folder.glob(pattern):
        with suppress(FileNotFoundError):
            known = file.stat()
            yield known.st_mtime_ns, known.st_size, file
