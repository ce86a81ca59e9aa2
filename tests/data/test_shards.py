import io
import json
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vital.data import load_images, shards
from vital.errors import DataError
from vital.models import Model

MODEL = Model(nn.Identity(), size=(8, 8))


def picture(number: int, kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (9, 10, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG" if kind == "jpg" else kind)
    return buffer.getvalue()


def tar(path: Path, *samples: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        for sample in samples:
            for name, data in sample.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
    return path


def samples(numbers: range, label: str = "cls", kind: str = "jpg") -> list[dict[str, bytes]]:
    says = {
        "cls": lambda i: str(i % 3).encode(),
        "json": lambda i: json.dumps({"label": f"kind {i % 2}", "width": 10}).encode(),
        "txt": lambda i: ("cat", "dog")[i % 2].encode(),
        "caption.txt": lambda i: f"picture number {i}".encode(),
    }[label]
    return [{f"{i:03d}.{kind}": picture(i, kind), f"{i:03d}.{label}": says(i)} for i in numbers]


def test_a_tar_file_is_a_set_with_labels(tmp_path: Path) -> None:
    found = load_images(tar(tmp_path / "a.tar", *samples(range(6))))
    assert found.names == tuple(f"{i:03d}.jpg" for i in range(6))
    assert found.labels == (0, 1, 2, 0, 1, 2)
    assert found.name == "a.tar"
    for i in range(6):
        assert np.array_equal(np.asarray(found[i]), np.asarray(Image.open(io.BytesIO(picture(i, "jpg")))))


@pytest.mark.parametrize(
    ("label", "names"), [("json", ("kind 0", "kind 1")), ("txt", ("cat", "dog")), ("caption.txt", ())]
)
def test_labels_are_read_where_they_are(tmp_path: Path, label: str, names: tuple[str, ...]) -> None:
    found = load_images(tar(tmp_path / "a.tar", *samples(range(6), label)))
    assert found.class_names == names
    assert found.labels == ((0, 1) * 3 if names else (None,) * 6)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_several_shards_are_one_set(tmp_path: Path, kind: str) -> None:
    for shard in range(3):
        tar(tmp_path / f"s-{shard:02d}.tar", *samples(range(4 * shard, 4 * shard + 4), kind=kind))
    (tmp_path / "notes.txt").write_text("of no concern")
    folder, pattern = load_images(tmp_path), load_images(str(tmp_path / "s-{00..02}.tar"))
    assert len(folder) == len(pattern) == 12
    assert folder.names == pattern.names
    assert folder.names[4] == f"s-01/004.{kind}"
    assert np.array_equal(np.asarray(folder[11]), np.asarray(Image.open(io.BytesIO(picture(11, kind)))))
    two = load_images(str(tmp_path / "s-{00,02}.tar"))
    assert two.names[4:] == folder.names[8:]


def test_files_and_shards_know_pictures_by_the_same_bytes(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for i in range(20):
        (files / f"{i:03d}.png").write_bytes(picture(i))
    packed = load_images(tar(tmp_path / "a.tar", *samples(range(20), kind="png")))
    plain = load_images(files)
    assert torch.equal(packed.part(), plain.part())
    assert torch.equal(packed.tensor(range(20), MODEL), plain.tensor(range(20), MODEL))


def test_the_hash_follows_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (tar(tmp_path / f"{n}.tar", *samples(range(n, n + 4))) for n in (0, 1))
    first, second = (replace(load_images(path), name="x", names=tuple("abcd")) for path in (one, other))
    assert first.hash() != second.hash()
    assert replace(first).hash() == first.hash()
    monkeypatch.setattr(shards, "MANY", 2)
    assert replace(first).hash() != first.hash()
    before = replace(first).hash()
    one.touch()
    assert replace(first).hash() != before


def test_shards_are_read_by_workers_and_can_be_pickled(tmp_path: Path) -> None:
    found = load_images(tar(tmp_path / "a.tar", *samples(range(30))))
    here, there = (list(replace(found, workers=n).batches(MODEL, 4)) for n in (0, 2))
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(here, there, strict=True))
    again = pickle.loads(pickle.dumps(found.source))  # noqa: S301
    assert np.array_equal(np.asarray(again.read(3)), np.asarray(found[3]))


def test_damaged_pictures_are_skipped_and_samples_without_one_left_out(tmp_path: Path) -> None:
    made = samples(range(4))
    made[1]["001.jpg"] = b"rubbish"
    found = load_images(tar(tmp_path / "a.tar", *made, {"x.json": b"{}"}, {".hidden": b""}))
    assert len(found) == 4
    assert found.load(range(4), MODEL)[0] == [0, 2, 3]
    assert [name for name, _ in found.skipped] == ["001.jpg"]


def test_folders_in_a_tar_are_part_of_the_names(tmp_path: Path) -> None:
    made = [{f"train/{i}.jpg": picture(i, "jpg"), f"train/{i}.cls": b"7"} for i in range(2)]
    found = load_images(tar(tmp_path / "a.tar", *made))
    assert (found.names, found.labels) == (("train/0.jpg", "train/1.jpg"), (7, 7))


def test_splits_are_folders_of_shards(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    tar(tmp_path / "val" / "0.tar", *samples(range(3)))
    assert len(load_images(tmp_path, split="val")) == 3
    with pytest.raises(DataError, match="split 'test' needs a folder of that name"):
        load_images(tmp_path / "val" / "0.tar", split="test")


def test_what_is_no_set_of_shards_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*b-1\.tar"):
        load_images(str(tmp_path / "b-{1..2}.tar"))
    tar(tmp_path / "z.tar", *samples(range(2)), mode="w:gz")
    with pytest.raises(
        DataError, match=r"z\.tar cannot be read as a tar file: .*; it must be whole and not compressed"
    ):
        load_images(tmp_path / "z.tar")
    whole = tar(tmp_path / "w.tar", *samples(range(2))).read_bytes()
    (tmp_path / "w.tar").write_bytes(whole[:900])
    with pytest.raises(DataError, match=r"w\.tar cannot be read as a tar file"):
        load_images(tmp_path / "w.tar")
    with pytest.raises(DataError, match=r"e.tar holds no images; a sample has one of \.jpg"):
        load_images(tar(tmp_path / "e.tar", {"a.json": b"{}"}))


@pytest.mark.parametrize(
    ("kind", "label", "found"),
    [("json", b"[" * 100_000, None), ("json", b'{"label": 1e400}', None), ("cls", b"9" * 5000, "9" * 5000)],
)
def test_labels_that_no_reader_takes_hold_nothing_up(
    tmp_path: Path, kind: str, label: bytes, found: str | None
) -> None:
    odd = {"0.png": picture(0), f"0.{kind}": label}
    images = load_images(tar(tmp_path / "a.tar", odd, {"1.png": picture(1), f"1.{kind}": b"3"}))
    named = [None if one is None else (images.class_names or range(9))[one] for one in images.labels]
    assert [str(one) if one is not None else None for one in named] == [found, "3"]


@pytest.mark.parametrize("pattern", ["{0..99999999}", "{0..999}{0..999}{0..9}", f"{{0..{'9' * 5000}}}"])
def test_patterns_of_too_many_names_are_refused_at_once(pattern: str) -> None:
    with pytest.raises(DataError, match="stands for more than 1,000,000 names"):
        shards.expanded(f"a-{pattern}.tar")


@pytest.mark.parametrize(
    "size",
    [
        b"-0000001000\0",
        b"-0000000001\0",
        b"77777777777\0",
        b"\x80" + b"\xff" * 11,
        b"\xff" * 12,
        b"zzzzzzzzzzz\0",
    ],
)
def test_a_size_that_lies_is_one_sentence(tmp_path: Path, size: bytes) -> None:
    data = bytearray(tar(tmp_path / "a.tar", *samples(range(2))).read_bytes())
    data[124:136] = size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tar cannot be read as a tar file"):
        load_images(tmp_path / "a.tar")
