"""The half of a file goes once its writer is dead, and stays while it lives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vital.errors import RunError
from vital.utils import io, part_files
from vital.utils.part_files import MACHINE, STALE_SECONDS, part_of, sweep

KILLED = (
    "import os, signal, sys; from pathlib import Path; from vital.utils.part_files import part_of\n"
    "with part_of(Path(sys.argv[1])) as part: part.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
)


def halves(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.part"))


def test_what_a_killed_writer_left_goes_with_the_next_write_however_new_it_is(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "a.txt")],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ended.returncode == -signal.SIGKILL
    assert [half.read_bytes() for half in halves(tmp_path)] == [b"half"]
    io.write(tmp_path / "a.txt", "whole")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_what_another_writes_stays_however_old_it_is(tmp_path: Path) -> None:
    with part_of(tmp_path / "a.txt") as part:
        os.utime(part, (0, 0))
        io.write(tmp_path / "a.txt", "of another")
        assert halves(tmp_path) == [part]
    assert halves(tmp_path) == []


@pytest.mark.parametrize("locks", [True, False])
def test_the_time_tells_where_locks_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    ours = MACHINE if not locks else "elsewhere"
    old, new = tmp_path / f".a.txt.{ours}0.part", tmp_path / f".a.txt.{ours}1.part"
    for part in (old, new):
        part.touch()
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    if not locks:
        monkeypatch.setattr(part_files, "LOCKS", None)
    sweep(tmp_path / "a.txt")
    assert halves(tmp_path) == [new]
    with part_of(tmp_path / "a.txt") as part:
        assert part in halves(tmp_path)


def test_a_half_that_is_swept_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, seen = part_files.LOCKS.flock, list[str]()

    def late(file: int, how: int) -> None:
        if not seen:
            seen.extend(half.name for half in halves(tmp_path))
            halves(tmp_path)[0].unlink()
        lock(file, how)

    monkeypatch.setattr(part_files.LOCKS, "flock", late)
    with part_of(tmp_path / "a.txt") as part:
        assert part.exists()
        assert part.name not in seen


def test_lines_that_find_no_room_are_an_error(tmp_path: Path) -> None:
    """A short write of a file without a buffer raises nothing by itself."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from vital.utils.io import append_json\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))\n"
        "append_json(Path(sys.argv[1]), ['a' * 100])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.jsonl")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert f"{RunError.__name__}: cannot write" in ended.stderr
    assert list(io.json_lines(tmp_path / "a.jsonl")) == []
    io.append_json(tmp_path / "a.jsonl", ["b"])
    assert list(io.json_lines(tmp_path / "a.jsonl")) == ["b"]
