"""Where the pictures of a set come from: files, arrays, or anything that can be indexed.

A source reads one picture at a time and knows what identifies its content. Pictures come as PIL images, or as
arrays (H, W[, C]).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from vital.data.items import item_picture
from vital.errors import DataError
from vital.utils.arrays import CONVERT, plain_array, range_hint
from vital.utils.foreign import RAISED
from vital.utils.hashing import file_hash, sha256
from vital.utils.pictures import opened_picture

Picture = Image.Image | np.ndarray
SUFFIXES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif",
)  # fmt: skip
MANY = 20_000
UNREADABLE = b"unreadable"
CHANNELS = (1, 3, 4)


class Source(ABC):
    """Pictures by number."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the pictures."""

    @abstractmethod
    def read(self, index: int) -> Picture:
        """Decode one picture; whatever goes wrong is the caller's to explain."""

    def divisible(self) -> bool:
        """Whether several processes read the pictures faster than one."""
        return True

    @abstractmethod
    def content(self) -> Iterator[bytes]:
        """Yield the bytes that identify the pictures, in order."""

    def stamps(self) -> np.ndarray:
        """The length and time of change of each file that the pictures lie in, (F, 2); -1 for one that is missing."""
        return np.empty((0, 2), np.int64)

    def identify(self, index: int) -> bytes:
        """Give bytes that identify one picture wherever it stands in a set: its size, mode and pixels."""
        return b"".join(_identity(self, index))


@dataclass(frozen=True, eq=False)
class Files(Source):
    """Image files, decoded when they are asked for; EXIF orientation is applied.

    Up to `MANY` files are identified by their bytes, more of them by path, length and time of change.
    """

    root: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Picture:
        """Decode one file."""
        with opened_picture(self.root / self.names[index]) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)

    def content(self) -> Iterator[bytes]:
        """Yield each file's bytes, or for a large set its length and time of change."""
        yield from self._known_by

    @cached_property
    def _known_by(self) -> list[bytes]:
        """What is known of each file; hashing and waiting for a disk leave Python to other threads."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(self._known, self.names))

    def _known(self, name: str) -> bytes:
        path = self.root / name
        try:
            if len(self.names) <= MANY:
                return file_hash(path).encode()
            known = path.stat()
            return f"{known.st_size} {known.st_mtime_ns}".encode()
        except OSError:
            return UNREADABLE

    def stamps(self) -> np.ndarray:
        """The length and time of change of each file."""
        return stamps_of([self.root / name for name in self.names])

    def identify(self, index: int) -> bytes:
        """Give the hash of a file's bytes; its path in a large set, or where it cannot be opened."""
        known = UNREADABLE if len(self.names) > MANY else self._known_by[index]
        return os.fsencode(self.names[index]) if known == UNREADABLE else known


@dataclass(frozen=True, eq=False)
class Array(Source):
    """Pictures in one array: (N, H, W) or (N, H, W, C)."""

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def read(self, index: int) -> Picture:
        """Take one picture."""
        return np.asarray(self.values[index])

    def content(self) -> Iterator[bytes]:
        """Yield shape and type, then each picture's bytes."""
        yield f"{self.values.shape} {self.values.dtype}".encode()
        for row in self.values:
            yield np.ascontiguousarray(row).tobytes()


@dataclass(frozen=True, eq=False)
class Indexable(Source):
    """Anything with a length and items: pictures, (picture, label) pairs as torchvision has them, or dicts with both.

    Up to `MANY` pictures are identified by their pixels; of more, as many are read, evenly spread.
    """

    items: Any

    def __len__(self) -> int:
        return len(self.items)

    def read(self, index: int) -> Picture:
        """Take one picture out of its item."""
        picture = opened(item_picture(self.items[index]))
        return ImageOps.exif_transpose(picture) if isinstance(picture, Image.Image) else as_rows(picture)

    def content(self) -> Iterator[bytes]:
        """Yield the kind of data, then each picture's size, mode and pixels."""
        yield f"{type(self.items).__qualname__} {len(self)}".encode()
        yield from _pixels(self)


@dataclass(frozen=True, eq=False)
class Selected(Source):
    """Some pictures of another source, by number; identified by their pixels, as those of `Indexable` are."""

    source: Source
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Picture:
        """Decode the picture that has this place among those selected."""
        return self.source.read(self.indices[index])

    def divisible(self) -> bool:
        """Whether several processes read the other source faster than one."""
        return self.source.divisible()

    def content(self) -> Iterator[bytes]:
        """Yield each picture's size, mode and pixels."""
        yield from _pixels(self)

    def stamps(self) -> np.ndarray:
        """Those of the other source."""
        return self.source.stamps()

    def identify(self, index: int) -> bytes:
        """Give what identifies the picture in the other source."""
        return self.source.identify(self.indices[index])


@dataclass(frozen=True, eq=False)
class Joined(Source):
    """The pictures of several sources, one after the other."""

    parts: tuple[Source, ...]
    _ends: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", list(accumulate(len(part) for part in self.parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def place(self, index: int) -> tuple[Source, int]:
        """The part that holds a picture, and its number there."""
        part = bisect_right(self._ends, index)
        return self.parts[part], index - (self._ends[part - 1] if part else 0)

    def read(self, index: int) -> Picture:
        """Decode one picture of the part that holds it."""
        part, own = self.place(index)
        return part.read(own)

    def divisible(self) -> bool:
        """Whether several processes read all parts faster than one."""
        return all(part.divisible() for part in self.parts)

    def content(self) -> Iterator[bytes]:
        """Yield one digest per part."""
        return (sha256(part.content()).encode() for part in self.parts)

    def stamps(self) -> np.ndarray:
        """Those of the parts."""
        return np.concatenate([part.stamps() for part in self.parts])

    def identify(self, index: int) -> bytes:
        """Give what identifies the picture in the part that holds it."""
        part, own = self.place(index)
        return part.identify(own)


def stamps_of(paths: Sequence[Path]) -> np.ndarray:
    """The length and time of change of files, (F, 2); -1 for one that is missing."""

    def stamp(path: Path) -> tuple[int, int]:
        try:
            known = path.stat()
        except OSError:
            return -1, -1
        return known.st_size, known.st_mtime_ns

    with ThreadPoolExecutor() as pool:
        return np.array(list(pool.map(stamp, paths)), np.int64).reshape(-1, 2)


def selected(source: Source, indices: Sequence[int]) -> Source:
    """Take some pictures of a source: files stay files."""
    if isinstance(source, Files):
        return Files(source.root, tuple(source.names[i] for i in indices))
    return Selected(source, tuple(indices))


def _pixels(source: Source) -> Iterator[bytes]:
    """The size, mode and pixels of each picture of a source, or of `MANY` evenly spread ones."""
    count = len(source)
    for index in range(count) if count <= MANY else np.linspace(0, count - 1, MANY).astype(int).tolist():
        yield from _identity(source, index)


def _identity(source: Source, index: int) -> Iterator[bytes]:
    """The size and mode of a picture, and its pixels."""
    try:
        picture = source.read(index)
    except RAISED:  # a picture that cannot be read is part of what the set is
        yield UNREADABLE
        return
    mode = picture.mode if isinstance(picture, Image.Image) else str(picture.dtype)
    pixels = np.asarray(picture)
    yield f"{mode} {pixels.shape}".encode()
    yield np.ascontiguousarray(pixels).tobytes()


def opened(value: Any) -> Any:
    """The picture in bytes, in a file, or in what HuggingFace's `Image(decode=False)` gives; anything else as it is."""
    if isinstance(value, Mapping) and value.keys() == {"bytes", "path"}:
        value = value["path"] if value["bytes"] is None else value["bytes"]
    if isinstance(value, bytes | bytearray):
        value = BytesIO(value)
    elif not (isinstance(value, str | Path) and str(value).lower().endswith(SUFFIXES)):
        return value
    with opened_picture(value) as picture:
        picture.load()
        return picture


def as_rows(value: Any) -> np.ndarray:
    """Bring one picture, an array (H, W[, C]) or a tensor (C, H, W), to an array (H, W[, C])."""
    if isinstance(value, Tensor):
        array = plain_array(value)
        return np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    if isinstance(value, np.ndarray):
        return plain_array(value)
    raise DataError(
        f"a {type(value).__name__} is not an image; allowed are PIL images, arrays, tensors, bytes and paths"
    )


def as_batch(values: np.ndarray | Tensor, name: str) -> np.ndarray:
    """Bring an array of pictures to (N, H, W) or (N, H, W, C), and check its values.

    Of four axes the one with 1, 3 or 4 entries holds the channels, or else the one that differs from two equal
    sides. Raises `DataError` where that is in doubt, and for values that are not those of images.
    """
    try:
        array = plain_array(values)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    _check_values(array, name)
    shape = array.shape
    if 0 in shape:
        raise DataError(f"{name} holds no images: its shape is {shape}")
    if len(shape) == 3 and not {shape[0], shape[2]} & set(CHANNELS):
        return array
    if len(shape) == 3:
        raise DataError(
            f"{name} of shape {shape} may be one color image or several grey ones; "
            "give it four axes: (N, H, W, C) or (N, C, H, W)"
        )
    if len(shape) != 4:
        raise DataError(f"{name} has the shape {shape}; allowed are (N, H, W), (N, H, W, C) and (N, C, H, W)")
    return np.moveaxis(array, 1, 3) if _channels_first(shape, name) else array


def _channels_first(shape: Sequence[int], name: str) -> bool:
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first == last:
        first, last = shape[2] == shape[3] != shape[1], shape[1] == shape[2] != shape[3]
    if first == last:
        raise DataError(
            f"{name} of shape {tuple(shape)} does not say which axis holds the channels; move them last, with 1, 3 or 4"
        )
    return first


def _check_values(array: np.ndarray, name: str) -> None:
    if array.dtype in (np.uint8, np.uint16):
        return
    if not np.issubdtype(array.dtype, np.floating):
        if array.dtype == object:
            raise DataError(f"{name} holds objects, not numbers; give a list of its images: list(array)")
        raise DataError(
            f"{name} is of type {array.dtype}; allowed are uint8, uint16 and floats in [0, 1]; {CONVERT}"
        )
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 1.0)
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        hint = range_hint(low, high)
        raise DataError(
            f"{name} holds values from {low:.4g} to {high:.4g}; floats must lie in [0, 1]; {hint}"
        )
