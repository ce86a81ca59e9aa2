import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vital.errors import RunError
from vital.utils import tensor_cache, tensor_pack
from vital.utils.hashing import key_of


def name(number: int) -> str:
    return key_of(number)


def put(path: Path, number: int, size: int = 10) -> None:
    tensor_pack.put(path, name(number), {"x": torch.full((size,), float(number))}, {"number": number})


def held(path: Path, numbers: range) -> list[int]:
    return [i for i in numbers if tensor_pack.get(path, name(i)) is not None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "a.pack"


def test_what_was_put_comes_back(path: Path) -> None:
    assert tensor_pack.get(path, name(0)) is None
    for i in range(5):
        put(path, i)
    for i in range(5):
        tensors, notes = tensor_pack.get(path, name(i))
        assert tensors["x"].tolist() == [i] * 10
        assert notes == {"number": i}
    assert tensor_pack.get(path, name(5)) is None
    put(path, 2, 3)
    assert len(tensor_pack.get(path, name(2))[0]["x"]) == 3
    tensor_pack._indices.clear()
    assert len(tensor_pack.get(path, name(2))[0]["x"]) == 3
    assert held(path, range(6)) == [0, 1, 2, 3, 4]


def test_tensors_come_back_in_the_order_in_which_they_were_put(path: Path) -> None:
    layers = ["relu3", "conv1", "relu4", "bn", "relu1", "a", "head", "b"]
    tensor_pack.put(path, name(0), {layer: torch.zeros(1) for layer in layers}, {})
    for _ in range(5):
        tensors, _ = tensor_pack.get(path, name(0))
        assert list(tensors) == layers


@pytest.mark.parametrize("cut", [1, 20, 60, 150])
def test_a_record_that_was_cut_off_is_written_over(path: Path, cut: int) -> None:
    for i in range(3):
        put(path, i)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert held(path, range(3)) == [0, 1]
    put(path, 2)
    assert held(path, range(3)) == [0, 1, 2]
    assert path.read_bytes() == whole


def test_a_damaged_record_is_missing_and_may_be_put_again(path: Path) -> None:
    for i in range(3):
        put(path, i)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert held(path, range(3)) == [0, 2]
    put(path, 1)
    assert held(path, range(3)) == [0, 1, 2]


def test_rubbish_is_no_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"rubbish " * 20)
    assert held(path, range(3)) == []
    put(path, 0)
    assert held(path, range(3)) == [0]


def test_the_newest_stay_where_the_file_becomes_too_large(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_pack, "LIMIT_BYTES", 2500)
    for i in range(20):
        put(path, i, 50)
        assert path.stat().st_size <= 2500
        assert held(path, range(20))[-1] == i
    assert held(path, range(20)) == list(range(held(path, range(20))[0], 20))
    put(path, 30, 5000)
    assert held(path, range(31)) == [30]


def test_files_of_other_layers_go_oldest_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_pack, "LIMIT_BYTES", 500)
    monkeypatch.setattr(tensor_cache, "FRESH_SECONDS", -1)
    for i in range(3):
        put(path.with_name(f"{i}.pack"), i, 50)
    assert [one.name for one in path.parent.glob("*.pack")] == ["2.pack"]


def test_a_file_in_the_place_of_another_is_read_anew_though_its_number_is_the_same(
    path: Path, tmp_path: Path
) -> None:
    for i in (1, 2):
        put(path, i)
    for i in (2, 1, 3):
        put(tmp_path / "b.pack", i)
    path.write_bytes((tmp_path / "b.pack").read_bytes())
    for i in (1, 2, 3):
        assert tensor_pack.get(path, name(i))[0]["x"].tolist() == [i] * 10


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"^cannot write '.*': "):
        put(tmp_path / "file" / "a.pack", 0)


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    code = """
import sys, torch
from pathlib import Path
from vital.utils import tensor_pack
from vital.utils.hashing import key_of
first = int(sys.argv[2])
for i in range(first, first + 20):
    tensor_pack.put(Path(sys.argv[1]), key_of(i), {"x": torch.zeros(1000)}, {})
    assert tensor_pack.get(Path(sys.argv[1]), key_of(i))
"""
    runs = [subprocess.Popen([sys.executable, "-c", code, str(path), str(20 * i)]) for i in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert held(path, range(60)) == list(range(60))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_one_sentence(path: Path, kind: str) -> None:
    path.parent.mkdir()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    for use in (lambda: put(path, 0), lambda: tensor_pack.get(path, name(0))):
        with pytest.raises(RunError, match=r"it is no file, but a (folder|pipe); remove it"):
            use()
