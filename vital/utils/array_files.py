"""Arrays in files of numpy (.npy and .npz), whose headers are held against what they hold before it is read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from vital.errors import first_line
from vital.utils.file_kinds import check_file

PLAIN = "biufcSUV"
"""The kinds of numpy's types that hold values alone; others hold Python objects, and are never read."""
ABOVE, FREE = 100, 2**28
"""How many times as large as its file what is packed in it may be, and how many bytes may be so in any file."""


@dataclass(frozen=True)
class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an .npz file by name, each read when it is asked for. Raises as `read_arrays` does."""

    path: Path

    @cached_property
    def _members(self) -> dict[str, str]:
        with _explained(), zipfile.ZipFile(self.path) as packed:
            _check_packed(packed, self.path.stat().st_size)
            return {name.removesuffix(".npy"): name for name in packed.namelist()}

    def __getitem__(self, name: str) -> np.ndarray:
        member = self._members[name]
        with _explained(), zipfile.ZipFile(self.path) as packed:
            with packed.open(member) as file:
                _check_array(file, packed.getinfo(member).file_size)
            with packed.open(member) as file:
                found: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
                return found

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


def read_arrays(path: Path) -> np.ndarray | Arrays:
    """Read an array, or several by name; an .npy file is left on disk until it is looked at.

    Nothing pickled is read. Raises `ValueError` for what is damaged, packed or locked in a way that is not read, or
    claims to be larger than it is, and `OSError`.
    """
    check_file(path)
    with _explained(), path.open("rb") as file:
        if file.read(6) != np.lib.format.MAGIC_PREFIX:
            found = Arrays(path)
            len(found)  # looks at all of them
            return found
        file.seek(0)
        _check_array(file, path.stat().st_size)
        return np.lib.format.open_memmap(path, mode="r")


@contextmanager
def _explained() -> Iterator[None]:
    """Zipfile and numpy raise errors of many types, and numpy's advise to read what may run code."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except MemoryError:
        raise ValueError("it does not fit into memory") from None
    except Exception as error:
        raise ValueError(first_line(error)) from error


def _check_packed(packed: zipfile.ZipFile, size: int) -> None:
    entries = packed.infolist()
    for entry in entries:
        if entry.flag_bits & 1:
            raise ValueError(f"{entry.filename!r} in it is locked with a password; save it without one")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{entry.filename!r} in it is packed in another way than numpy.savez packs it")
        if not entry.filename.endswith(".npy"):
            raise ValueError(f"{entry.filename!r} in it is no array; save arrays alone with numpy.savez")
    total = sum(entry.file_size for entry in entries)
    if total > max(FREE, ABOVE * size):
        raise ValueError(f"it has {size:,} bytes and claims to hold {total:,}; save it with numpy.savez")


def _check_array(file: IO[bytes], size: int) -> None:
    """Raise `ValueError` where the header of an array cannot be true, or says that it holds objects."""
    try:
        version = np.lib.format.read_magic(file)
        first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
    except Exception as error:  # numpy evaluates a text
        raise ValueError("it is no array of numpy, or its header is damaged") from error
    if kind.hasobject or kind.kind not in PLAIN:
        raise ValueError(
            f"it holds values of type {kind}, and nothing but plain numbers and texts is read; save it as these"
        )
    if min(shape, default=0) < 0 or prod(shape) * kind.itemsize != size - file.tell():
        raise ValueError(f"its header says {shape} of {kind}, which is not what it holds; save it again")
