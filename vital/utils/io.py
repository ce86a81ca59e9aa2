"""Text, CSV, JSON and PNG: read with one sentence for what is wrong, written whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import platformdirs
from filelock import FileLock, Timeout

from vital.errors import DataError, RunError, first_line, nearest, said
from vital.utils.file_kinds import REMOVE, check_file
from vital.utils.formulas import marked, unmarked
from vital.utils.logs import busy
from vital.utils.part_files import part_of, sweep

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

LONGEST_TEXT = 2**29
"""The most bytes of a file of text that are read."""
AGAIN = "remove it, and make it again"
"""What to do about a damaged file that a command makes."""
LONGEST_NAME = 255
"""The most bytes of the name of a file."""
LONGEST_NUMBER = 100
"""The most digits of a whole number in JSON."""


def write(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all, making its folder where needed; text becomes UTF-8. Raises `RunError`."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(encoded(data) if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a neighbor to write to, which takes the file's place when the block ends without an error.

    The neighbor is new each time, so that two processes may write the same file at once: the last one wins. It is there
    already, empty, and has to stay the same file: write into it. What a killed process left is removed by the next
    write of the file. Raises `RunError`.
    """
    if not path.name:
        raise RunError(f"{str(path)!r} is no file; give the name of one")
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_of(path) as part:
            yield part
            part.replace(path)
    with suppress(OSError):
        sweep(path)


def path_of(given: str | Path) -> Path:
    """The path that was typed, with ~ as the home folder. Raises `RunError` for what no file can be called."""
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(text, str):
        raise RunError(f"{said(given)} is no path; give that of a file or folder")
    if not _can_be_called(text):
        raise RunError(
            f"{text[:60] + '…' if len(text) > 60 else text!r} is no path; give that of a file or folder"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise RunError(f"{text!r} is no path: {first_line(error)}; give it in full") from error


def _can_be_called(text: str) -> bool:
    """Whether a file system may have a file of this path: no part is too long, or holds what is no character."""
    try:
        return "\0" not in text and all(len(os.fsencode(name)) <= LONGEST_NAME for name in Path(text).parts)
    except UnicodeEncodeError:
        return False


def resolved(path: str | Path) -> Path:
    """The path without links, as far as there is one: `Path.resolve` raises for links that lead to each other."""
    return Path(os.path.realpath(path))


def read_text(path: str | Path, hint: str = "") -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    `hint` says what the file should be, and ends every complaint. Raises `RunError` for a file that cannot be read,
    with the nearest name where there is none, and `DataError` for one that is no UTF-8.
    """
    path, hint = path_of(path), f"; {hint}" if hint else ""
    try:
        if path.parts[1:2] not in (("dev",), ("proc",)):  # the pipes of a shell have a writer
            check_file(path)
        with path.open("rb") as file:
            data = file.read(LONGEST_TEXT + 1)
    except (OSError, ValueError) as error:
        meant = did_you_mean(path) if isinstance(error, FileNotFoundError) else ""
        why = getattr(error, "strerror", None) or error
        raise RunError(f"cannot read {str(path)!r}: {why}{meant}{hint}") from error
    if len(data) > LONGEST_TEXT:
        raise DataError(f"{str(path)!r} is longer than {LONGEST_TEXT >> 20} MB, and no text for this{hint}")
    try:
        return _decoded(data)
    except ValueError as error:
        raise DataError(f"{str(path)!r}, {error}; save it as UTF-8{hint}") from error


def did_you_mean(path: str | Path) -> str:
    """The end of a sentence about a path where nothing is: the nearest path that there is; "" without one.

    Where a folder on the way is not there, the nearest to that is named.
    """
    wanted = missing = path_of(path)
    with suppress(OSError, ValueError):
        while missing.parent != missing and not missing.parent.is_dir():
            missing = missing.parent
        beside = [readable(found.name) for found in sorted(missing.parent.iterdir())]
        same = [name for name in beside if Path(name).suffix == missing.suffix]
        asked = readable(missing.name)
        for name in nearest(asked, same, 1) or nearest(asked, beside, 1):
            whole = missing.parent / name / wanted.relative_to(missing)
            return f"; did you mean {str(whole if whole.exists() else missing.parent / name)!r}?"
    return ""


def encoded(text: str) -> bytes:
    r"""Text in UTF-8; what is no text, as a byte in the name of a file, becomes \udcff, as JSON spells it."""
    return text.encode("utf-8", "backslashreplace")


def readable(name: str) -> str:
    r"""The name of a file as text: a byte in it that is none is shown as \xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


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
    with busy(f"reading {str(path)!r}"):
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
        return [(reader.line_num, [*map(unmarked, row)]) for row in reader if any(map(str.strip, row))]
    except (csv.Error, ValueError) as error:
        raise DataError(
            f"{name}, line {reader.line_num}, is no table of comma-separated text: {error}"
        ) from error


def as_csv(header: Sequence[str], rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> bytes:
    r"""Encode rows, by column or in order, as CSV: lists as JSON, nothing for None, six digits of a number.

    What a spreadsheet would take for a formula gets an apostrophe before it, which `csv_lines` takes away.

    >>> as_csv(["unit", "p", "others"], [{"unit": "fc:1", "p": None, "others": [["a cat", 0.5]]}])
    b'unit,p,others\nfc:1,,"[[""a cat"", 0.5]]"\n'
    >>> as_csv(["label", "score"], [["=1+1", -1]])
    b"label,score\n'=1+1,-1\n"
    """
    lines = _Lines()
    table = csv.writer(
        lines
    )  # which quotes every line break in a cell where its own lines end with both kinds
    table.writerow(map(csv_cell, header))
    ordered = ([row[name] for name in header] if isinstance(row, Mapping) else row for row in rows)
    table.writerows(map(csv_cell, row) for row in ordered)
    return encoded("".join(line.removesuffix("\r\n") + "\n" for line in lines))


class _Lines(list[str]):
    """A file of lines, for `csv.writer`."""

    write = list[str].append


def csv_cell(value: Any) -> Any:
    """A cell of a table: no spreadsheet takes its text for a formula.

    >>> csv_cell("=1+1"), csv_cell(-0.5), csv_cell(None), csv_cell("a cat")
    ("'=1+1", '-0.5', '', 'a cat')
    """
    if isinstance(value, list | tuple):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return marked(value)
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def as_json(value: Any) -> bytes:
    r"""Encode a value as indented JSON with sorted keys: equal values, equal bytes.

    >>> as_json({"b": 1, "a": None})
    b'{\n "a": null,\n "b": 1\n}\n'
    """
    return encoded(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


class Schema(Protocol):
    """What JSON has to be, such as a `pydantic.TypeAdapter`."""

    def validate_json(self, data: str, /) -> Any:
        """Read JSON. Raises `ValueError` for another kind."""


def parse_json(text: str | bytes) -> Any:
    """Read JSON, whatever it is. Raises `ValueError`, which says why, and no other error.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: it is nested too deeply
    """
    try:
        text = _decoded(text) if isinstance(text, bytes) else text
        found = json.loads(text, parse_int=_whole)
        if "\\ud" in text.lower():  # half of a pair, which no file and no page can hold
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a character") from None
    return found


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


ELSEWHERE = "remove it, or choose another folder"
"""What to do about a damaged file of a run folder."""


def read_json(path: Path, schema: Schema | None = None, step: str = ELSEWHERE) -> dict[str, Any]:
    """Read a JSON object, and hold it to a schema; `step` is what to do about a damaged one.

    Raises `RunError` for a file that is missing, cannot be read, is damaged or is of another kind.
    """
    try:
        text = _decoded(read_regular(path))
        found, why = parse_json(text), "it holds no JSON object"
        if schema is not None and isinstance(found, dict):
            schema.validate_json(text)
    except ValueError as error:
        raise damaged(path, error, step) from error
    if not isinstance(found, dict):
        raise damaged(path, why, step)
    return found


def damaged(path: Path, why: Exception | str, step: str = ELSEWHERE) -> RunError:
    """The error for a file of a run folder that is not what it should be; `why` may be one of pydantic."""
    errors = getattr(why, "errors", None)
    if callable(errors):
        first = errors()[0]
        place, told = ".".join(map(str, first["loc"])), first["msg"].partition("error, ")[2] or first["msg"]
        why = f"{place}: {told[0].lower()}{told[1:]}"
    elif isinstance(why, KeyError):
        why = f"it lacks {why}"
    return RunError(f"{str(path)!r} is damaged: {why}; {step}")


def read_regular(path: Path) -> bytes:
    """Read a file of a folder that vital wrote, where nothing but plain files lies. Raises `RunError`."""
    with explained(path, "read"):
        check_file(path, REMOVE)
        return path.read_bytes()


def within(folder: Path, path: Path) -> Path:
    """A path of a file in a folder. Raises `RunError` where it, or a link on the way to it, leads elsewhere."""
    place = os.path.realpath(path)
    if not place.startswith(os.path.realpath(folder) + os.sep):
        raise RunError(
            f"{str(path)!r} leads out of the folder {str(folder)!r}; remove it, or put the file there"
        )
    return path


def check_links(folder: Path) -> None:
    """Raise `RunError` where a link anywhere in a folder leads out of it."""
    left = [os.fspath(folder)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as found:  # what is gone meanwhile leads nowhere
            for one in found:
                if one.is_symlink():
                    within(folder, Path(one.path))
                elif one.is_dir():
                    left.append(one.path)


def cached_json(
    path: Path, make: Callable[[], dict[str, Any]], schema: Schema | None = None
) -> dict[str, Any]:
    """Read a JSON object, or make it where there is none that can be read, and write it where that can be done."""
    with suppress(RunError):
        return read_json(path, schema)
    made = make()
    with kept_if_possible():
        write(path, as_json(made))
    return made


@contextmanager
def kept_if_possible() -> Iterator[None]:
    """Go on with a warning where the block cannot write to a cache: a full disk must not stop a run."""
    try:
        yield
    except RunError as error:
        warnings.warn(f"{error}; it is not kept, and made again next time", stacklevel=3)


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
            data = b"\n" * cut_off + encoded(lines)
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def json_lines(path: Path) -> Iterator[Any]:
    """Read what `append_json` wrote; a line that was cut off, as by a full disk, is passed over. Raises `RunError`."""
    if path.is_file():
        with explained(path, "read"):
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        for line in lines:
            with suppress(ValueError):
                yield parse_json(line)


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

    from vital.utils.array_files import read_arrays

    try:
        with explained(path, "read"):
            found = read_arrays(path)
    except ValueError as error:
        raise damaged(path, error, AGAIN) from error
    if not isinstance(found, np.ndarray):
        raise damaged(path, "it holds several arrays", AGAIN)
    return np.array(found)


def read_picture(path: Path) -> Image.Image:
    """Read a picture whole. Raises `RunError` for one that is missing, cannot be read or is damaged."""
    from vital.utils.pictures import opened_picture

    try:
        with explained(path, "read"), opened_picture(path) as picture:
            picture.load()
            return picture.copy()
    except RunError:
        raise
    except Exception as error:  # decoders raise errors of many types
        raise damaged(path, first_line(error), AGAIN) from error


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
