"""Wounds of files of arrays: those of numpy, of torch and of tape archives."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Changes = Iterator[tuple[str, bytes]]
"""What a file is afterwards, and its bytes."""


def deep(tensor: Tensor) -> Any:
    found: Any = tensor
    for _ in range(200):
        found = {"x": [found]}
    return found


TENSORS: dict[str, Callable[[Tensor], Tensor]] = {
    "NaN": lambda t: torch.full_like(t, torch.nan) if t.is_floating_point() else t[:0] if t.ndim else t[None],
    "-1": lambda t: torch.full_like(t, -1), "2**30": lambda t: torch.full_like(t, 2**30), "bits": lambda t: t.bool(),
    "flat": lambda t: t.reshape(-1)[:-1], "one more axis": lambda t: t[None], "whole": lambda t: t.long(),
    "half": lambda t: t.half(), "one row": lambda t: t[:1] if t.ndim else t[None],
}  # fmt: skip
"""What a tensor becomes, in a file that says of itself that it is whole."""
ODD: dict[str, Callable[[Tensor], Any]] = {
    "complex": lambda t: t.to(torch.complex64), "float8": lambda t: t.to(torch.float8_e4m3fn),
    "sparse": lambda t: t.to_sparse(), "meta": lambda t: t.to("meta"),
    "quantized": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "endless": lambda t: torch.zeros(1).expand(2**20, 2**20), "long": lambda t: torch.zeros(1).expand(2**45),
    "endless rows": lambda t: torch.zeros(1).expand(2**40, t.shape[-1] if t.ndim else 1),
    "a parameter": torch.nn.Parameter, "none": lambda t: None, "a number": lambda t: 7,
    "a text": lambda t: "x" * 5000, "a list": lambda t: [t] * 3, "deep": deep, "inf": lambda t: t / 0,
    "without axes": lambda t: t.reshape(-1)[0], "of axes without end": lambda t: t.reshape(*[1] * 60, *t.shape),
}  # fmt: skip
"""What a tensor becomes in a file of torch."""
TYPES = (
    "bool", "complex64", "datetime64[D]", "U7", "S3", "O", "float16", ">f8", "int64", [("a", "u1"), ("b", "f4")],
)  # fmt: skip
HEADERS = {
    "a shape that lies": {"shape": (10**6, 10**6)}, "a shape below 0": {"shape": (-1, 16)}, "no shape": {"shape": ()},
    "numbers of many digits": {"shape": (10**4000,)}, "a shape of texts": {"shape": ("x",)},
    "a type that is none": {"descr": "zzz"}, "a type of objects": {"descr": "|O"},
    "a wide type": {"descr": "|V999999999"}, "one key more": {"x": 1},
    "an order that is none": {"fortran_order": "yes"},
}  # fmt: skip
"""What the header of an array says of it."""


PARTS = {
    "a link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "a path upward": {"name": "../../x.png"},
    "a hard link": {"type": tarfile.LNKTYPE, "linkname": "secret.json"}, "a pipe": {"type": tarfile.FIFOTYPE},
    "a device": {"type": tarfile.CHRTYPE}, "a folder": {"type": tarfile.DIRTYPE}, "no stem": {"name": ".png"},
    "a path from the top": {"name": "/etc/x.png"}, "a long name": {"name": "a" * 5000 + ".png"},
    "half a character": {"name": "\udcff.png"}, "a name of dots": {"name": "a.b.c.png.cls.json"},
}  # fmt: skip
"""What a part of a sample in an archive becomes."""


def of_torch(path: Path) -> Changes:
    """Tensors changed, left out and added in a file of torch, be they in a table or not."""
    content: dict[str, Any] = torch.load(path, weights_only=True)
    place = next((key for key, part in content.items() if _is_state(part)), None)
    tensors = content if place is None else content[place]

    def whole(changed: Any) -> bytes:
        return _saved(changed if place is None else {**content, place: changed})

    for number, (key, tensor) in enumerate(tensors.items()):
        for what, change in {**TENSORS, **ODD}.items() if number < 2 else ():
            with suppress(RuntimeError, NotImplementedError):  # there is no such number of its kind
                yield f"{key} is {what}", whole({**tensors, key: change(tensor)})
    for key in content if place is not None else ():
        for value in (None, -1, 10**30, float("nan"), "x", [], {}, torch.zeros(2)):
            yield f"{key} is {str(value)[:10]}", _saved({**content, key: value})
        yield f"without {key}", _saved({other: one for other, one in content.items() if other != key})
    named = {f"{'a' * 5000}.{key}": tensor for key, tensor in tensors.items()}
    halves = {f"\ud800{key}": tensor for key, tensor in tensors.items()}
    loop: dict[str, Any] = {**tensors}
    loop["again"] = loop
    for what, found in {
        "one less": dict(list(tensors.items())[1:]), "one more": {**tensors, "x": torch.zeros(2)}, "long names": named,
        "half a character": halves, "itself inside": loop, "numbers as names": dict(enumerate(tensors.values())),
        "a list": list(tensors.values()), "one tensor": torch.zeros(3), "a number": 7,
        "two networks": [tensors, tensors],
    }.items():  # fmt: skip
        with suppress(RecursionError, UnicodeEncodeError):
            yield what, whole(found)
    old = io.BytesIO()
    torch.save(content, old, _use_new_zipfile_serialization=False)
    yield "the old form", old.getvalue()
    yield "the old form cut", old.getvalue()[:-50]
    yield "a bare pickle", pickle.dumps({key: tensor.tolist() for key, tensor in tensors.items()})
    yield from _zipped(path)


def of_numpy(path: Path) -> Changes:
    """An array, or one of several, changed, and what its header says of it."""
    if path.suffix == ".npy":
        yield from _of_array(np.load(path))
        return
    found = dict(np.load(path))
    for name, array in list(found.items())[:2]:
        for what, data in _of_array(array):
            yield f"{name}: {what}", _packed(found, name, data)
    for name in found:
        yield f"without {name}", _packed({key: one for key, one in found.items() if key != name})
    yield "one more", _packed(found, "x", _npy(np.zeros(2)))
    yield "a path in it", _packed(found, "../../../x", _npy(np.zeros(2)))
    yield "a name twice", _packed(found, next(iter(found)), _npy(np.zeros(2)), once=False)
    yield "a bomb in it", _packed(found, "x", _npy(np.zeros(2**29, np.uint8)))
    yield from _zipped(path)


def of_tar(path: Path) -> Changes:
    """Parts of samples that are none, lead elsewhere, or say that they are larger than they are."""
    data = path.read_bytes()
    for what, change in PARTS.items():
        yield what, _taped(data, change)
    for size in (
        b"77777777777\x00",
        b"\x80" + b"\xff" * 11,
        b"-0000000001\x00",
        b"-0000001000\x00",
        b"zzzzzzzzzzz\x00",
    ):
        head = bytearray(data[:512])
        head[124:136] = size
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\x00 " % sum(head)
        yield f"a size of {size!r}", bytes(head) + data[512:]
    yield "twice", data[:-1024] + data
    for label in (b"9" * 5000, b"", b"\xff", b"-1", b"\x00", b'{"label": ' * 10_000, b"[" * 100_000):
        yield f"a label {label[:12]!r}", _taped(data, {}, label)


def _is_state(part: Any) -> bool:
    return isinstance(part, Mapping) and any(isinstance(one, Tensor) for one in part.values())


def _saved(content: Any) -> bytes:
    written = io.BytesIO()
    torch.save(content, written)
    return written.getvalue()


def _npy(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=True)
    return written.getvalue()


def _of_array(array: np.ndarray) -> Changes:
    for kind in TYPES:
        with suppress(TypeError, ValueError):
            yield f"of type {kind}", _npy(array.astype(kind))
    shapes = {"flat": array.reshape(-1), "one": array[:1], "none": array[:0], "one more axis": array[None],
              "without axes": array.reshape(-1)[0], "turned": np.asfortranarray(array)}  # fmt: skip
    for what, found in shapes.items():
        yield what, _npy(np.asarray(found))
    if array.dtype.kind == "f":
        yield "NaN", _npy(np.full_like(array, np.nan))
        yield "inf", _npy(np.full_like(array, np.inf))
    data = _npy(array)
    start = 10 + struct.unpack("<H", data[8:10])[0]
    plain = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    for what, change in HEADERS.items():
        try:
            text = repr({**plain, **change}).encode() + b"\n"
        except ValueError:  # Python writes no number of so many digits
            text = repr(plain).replace(str(array.shape), f"({'9' * 5000},)").encode() + b"\n"
        yield what, data[:6] + b"\x02\x00" + struct.pack("<I", len(text)) + text + data[start:]
    code = b"__import__('os').abort()"
    yield "code in the header", data[:6] + b"\x02\x00" + struct.pack("<I", len(code)) + code + data[start:]
    yield "a long header", data[:6] + b"\x02\x00" + b"\xff" * 4 + data[12:]
    yield "another version", data[:6] + b"\x09\x09" + data[8:]


def _packed(
    found: Mapping[str, np.ndarray], name: str = "", data: bytes = b"", *, once: bool = True
) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for key, array in found.items():
            if key != name or not once:
                packed.writestr(f"{key}.npy", _npy(array))
        if name:
            packed.writestr(f"{name}.npy", data)
    return written.getvalue()


def _zipped(path: Path) -> Changes:
    """The first entry of a zip file locked, packed in a way that is unknown, of another size, and elsewhere."""
    data = path.read_bytes()
    listed = data.rfind(b"PK\x01\x02")
    while (before := data.rfind(b"PK\x01\x02", 0, listed)) >= 0:
        listed = before
    for what, at, new in (
        ("locked", 8, b"\x01\x00"), ("packed otherwise", 10, b"\x63\x00"), ("packed as bzip2", 10, b"\x0c\x00"),
        ("of another sum", 16, b"\x00\x00\x00\x00"), ("of a size that lies", 24, b"\xff\xff\xff\x7f"),
        ("at another place", 42, b"\xff\xff\xff\x7f"), ("of another name", 46, b"\xff"),
    ):  # fmt: skip
        changed = bytearray(data)
        changed[listed + at : listed + at + len(new)] = new
        yield f"an entry {what}", bytes(changed)
    yield "text before it", b"#!/bin/sh\n" * 10 + data


def _taped(data: bytes, change: Mapping[str, Any], label: bytes | None = None) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=written, mode="w") as new:
        for number, entry in enumerate(old):
            held = old.extractfile(entry).read()  # type: ignore[union-attr]
            if label is not None and not entry.name.endswith(".png"):
                held, entry.size = label, len(label)
            for key, value in change.items() if number == 0 else ():
                setattr(entry, key, value)
            new.addfile(entry, io.BytesIO(held) if entry.isfile() else None)
    return written.getvalue()
