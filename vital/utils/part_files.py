"""The half of a file while it is written, a neighbor of it, told from one that a killed process left.

Its writer holds a lock on it, which the system lets go of when the writer ends, however it ends. Where there are no
locks, and for halves from other machines, whose locks may not be seen here, the time of the last change tells.
"""

from __future__ import annotations

import importlib
import os
import platform
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from types import ModuleType

LOCKS: ModuleType | None = None
"""The module `fcntl`; None on Windows, where a file that is open cannot take another's place."""
with suppress(ImportError):
    LOCKS = importlib.import_module("fcntl")

STALE_SECONDS = 3600
"""The half of a file that nobody has written to for so long was left by a process that was killed."""
MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
"""What the names of halves that this machine makes begin with, behind that of the file."""


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Make an empty neighbor to write to, new each time, which is gone when the block ends."""
    part, lock = _made(path)
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def _made(path: Path) -> tuple[Path, int | None]:
    while True:
        part = path.with_name(f".{path.name}.{MACHINE}{token_hex(4)}.part")
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if LOCKS is None:
            os.close(file)
            return part, None
        with suppress(OSError):  # a file system without locks
            LOCKS.flock(file, LOCKS.LOCK_EX)
        if os.fstat(file).st_nlink:
            return part, file
        os.close(file)  # `sweep` of another process came between


def sweep(path: Path) -> None:
    """Remove the halves of a file that no process writes to any more."""
    start = f".{path.name}."
    for entry in os.scandir(path.parent):
        if entry.name.startswith(start) and entry.name.endswith(".part"):
            with suppress(OSError):
                _remove_left(Path(entry.path), own=entry.name.startswith(start + MACHINE))


def _remove_left(part: Path, own: bool) -> None:
    """Remove a half, unless its writer lives; `own` ones are of this machine."""
    stale = part.stat().st_mtime < time.time() - STALE_SECONDS
    if LOCKS is None or not own:
        if stale:
            part.unlink(missing_ok=True)
        return
    file = os.open(part, os.O_RDWR)
    try:
        LOCKS.flock(file, LOCKS.LOCK_EX | LOCKS.LOCK_NB)
        part.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    except OSError:
        if stale:
            part.unlink(missing_ok=True)
    finally:
        os.close(file)
