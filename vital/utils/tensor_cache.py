"""A cache on disk: tensors under a key of everything that they were computed from, so that nothing is ever stale."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from vital.errors import RunError, first_line

LIMIT_BYTES = 2_000_000_000


def key_of(**parts: Any) -> str:
    """A key from named parts: the first 24 hexadecimal digits of SHA-256 over their JSON.

    >>> key_of(a=1, b=[2]) == key_of(b=[2], a=1) != key_of(a=2, b=[2])
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def save(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write tensors and notes to a safetensors file, whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            whole = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
            save_file(whole, name, metadata={"vital": json.dumps(notes, sort_keys=True)})
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    except SafetensorError as error:  # a full disk, among others
        raise RunError(f"cannot write {str(path)!r}: {first_line(error)}") from error


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read what `save` wrote; None when the file is missing or damaged. Raises `RunError` for a folder."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            notes = json.loads((file.metadata() or {}).get("vital", "{}"))
            return {key: file.get_tensor(key) for key in file.keys()}, notes  # noqa: SIM118
    except (FileNotFoundError, SafetensorError, json.JSONDecodeError):
        return None
    except OSError as error:
        raise RunError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def prune(folder: Path, limit: int = LIMIT_BYTES) -> None:
    """Delete the oldest files of a cache folder until it holds at most `limit` bytes."""
    held = 0
    for _, size, file in sorted(_aged(folder), reverse=True):
        held += size
        if held > limit:
            file.unlink(missing_ok=True)


def _aged(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Time of change, size and path of each file that another process has not deleted meanwhile."""
    for file in folder.glob("*.safetensors"):
        with suppress(FileNotFoundError):
            known = file.stat()
            yield known.st_mtime_ns, known.st_size, file
