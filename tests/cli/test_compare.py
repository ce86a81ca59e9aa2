import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vital.comparing.measures import COSTS

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def images(here: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 16, 16, 3), dtype=np.uint8)
    np.savez(here / "images.npz", images=pixels, labels=np.arange(24) % 5)


WORDS = [
    "compare",
    "net.py:make",
    "class:0-1",
    "--weights",
    "random",
    "--images",
    "images.npz",
    "--out",
    "run",
]


def test_a_comparison_is_printed_and_written(vital: Cli, here: Path) -> None:
    few = ("--seeds", 1, "--set", "fourier.steps=2", "--set", "pixels.steps=2", "--controls", "real images")
    methods = ("--methods", "fourier,pixels", "--images", "images.npz")
    asked = ("compare", "net.py:make", "class:0-1", "--weights", "random", *methods, *few)
    answer = vital(*asked, "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    header, *lines = answer.out.splitlines()
    assert header.split() == ["metric", "fourier", "pixels", "real", "images", "informative"]
    assert any(line.startswith("percentile ↑") for line in lines)
    assert "too few to say" in answer.out
    for name in ("comparison.csv", "table.csv", "table.md", "table.tex", "montage.png"):
        assert (here / "run" / name).stat().st_size > 100
    again = vital(*asked, "--out", "run")
    assert again.code == 0


def test_wrong_requests_are_one_sentence(vital: Cli, here: Path) -> None:
    base = ("compare", "net.py:make", "class:0", "--weights", "random", "--out", "run")
    assert "give --images DIR or --bank FILE" in vital(*base).err
    answer = vital(*base, "--images", "images.npz", "--set", "steps=2")
    assert answer.code == 2
    assert "METHOD.FIELD=VALUE" in answer.err
    assert "did you mean 'fourier'" in vital(*base, "--images", "images.npz", "--methods", "furier").err
    few = (*base, "--images", "images.npz", "--no-controls", "--controls", "real images")
    assert "--controls and --no-controls are both given" in vital(*few).err
    assert not (here / "run").exists()


def test_pictures_made_elsewhere_are_measured_beside_methods(vital: Cli, here: Path) -> None:
    words = WORDS
    few = ("--methods", "fourier", "--set", "fourier.steps=2", "--no-controls", "--seeds", 1)
    (here / "theirs").mkdir()
    missing = vital(*words, *few, "--pictures", "published=theirs")
    assert missing.code == 1
    assert "has no picture of class:0 for the method published" in missing.err
    assert not (here / "run" / "units").exists()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(here / "theirs" / f"class_{number}.png")
    answer = vital(*words, *few, "--pictures", "published=theirs")
    assert (answer.code, answer.err) == (0, "")
    rows = scores(here / "run")
    assert {row["method"] for row in rows} == {"fourier", "published"}
    assert sum(row["method"] == "published" and row["metric"] == "percentile" for row in rows) == 2
    assert "write --pictures NAME=DIR" in vital(*words, *few, "--pictures", "theirs").err


def test_fewer_seeds_and_equal_steps_are_as_asked(vital: Cli, here: Path) -> None:
    words = WORDS
    few = (
        "--methods",
        "fourier,pixels",
        "--set",
        "fourier.steps=2",
        "--budget",
        "steps",
        "--no-controls",
    )
    answer = vital(*words, *few, "--seeds", 2, "--seeds", "pixels=1")
    assert (answer.code, answer.err) == (0, "")
    assert "pixels has 1 of 2 seeds" in answer.out
    steps = {row["method"]: float(row["value"]) for row in scores(here / "run") if row["metric"] == "steps"}
    assert steps == {"fourier": 2, "pixels": 2}
    assert (here / "run" / "units" / "class_0" / "fourier-1.png").exists()
    assert (here / "run" / "units" / "class_0" / "pixels-0.png").exists()
    assert not (here / "run" / "units" / "class_0" / "pixels-1.png").exists()
    assert "allowed are whole numbers from 1" in vital(*words, "--seeds", "vital=0").err
    assert "did you mean 'steps'" in vital(*words, "--budget", "step").err


def scores(run: Path) -> list[dict[str, str]]:
    with (run / "comparison.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def kept(run: Path) -> dict[str, bytes]:
    """All that does not tell of time: pictures, records, scores and the montage."""
    aside = ("log.jsonl", "comparison.csv", "table.csv", "table.md", "table.tex")
    return {
        str(file.relative_to(run)): file.read_bytes()
        for file in run.rglob("*")
        if file.is_file() and file.name not in aside
    }


def timeless(run: Path) -> list[dict[str, str]]:
    return [row for row in scores(run) if row["metric"] not in COSTS or row["metric"] in ("steps", "peak MB")]


@pytest.mark.slow
@pytest.mark.parametrize("stopped_at", ["units/class_1/fourier-0.json", "scores/*.json"])
def test_a_killed_comparison_ends_with_the_same_bytes(vital: Cli, here: Path, stopped_at: str) -> None:
    words = [
        "compare",
        "net.py:make",
        "class:0-2",
        "--weights",
        "random",
        "--images",
        "images.npz",
        "--seeds",
        "1",
    ]
    words += [
        "--methods",
        "fourier,pixels",
        "--set",
        "fourier.steps=60",
        "--set",
        "pixels.steps=4",
        "--batch",
        "1",
    ]
    words += ["--controls", "real images", "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    process = subprocess.Popen([sys.executable, "-m", "vital", *words, "killed"], env=environment)
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if next((here / "killed").glob(stopped_at), None):
            break
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert next((here / "killed").glob(stopped_at), None)
    assert not (here / "killed" / "comparison.csv").exists()

    assert vital(*words, "killed").code == 0
    assert vital(*words, "straight").code == 0
    assert kept(here / "killed") == kept(here / "straight")
    assert timeless(here / "killed") == timeless(here / "straight")
