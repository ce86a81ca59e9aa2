import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vital.errors import RunError
from vital.utils import tensor_cache as store


def test_what_was_saved_comes_back_with_its_notes(tmp_path: Path) -> None:
    store.save(tmp_path / "deep" / "a.safetensors", {"x": torch.arange(3)}, {"names": ["é"]})
    tensors, notes = store.load(tmp_path / "deep" / "a.safetensors")
    assert tensors["x"].tolist() == [0, 1, 2]
    assert notes == {"names": ["é"]}
    assert [f.name for f in (tmp_path / "deep").iterdir()] == ["a.safetensors"]


def test_a_missing_or_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    assert store.load(tmp_path / "bad.safetensors") is None
    assert store.load(tmp_path / "none.safetensors") is None


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"^cannot write '.*': "):
        store.save(tmp_path / "file" / "a.safetensors", {"x": torch.zeros(1)}, {})


def test_prune_keeps_the_newest(tmp_path: Path) -> None:
    for i in range(4):
        store.save(tmp_path / f"{i}.safetensors", {"x": torch.zeros(100)}, {})
        os.utime(tmp_path / f"{i}.safetensors", (i, i))
    size = (tmp_path / "0.safetensors").stat().st_size
    store.prune(tmp_path, limit=2 * size)
    assert sorted(f.stem for f in tmp_path.iterdir()) == ["2", "3"]
    store.prune(tmp_path, limit=size // 2)
    assert [f.stem for f in tmp_path.iterdir()] == ["3"]


def test_what_was_just_written_stays_even_where_it_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LIMIT_BYTES", 100)
    for name in "ab":
        store.keep(tmp_path / f"{name}.safetensors", {"x": torch.zeros(100)})
        assert store.load(tmp_path / f"{name}.safetensors") is not None
    old = 10**9
    os.utime(tmp_path / "a.safetensors", ns=(old, old))
    store.keep(tmp_path / "c.safetensors", {"x": torch.zeros(100)})
    assert sorted(f.stem for f in tmp_path.iterdir()) == ["b", "c"]


def test_processes_that_write_at_once_leave_each_other_what_they_wrote(tmp_path: Path) -> None:
    code = """
import sys, torch
from pathlib import Path
from vital.utils import tensor_cache as store
store.LIMIT_BYTES = 1000
folder, name = Path(sys.argv[1]), sys.argv[2]
for i in range(20):
    store.keep(folder / f"{name}{i}.safetensors", {"x": torch.full((100,), i)})
for i in range(20):
    assert store.load(folder / f"{name}{i}.safetensors")[0]["x"][0] == i
"""
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [one.wait(timeout=120) for one in both] == [0, 0]


def test_what_is_missing_or_damaged_is_made_and_kept(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, torch.Tensor]:
        made.append(len(made))
        return {"x": torch.tensor(len(made))}

    path = tmp_path / "a.safetensors"
    assert store.cached(path, make)["x"] == store.cached(path, make)["x"] == 1
    path.write_bytes(path.read_bytes()[:-3])
    assert store.cached(path, make)["x"] == store.cached(path, make)["x"] == 2
    path.unlink()
    assert store.cached(path, make)["x"] == 3


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(RunError, match=r"^cannot write '.*x\.safetensors': "):
            store.save(tmp_path / "x.safetensors", {"x": torch.zeros(4096)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tensor", "kind", "shape", "right"),
    [
        (torch.zeros(3, 2), torch.float32, (3, 2), True), (torch.zeros(3, 2), torch.float32, (None, 2), True),
        (torch.zeros(3, 2), torch.float32, (None, None), True), (torch.zeros(()), torch.float32, (), True),
        (torch.zeros(0, 2), torch.float32, (None, 2), True), (torch.arange(3), torch.int64, (3,), True),
        (torch.tensor([torch.inf]), torch.float32, (1,), True), (torch.zeros(1).bool(), torch.bool, (1,), True),
        (torch.zeros(3, 2), torch.float64, (3, 2), False), (torch.arange(3), torch.float32, (3,), False),
        (torch.zeros(3, 2), torch.float32, (3,), False), (torch.zeros(3), torch.float32, (3, None), False),
        (torch.zeros(3, 2), torch.float32, (3, 1), False), (torch.zeros(3, 2), torch.float32, (2, None), False),
        (torch.zeros(3, 2), torch.float32, (0, 2), False), (torch.tensor([0.0, torch.nan]), torch.float32, (2,), False),
        (torch.tensor([0.0, torch.nan]).half(), torch.float16, (None,), False),
    ],
)  # fmt: skip
def test_a_table_has_a_type_a_shape_and_numbers(
    tensor: torch.Tensor, kind: torch.dtype, shape: tuple[int | None, ...], right: bool
) -> None:
    assert store.is_table(tensor, kind, *shape) is right


def test_a_large_table_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SUMMED_BYTES", 8)
    assert not store.is_table(torch.full((2,), torch.nan), torch.float32, 2)
    assert store.is_table(torch.full((3,), torch.nan), torch.float32, 3)
    assert not store.is_table(torch.full((3,), torch.nan), torch.float32, 2)


def test_what_does_not_fit_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    store.save(path := tmp_path / "a.safetensors", {"x": torch.arange(3)}, {"of": "a"})
    assert store.load(path, lambda found: len(found["x"]) == 3) is not None
    assert store.load(path, lambda found: len(found["x"]) == 2) is None
    assert store.load(path, lambda found: len(found["y"]) == 3) is None


@pytest.mark.parametrize("left", ["another key", "another table", "no table", "nothing"])
def test_the_cache_makes_again_what_does_not_fit(tmp_path: Path, left: str) -> None:
    path, made = tmp_path / "a.safetensors", list[str]()
    held = (
        {"x": torch.zeros(2 if left == "another table" else 3)}
        if left != "no table"
        else {"y": torch.ones(3)}
    )
    if left != "nothing":
        store.save(path, held, {"of": "b" if left == "another key" else "a"})

    def make() -> dict[str, torch.Tensor]:
        made.append(left)
        return {"x": torch.ones(3)}

    for _ in range(2):
        found = store.cached(path, make, lambda found: store.is_table(found["x"], torch.float32, 3))
        assert found["x"].tolist() == [1, 1, 1]
    assert made == [left], "and keeps it"
