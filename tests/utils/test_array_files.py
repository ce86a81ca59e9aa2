"""Files of numpy whose headers lie."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vital import load_images
from vital.errors import DataError, RunError, WeightsError
from vital.models.weights import read_state
from vital.utils.array_files import read_arrays
from vital.utils.io import read_npy


def header(text: str, values: bytes = b"") -> bytes:
    padded = text.ljust(-(-(len(text) + 11) // 64) * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode() + values


def said(shape: str = "(2, 4, 4, 3)", kind: str = "'|u1'", order: str = "False") -> str:
    return f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}"


def packed(name: str, data: bytes, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as file:
        file.writestr(name, data)
    return buffer.getvalue()


def locked(data: bytes) -> bytes:
    """The same with the mark of a password."""
    found = bytearray(data)
    for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        found[data.index(start) + place] |= 1
    return bytes(found)


VALUES = bytes(96)
GOOD = header(said(), VALUES)
LIES: dict[str, bytes] = {
    "larger": header(said("(20000000000, 4, 4, 3)"), VALUES),
    "smaller": header(said("(1, 4, 4, 3)"), VALUES),
    "negative": header(said("(-2, 4, 4, 3)"), VALUES),
    "huge": header(said(f"({'9' * 60}, 4)"), VALUES),
    "objects": header(said(kind="'|O'"), VALUES),
    "dates": header(said("(12,)", "'<M8[s]'"), VALUES),
    "no type": header(said(kind="'rubbish'"), VALUES),
    "no text": header("\x00" * 40, VALUES),
    "code": header("__import__('os').getcwd()", VALUES),
    "long": header(said() + " " * 20_000, VALUES),
    "cut": GOOD[:40],
    "nothing": b"",
    "another version": GOOD.replace(b"\x01\x00", b"\x07\x00", 1),
}
PACKED: dict[str, bytes] = {
    **{name: packed("images.npy", data) for name, data in LIES.items()},
    "lzma": packed("images.npy", GOOD, zipfile.ZIP_LZMA),
    "bzip2": packed("images.npy", GOOD, zipfile.ZIP_BZIP2),
    "password": locked(packed("images.npy", GOOD)),
    "a text": packed("images.txt", b"words"),
    "cut file": packed("images.npy", GOOD)[:-30],
}


@pytest.mark.parametrize("name", LIES)
def test_an_array_that_lies_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(LIES[name])
    for read, kind in ((load_images, DataError), (read_npy, RunError)):
        with pytest.raises(kind) as caught:
            read(tmp_path / "x.npy")
        assert "pickle" not in str(caught.value)
        assert "x.npy" in str(caught.value)


@pytest.mark.parametrize("name", PACKED)
def test_packed_arrays_that_lie_are_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(PACKED[name])
    for read, kind in ((load_images, DataError), (read_state, WeightsError)):
        with pytest.raises(kind) as caught:
            read(tmp_path / "x.npz")
        assert "pickle" not in str(caught.value)
        assert "x.npz" in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(save: Callable[..., None], tmp_path: Path) -> None:
    rows = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.eye(3, dtype=">i2")),
        "c": np.array("x"),
    }
    save(tmp_path / "x.npz", **rows)
    found = read_arrays(tmp_path / "x.npz")
    assert isinstance(found, dict) is False
    assert {name: found[name].tolist() for name in found} == {
        name: row.tolist() for name, row in rows.items()
    }  # type: ignore[call-overload]


def test_a_file_that_unpacks_to_far_more_than_it_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vital.utils.array_files.FREE", 1000)
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((100, 64, 64, 3), np.uint8))
    with pytest.raises(DataError, match="claims to hold"):
        load_images(tmp_path / "x.npz")


def test_a_name_is_looked_up_without_reading_its_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(3))
    found = read_arrays(tmp_path / "a.npz")
    monkeypatch.setattr(np.lib.format, "read_array", None)
    assert ["images" in found, "labels" in found] == [True, False]
