"""Wounds: how each kind of file of a run is changed by whoever means no good."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tests.array_wounds import TENSORS, Changes, of_numpy, of_tar, of_torch
from vital.utils import tensor_cache

VALUES: tuple[Any, ...] = (
    None, True, 7, -1, 10**30, 1.5, float("nan"), "", "x", "../../../secret", "/etc/passwd", "\x00", "=1+1", [], [None],
    {}, {"x": 1}, "a" * 5000, [[[[]]]], "²",
)  # fmt: skip
"""What stands in the place of a value of JSON."""
TEXTS = {
    "empty": b"", "no JSON": b"{", "a list": b"[]", "a number": b"7", "no text": b"\xff\xfe\x00", "null": b"null",
    "deep": b'{"a":' * 100_000, "deep list": b"[" * 100_000, "digits": b'{"schema": ' + b"9" * 5000 + b"}",
    "half a character": b'{"schema": 1, "renders": [], "model": {"name": "\\ud800"}}', "zeros": bytes(1000),
    "a formula": b"=cmd()\n", "quotes": b'"\n"a,b\n', "long": b"a," * 100_000, "code": b"",
}  # fmt: skip
"""What stands in the place of a whole file."""
CODE = "ran.txt"
"""The file that a pickle writes where it is run."""


class Pickled:
    """What writes a file when a pickle of it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(CODE),)


TEXTS["code"] = pickle.dumps(Pickled())


@dataclass(frozen=True)
class Wound:
    """A change of one file; `deal` changes it."""

    file: str
    name: str
    deal: Callable[[Path], None]


def kind_of(name: str) -> str:
    """The name of a file, or of a place in it, without the numbers that tell it from others of its kind."""
    return re.sub(r"[0-9a-f]{24}|[0-9]+", "#", name)


def of_file(name: str, path: Path, *, every: bool) -> Iterator[Wound]:
    for what, data in TEXTS.items():
        yield Wound(name, what, partial(_replace, data=data))
    for cut in (0.5, 0.95):
        data = path.read_bytes()[: int(cut * path.stat().st_size)]
        yield Wound(name, f"cut at {cut}", partial(_replace, data=data))
    yield Wound(name, "a folder", lambda file: (file.unlink(), file.mkdir())[1])
    yield Wound(name, "missing", Path.unlink)
    yield Wound(name, "a pipe", lambda file: (file.unlink(), os.mkfifo(file))[1])
    if path.suffix != ".png":
        yield Wound(
            name, "a link", lambda file: (file.unlink(), file.symlink_to(Path("secret.json").absolute()))[1]
        )
    if path.suffix == ".json":
        yield from _of_json(name, json.loads(path.read_text()), every=every)
    elif inside := INSIDE.get(path.suffix):
        for what, deal in inside(path):
            yield Wound(name, what, deal)
    if path.suffix == ".png":
        bomb = io.BytesIO()
        Image.new("1", (13_300, 13_300)).save(bomb, "PNG")
        yield Wound(name, "a bomb", lambda file: _replace(file, bomb.getvalue()))


CELLS = ("", "nan", "inf", "-1", "1e999", "9" * 5000, "²", "../../../secret", "/etc/passwd", "\ud800", "=1+1", "[[[[",
         '[["x", NaN]]', "[null]", '{"a": 1}', "\x00", "a" * 5000, "class:0-99999999", "\u202e")  # fmt: skip
"""What stands in the place of a cell, and of a value of TOML."""


Inside = Iterator[tuple[str, Callable[[Path], Any]]]
"""Changes of what a file holds."""


def _of_tensors(path: Path) -> Inside:
    """Tensors changed, left out, and added, with the checksum that goes with them where there is one."""
    found = tensor_cache.load(path)
    with safe_open(path, "pt") as file:
        tensors, said = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118

    def saved(file: Path, changed: dict[str, Tensor]) -> None:
        file.unlink(missing_ok=True)
        if found is None:
            save_file({key: one.contiguous() for key, one in changed.items()}, file, said)
        else:
            tensor_cache.save(file, changed, found[1])

    for key, tensor in tensors.items():
        for what, change in TENSORS.items():
            with suppress(RuntimeError):  # there is no such number of its kind
                changed = tensors | {key: change(tensor)}
                yield f"{key} is {what}", partial(saved, changed=changed)
        left = {other: one for other, one in tensors.items() if other != key}
        yield f"without {key}", partial(saved, changed=left)
    yield "one more", partial(saved, changed=tensors | {"x": torch.zeros(2)})


def _of_csv(path: Path) -> Inside:
    """Cells of the first two rows, the header among them, changed."""
    text = path.read_text()
    rows, turn = list(csv.reader(io.StringIO(text, newline=""))), cycle(CELLS)
    for place, row in list(enumerate(rows))[:2]:
        for column in range(len(row)):
            for new in islice(turn, 5):
                changed = [[*one] for one in rows]
                changed[place][column] = new
                written = io.StringIO()
                csv.writer(written, lineterminator="\n").writerows(changed)
                data = written.getvalue().encode("utf-8", "surrogatepass")
                said = f"{place}.{column} = {new[:20]!r}"
                yield said, partial(_replace, data=data)


def _of_lines(path: Path) -> Inside:
    """The first and the last line changed."""
    lines = path.read_text().splitlines()
    for place in (0, len(lines) - 1):
        for new in CELLS:
            changed = [*lines[:place], new, *lines[place + 1 :]]
            data = "\n".join(changed).encode("utf-8", "surrogatepass")
            said = f"line {place} = {new[:20]!r}"
            yield said, partial(_replace, data=data)


def _of_toml(path: Path) -> Inside:
    """Values changed, and texts among them."""
    lines, turn = path.read_text().splitlines(), cycle(VALUES)
    for place, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        for new in islice(turn, 5 if equals else 0):
            told = "nan" if new is None else json.dumps(new).replace("NaN", "nan").replace(": ", " = ")
            data = "\n".join([*lines[:place], f"{key} = {told}", *lines[place + 1 :]]).encode()
            said = f"{key} = {str(new)[:20]!r}"
            yield said, partial(_replace, data=data)


def _of_json(name: str, value: Any, *, every: bool) -> Iterator[Wound]:
    found = {} if every else {kind_of(repr(place)): place for place in _places(value)}
    turn = cycle(VALUES)
    for place in _places(value) if every else found.values():
        for new in VALUES if every else islice(turn, 7):
            text = json.dumps(_changed(value, place, new)).encode()
            said = f"{'.'.join(map(str, place))} = {str(new)[:20]!r}"
            yield Wound(name, said, lambda file, text=text: _replace(file, text))  # type: ignore[misc]


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = (
        value.items()
        if isinstance(value, dict)
        else list(enumerate(value))[:2]
        if isinstance(value, list)
        else ()
    )
    for key, part in entries:
        yield (*above, key)
        if len(above) < 4:
            yield from _places(part, (*above, key))


def _changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    copied = json.loads(json.dumps(value))
    *way, last = place
    part = copied
    for key in way:
        part = part[key]
    part[last] = new
    return copied


def _replace(file: Path, data: bytes) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(data)


def _arrays(changes: Callable[[Path], Changes]) -> Callable[[Path], Inside]:
    def found(path: Path) -> Inside:
        for what, data in changes(path):
            yield what, partial(_replace, data=data)

    return found


INSIDE: dict[str, Callable[[Path], Inside]] = {
    ".safetensors": _of_tensors, ".csv": _of_csv, ".toml": _of_toml, ".txt": _of_lines, ".yaml": _of_lines,
    ".pt": _arrays(of_torch), ".npz": _arrays(of_numpy), ".npy": _arrays(of_numpy), ".tar": _arrays(of_tar),
}  # fmt: skip
"""How what a file holds is changed, by what its name ends with."""
