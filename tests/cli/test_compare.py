from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def images(here: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 16, 16, 3), dtype=np.uint8)
    np.savez(here / "images.npz", images=pixels, labels=np.arange(24) % 5)


def test_a_comparison_is_printed_and_written(vital: Cli, here: Path) -> None:
    few = ("--seeds", 1, "--set", "fourier.steps=2", "--set", "pixels.steps=2", "--controls", "real images")
    methods = ("--methods", "fourier,pixels", "--images", "images.npz")
    asked = ("compare", "net.py:make", "class:0-1", "--weights", "none", *methods, *few)
    answer = vital(*asked, "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    assert "percentile (higher is better)" in answer.out
    for name in ("comparison.csv", "table.csv", "table.md", "table.tex", "montage.png"):
        assert (here / "run" / name).stat().st_size > 100
    again = vital(*asked, "--out", "run")
    assert again.code == 0


def test_wrong_requests_are_one_sentence(vital: Cli, here: Path) -> None:
    base = ("compare", "net.py:make", "class:0", "--weights", "none", "--out", "run")
    assert "give --images DIR or --bank FILE" in vital(*base).err
    answer = vital(*base, "--images", "images.npz", "--set", "steps=2")
    assert answer.code == 2
    assert "METHOD.FIELD=VALUE" in answer.err
    assert "did you mean 'fourier'" in vital(*base, "--images", "images.npz", "--methods", "furier").err
    assert not (here / "run").exists()
