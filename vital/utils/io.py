"""Text, CSV, JSON and PNG: read with one sentence for what is wrong, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

import platformdirs
from filelock import FileLock, Timeout

from vital.errors import DataError, RunError, nearest

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

STALE_SECONDS = 3600
"""The half of a file that nobody has written to for so long was left by a process that was killed."""


def write(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all, making its folder where needed; text becomes UTF-8. Raises `RunError`."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a neighbor to write to, which takes the file's place when the block ends without an error.

    The neighbor is new each time, so that two processes may write the same file at once: the last one wins. What a
    killed process left is removed by a later write of the file. Raises `RunError`.
    """
    part = path.with_name(f".{path.name}.{token_hex(8)}.part")
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    with suppress(OSError):
        _sweep(path)


def _sweep(path: Path) -> None:
    start, oldest = f".{path.name}.", time.time() - STALE_SECONDS
    for entry in os.scandir(path.parent):
        if entry.name.startswith(start) and entry.name.endswith(".part") and entry.stat().st_mtime < oldest:
            Path(entry.path).unlink(missing_ok=True)


def read_text(path: str | Path, hint: str = "") -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    `hint` says what the file should be, and ends every complaint. Raises `RunError` for a file that cannot be read,
    with the nearest name where there is none, and `DataError` for one that is no UTF-8.
    """
    path, hint = Path(path).expanduser(), f"; {hint}" if hint else ""
    try:
        data = path.read_bytes()
    except OSError as error:
        there = () if path.exists() else path.parent.glob(f"*{path.suffix}")
        close = nearest(path.name, (file.name for file in there), 1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise RunError(f"cannot read {str(path)!r}: {error.strerror or error}{meant}{hint}") from error
    try:
        return _decoded(data)
    except ValueError as error:
        raise DataError(f"{str(path)!r}, {error}; save it as UTF-8{hint}") from error


def _decoded(data: bytes) -> str:
    """Text in UTF-8, with or without a byte order mark. Raises `ValueError` with the line of a byte that is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        raise ValueError(f"line {line}: the byte 0x{byte:02x} is no text in UTF-8") from error


Rows = list[tuple[int, dict[str, str]]]
"""The rows of a table: the line that each ends on, and its cells by column."""


def read_csv(path: str | Path, needs: Iterable[str] = ()) -> tuple[list[str], Rows]:
    """Read a CSV file with a header: the names of its columns, and its rows. Raises as `read_text`, `parse_csv`."""
    return parse_csv(read_text(path), repr(str(path)), needs)


def parse_csv(text: str, name: str, needs: Iterable[str] = ()) -> tuple[list[str], Rows]:
    r"""Read CSV with a header; cells that a row lacks are empty.

    Raises `DataError` for text that is no such table, is empty, or lacks a column that it `needs`; `name` says where
    the text is from.

    >>> parse_csv("unit,label\nfc:1,dog\n\nfc:2\n", "a file")
    (['unit', 'label'], [(2, {'unit': 'fc:1', 'label': 'dog'}), (4, {'unit': 'fc:2', 'label': ''})])
    """
    lines = csv_lines(text, name)
    if not lines:
        raise DataError(f"{name} is empty; give a table with a header")
    header = [column.strip() for column in lines[0][1]]
    for column in needs:
        if column not in header:
            close = nearest(column, header, 1)
            meant = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, header))}"
            raise DataError(f"{name}, line {lines[0][0]}: it lacks the column {column!r}; {meant}")
    rows = [(line, _without_ends(row, len(header))) for line, row in lines[1:]]
    if long := next((line for line, row in rows if len(row) > len(header)), 0):
        raise DataError(f"{name}, line {long}: it has more cells than the header has names; quote commas")
    filled = ((line, row + [""] * (len(header) - len(row))) for line, row in rows)
    return header, [(line, dict(zip(header, row, strict=True))) for line, row in filled]


def _without_ends(row: list[str], width: int) -> list[str]:
    """A row without the empty cells beyond a width, which spreadsheets leave behind."""
    return row if any(map(str.strip, row[width:])) else row[:width]


def csv_lines(text: str, name: str) -> list[tuple[int, list[str]]]:
    """Read the rows of CSV that hold anything, each with the line that it ends on. Raises `DataError`."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}, is no table of comma-separated text: {error}"
        ) from error


def as_csv(header: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> bytes:
    r"""Encode rows, by column or in order, as CSV: lists as JSON, nothing for None, six digits of a number.

    >>> as_csv(["unit", "p", "others"], [{"unit": "fc:1", "p": None, "others": [["a cat", 0.5]]}])
    b'unit,p,others\nfc:1,,"[[""a cat"", 0.5]]"\n'
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    ordered = ([row[name] for name in header] if isinstance(row, Mapping) else row for row in rows)
    table.writerows(map(_cell, row) for row in ordered)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def as_json(value: Any) -> bytes:
    r"""Encode a value as indented JSON with sorted keys: equal values, equal bytes.

    >>> as_json({"b": 1, "a": None})
    b'{\n "a": null,\n "b": 1\n}\n'
    """
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def is_filled(path: Path) -> bool:
    """Whether there is a file with something in it; an empty one is what a disk that failed has left."""
    try:
        found = path.stat()
    except OSError:
        return False
    return S_ISREG(found.st_mode) and found.st_size > 0


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises `RunError` for a file that is missing, cannot be read or is damaged."""
    try:
        with explained(path, "read"):
            found, why = json.loads(_decoded(path.read_bytes())), "it holds no JSON object"
    except ValueError as error:
        found, why = None, str(error)
    if not isinstance(found, dict):
        raise RunError(f"{str(path)!r} is damaged: {why}; remove it, or choose another folder")
    return found


def cached_json(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a JSON object, or make and write it where there is none that can be read. Raises `RunError`."""
    with suppress(RunError):
        return read_json(path)
    made = make()
    write(path, as_json(made))
    return made


def append_json(path: Path, values: Iterable[Any]) -> None:
    """Add values to a file of JSON lines, at once; other processes may add to it too. Raises `RunError`."""
    lines = "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            cut_off = False
            if file.tell():
                file.seek(-1, os.SEEK_END)
                cut_off = file.read(1) != b"\n"
            file.write(b"\n" * cut_off + lines.encode())


def json_lines(path: Path) -> Iterator[Any]:
    """Read what `append_json` wrote; a line that was cut off, as by a full disk, is passed over. Raises `RunError`."""
    if path.is_file():
        with explained(path, "read"):
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        for line in lines:
            with suppress(ValueError):
                yield json.loads(line)


def as_png(picture: Image.Image, notes: Mapping[str, str] | None = None) -> bytes:
    """Encode a picture as PNG, with the notes in its text chunks."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for name, text in (notes or {}).items():
        chunks.add_itxt(name, text)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def as_npy(values: np.ndarray) -> bytes:
    """Encode an array as an .npy file."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def read_npy(path: Path) -> np.ndarray:
    """Read an .npy file whole, nothing pickled. Raises `RunError` for one that is missing or damaged."""
    import numpy as np

    try:
        with explained(path, "read"):
            found: np.ndarray = np.load(path, allow_pickle=False)
            return found
    except (ValueError, EOFError) as error:
        raise RunError(f"{str(path)!r} is damaged: {error}; remove it, and make it again") from error


def read_picture(path: Path) -> Image.Image:
    """Read a picture whole. Raises `RunError` for one that is missing, cannot be read or is damaged."""
    from PIL import Image

    try:
        with explained(path, "read"), Image.open(path) as picture:
            picture.load()
            return picture.copy()
    except (Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise RunError(f"{str(path)!r} is damaged: {error}; remove it, and make it again") from error


def cache_folder() -> Path:
    """Where caches live: `$VITAL_CACHE`, or `vital` where the system keeps caches, such as ~/.cache/vital."""
    return Path(os.environ.get("VITAL_CACHE") or platformdirs.user_cache_path("vital", appauthor=False))


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
def locked(folder: Path, wait: float = 0) -> Iterator[None]:
    """Keep a folder to this process until the block ends; the system lets go of it when the process dies.

    Raises `RunError` where another process has it for longer than `wait` seconds. File systems without locks lock
    nothing.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        advice = "wait, or choose another folder"
        raise RunError(f"{str(folder)!r} is in use by another process; {advice}") from None
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()
