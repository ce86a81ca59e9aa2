"""Sixteen processes write one file, one entry of the cache and one report at once, and none of them fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vital.utils.io import json_lines


def written(kind: str, folder: Path) -> list[Path]:
    """Let sixteen processes write; what is there when all have ended well."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("writers.py")), kind, str(folder)],
        capture_output=True, text=True, check=False,
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1",
            "VITAL_CACHE": str(folder / "cache"),
        },
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == [0] * 16, ended.stderr
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not [path for path in found if path.name.endswith(".part") or path.name.startswith(".tmp")]
    return found


def test_a_file(tmp_path: Path) -> None:
    assert written("file", tmp_path) == [tmp_path / "a.txt"]


def test_a_file_of_lines_has_them_all(tmp_path: Path) -> None:
    assert written("lines", tmp_path) == [tmp_path / "a.jsonl"]
    lines = sorted(json_lines(tmp_path / "a.jsonl"))
    assert lines == [[number, i] for number in range(16) for i in range(30)]


@pytest.mark.slow
def test_an_entry_of_the_cache(tmp_path: Path) -> None:
    assert {path.name for path in written("entry", tmp_path)} == {"entry.safetensors", "all.pack"}


@pytest.mark.slow
def test_a_report(tmp_path: Path) -> None:
    assert tmp_path / "run" / "report.html" in written("report", tmp_path)
