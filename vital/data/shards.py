"""WebDataset shards: pictures in tar files, each found by its place, with what their neighbors say of them."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby, product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from vital.data.imageset import ImageSet
from vital.data.items import item_label, plain_label
from vital.data.labels import Labels, numbered
from vital.data.sources import MANY, SUFFIXES, Source, stamps_of
from vital.errors import DataError, first_line
from vital.utils.file_kinds import check_file
from vital.utils.hashing import sha256
from vital.utils.io import did_you_mean, parse_json
from vital.utils.pictures import opened_picture

BRACES = re.compile(r"\{([^{}]+)\}")
LABELED = ("cls", "json", "txt")
"""What the parts of a sample that hold its label are called, the surest first."""
MOST = 1_000_000
"""The most names that a pattern may stand for."""
LONGEST = 1_000_000
"""The most bytes of a part that are read for a label."""


@dataclass(frozen=True, eq=False)
class Shards(Source):
    """Pictures in uncompressed tar files: of each the number of its file, its first byte and its length, (N, 3).

    Up to `MANY` pictures are identified by their bytes, more of them by place, length and the time of change of their
    files.
    """

    paths: tuple[Path, ...]
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def _bytes(self, index: int) -> bytes:
        shard, start, length = map(int, self.places[index])
        with self.paths[shard].open("rb") as file:
            file.seek(start)
            return file.read(length)

    def read(self, index: int) -> Image.Image:
        """Decode one picture; EXIF orientation is applied."""
        with opened_picture(BytesIO(self._bytes(index))) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)

    def content(self) -> Iterator[bytes]:
        """Yield each picture's hash, or for a large set the places of all and what is known of the files."""
        if len(self) > MANY:
            yield self.places.tobytes()
            yield self.stamps().tobytes()
        else:
            yield from map(self.identify, range(len(self)))

    def stamps(self) -> np.ndarray:
        """The length and time of change of each tar file."""
        return stamps_of(self.paths)

    def identify(self, index: int) -> bytes:
        """Give the hash of a picture's bytes; its place in a large set."""
        return sha256(self.places[index].tobytes() if len(self) > MANY else self._bytes(index)).encode()


@dataclass(frozen=True)
class _Part:
    """A file in a tar file: the sample that it belongs to, what it is, and where its bytes are."""

    sample: str
    kind: str
    start: int
    length: int


def expanded(text: str) -> list[str]:
    """All names that a pattern in braces stands for. Raises `DataError` for more than `MOST`.

    >>> expanded("shards-{008..010}.tar"), expanded("{train,val}-{0..1}.tar")[1:3]
    (['shards-008.tar', 'shards-009.tar', 'shards-010.tar'], ['train-1.tar', 'val-0.tar'])
    """
    pieces = BRACES.split(text)
    choices = [_choices(piece) if number % 2 else [piece] for number, piece in enumerate(pieces)]
    if prod(map(len, choices)) > MOST:
        raise _too_many(text)
    return ["".join(parts) for parts in product(*choices)]


def _choices(text: str) -> list[str]:
    first, dots, last = text.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal()):
        return text.split(",")
    if max(len(first), len(last)) > len(str(MOST)) or int(last) - int(first) >= MOST:
        raise _too_many(text)
    width = len(first) if first.startswith("0") else 0
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]


def _too_many(text: str) -> DataError:
    return DataError(f"{text!r} stands for more than {MOST:,} names; give a folder, or fewer shards")


def shards_at(path: Path) -> list[Path]:
    """The tar files that a path names: itself, those of a pattern, or those of a folder; none for any other path."""
    if path.is_dir():
        return sorted(path.glob("*.tar"))
    if path.exists():
        return [path] if path.suffix.lower() == ".tar" else []
    return [Path(name) for name in expanded(str(path))] if BRACES.search(str(path)) else []


def open_shards(paths: Sequence[Path], name: str) -> ImageSet:
    """Make an `ImageSet` of tar files, of samples with one picture each, and a label in .cls, .json or .txt.

    Raises `DataError` for files that are missing, compressed or damaged, and where none holds a picture.
    """
    names: list[str] = []
    places: list[tuple[int, int, int]] = []
    said: list[dict[str, Any]] = []
    for number, path in enumerate(paths):
        for sample, parts in groupby(_parts(path), key=lambda part: part.sample):
            held = list(parts)
            picture = next((part for part in held if f".{part.kind}".endswith(SUFFIXES)), None)
            if picture is None:
                continue
            places.append((number, picture.start, picture.length))
            said.append(_labels_of(path, held))
            names.append(
                f"{path.stem}/{sample}.{picture.kind}" if len(paths) > 1 else f"{sample}.{picture.kind}"
            )
    if not places:
        raise DataError(f"{name} holds no images; a sample has one of {', '.join(SUFFIXES)}")
    own, classes = _labeled(said)
    source = Shards(tuple(paths), np.array(places, np.int64))
    return ImageSet(source, tuple(names), own, classes, name)


def _check_size(member: tarfile.TarInfo) -> None:
    """Raise `ValueError` for a file of less than no bytes, which would be read again and again."""
    if member.size < 0:
        raise ValueError(f"it holds a file of {member.size} bytes")


def _parts(path: Path) -> Iterator[_Part]:
    """The files in a tar file, in order; hidden ones are left out."""
    try:
        check_file(path)
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                _check_size(member)
                folder, _, base = member.name.rpartition("/")
                stem, dot, kind = base.partition(".")
                if member.isfile() and stem and dot:
                    sample = f"{folder}/{stem}" if folder else stem
                    yield _Part(sample, kind.lower(), member.offset_data, member.size)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}{did_you_mean(path)}") from error
    except (OSError, ValueError, OverflowError, tarfile.TarError) as error:
        raise DataError(
            f"{path} cannot be read as a tar file: {first_line(error)}; it must be whole and not compressed"
        ) from error


def _labels_of(path: Path, held: Sequence[_Part]) -> dict[str, Any]:
    """What the parts of a sample say of its label, by kind."""
    found = {}
    for part in held:
        kind = part.kind.rpartition(".")[2]
        if kind in LABELED and part.length <= LONGEST:
            with path.open("rb") as file:
                file.seek(part.start)
                found[kind] = _label(kind, file.read(part.length).decode(errors="replace").strip())
    return found


def _label(kind: str, text: str) -> int | str | None:
    if kind == "json":
        try:
            value = parse_json(text)
        except ValueError:
            return None
        return plain_label(item_label(value) if isinstance(value, dict) else value)
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text or None


def _labeled(said: Sequence[dict[str, Any]]) -> Labels:
    """The labels of the surest kind that there is; texts of which most differ are captions, and no labels."""
    for kind in LABELED:
        values = [one.get(kind) for one in said]
        texts = {value for value in values if isinstance(value, str)}
        known = any(value is not None for value in values)
        if known and not (kind == "txt" and 2 * len(texts) > len(values)):
            mixed = texts and any(isinstance(value, int) for value in values)
            return numbered([None if value is None else str(value) for value in values] if mixed else values)
    return (None,) * len(said), ()
