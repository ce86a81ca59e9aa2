import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital import build_bank, load_images, load_model
from vital.attribution import feeders

Cli = Callable[..., Any]


def test_a_circuit_is_found_rendered_and_taken_up_again(vital: Cli, here: Path, pictures: Path) -> None:
    words = ("circuit", "net.py:make", "3:3", "--layer", "1", "--images", pictures)
    words = (*words, "--count", 3, "--steps", 40, "--out", "run")
    answer = vital(*words)
    assert answer.code == 0
    model = load_model("net.py:make")
    bank = build_bank(model, ["3", "1"], load_images(pictures), disk=False)
    expected = feeders(model, "3:3", "1", bank.tensor(bank.strongest("3:3", 8)), 3)
    kept = json.loads((here / "run" / "circuit.json").read_text())
    assert kept["unit"] == "3:3"
    assert kept["shares"] == pytest.approx({str(f.unit): f.share for f in expected})
    assert [line.split()[0] for line in answer.out.splitlines()[1:5]] == [
        "3:3",
        *(str(f.unit) for f in expected),
    ]
    for unit in ("3_3", *(f"1_{f.unit.index}" for f in expected)):
        assert (here / "run" / "units" / unit / "vital-0.png").is_file()
    before = (here / "run" / "circuit.png").read_bytes()
    with Image.open(here / "run" / "circuit.png") as sheet:
        assert sheet.width > 3 * 160
    assert vital(*words).code == 0
    assert (here / "run" / "circuit.png").read_bytes() == before


def test_a_circuit_by_a_method_without_images_needs_them_for_the_shares(
    vital: Cli, here: Path, pictures: Path
) -> None:
    words = ("circuit", "net.py:make", "3:3", "--layer", "1", "--method", "fourier", "--steps", 20)
    assert vital(*words, "--out", "run").err == "vital: images are needed; give --images DIR or --bank FILE\n"
    assert vital("bank", "net.py:make", "--layers", "3,1", "--images", pictures, "--out", "b").code == 0
    assert vital(*words, "--bank", "b", "--count", 1, "--out", "run").code == 0
    assert (here / "run" / "circuit.png").is_file()


def test_a_layer_that_does_not_feed_the_unit_is_one_sentence(vital: Cli, pictures: Path) -> None:
    words = ("circuit", "net.py:make", "1:2", "--layer", "3", "--images", pictures, "--steps", 2)
    answer = vital(*words, "--out", "run")
    assert answer.code == 2
    assert "is not before" in answer.err
