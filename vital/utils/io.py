"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vital.errors import RunError


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, making its folder where needed. Raises `RunError`.

    The bytes go to a neighbour first, which then takes the name. The neighbour's name is fixed, so that a process
    killed in between leaves nothing that the next one does not overwrite.
    """
    part = path.with_name(f".{path.name}.part")
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise


def as_json(value: Any) -> bytes:
    r"""Encode a value as indented JSON with sorted keys: equal values, equal bytes.

    >>> as_json({"b": 1, "a": None})
    b'{\n "a": null,\n "b": 1\n}\n'
    """
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises `RunError` for a file that is missing, cannot be read or is damaged."""
    try:
        with explained(path, "read"):
            found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{str(path)!r} is damaged: {error}; remove it, or choose another folder") from error
    if not isinstance(found, dict):
        raise RunError(
            f"{str(path)!r} is damaged: it holds no JSON object; remove it, or choose another folder"
        )
    return found


def cache_folder() -> Path:
    """Where caches live: `$VITAL_CACHE`, or `vital` in `$XDG_CACHE_HOME`, or `~/.cache/vital`."""
    if folder := os.environ.get("VITAL_CACHE"):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vital"


@contextmanager
def explained(path: str | Path, what: str) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `RunError` of one sentence: cannot `what` `path`, and why.

    >>> with explained("a/b", "read"):
    ...     raise FileNotFoundError(2, "No such file or directory")
    Traceback (most recent call last):
    ...
    vital.errors.RunError: cannot read 'a/b': No such file or directory
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot {what} {str(path)!r}: {error.strerror or error}") from error


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder to this process until the block ends; the system lets go of it when the process dies.

    Raises `RunError` where another process holds it. Systems and file systems without such locks hold nothing.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with explained(folder, "open"):
        handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                advice = "wait, or choose another folder"
                raise RunError(f"{str(folder)!r} is in use by another process; {advice}") from None
        yield
    finally:
        os.close(handle)
