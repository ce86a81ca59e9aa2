import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vital import build_bank, load_bank, load_images, load_model
from vital.data import joined

Cli = Callable[..., Any]


@pytest.fixture
def parts(vital: Cli, here: Path, pictures: Path) -> list[str]:
    """Three banks, of the images of some classes each."""
    found = []
    for name, classes in (("a", ["ant", "bee"]), ("b", ["cat"]), ("c", ["dog", "elk"])):
        for folder in classes:
            shutil.move(pictures / folder, here / name / folder)
        words = ("--layers", "3", "--images", name, "--out", f"{name}.safetensors", "--top", 5)
        assert vital("bank", "net.py:make", *words).code == 0
        found.append(f"{name}.safetensors")
    return found


def test_a_merged_bank_is_that_of_all_images_and_renders_alone(
    vital: Cli, here: Path, parts: list[str]
) -> None:
    made = vital("merge", "net.py:make", *parts, "--out", "all.safetensors")
    assert made.code == 0
    assert made.out.startswith("all.safetensors: 16 images of 3 banks, layers 3, class, ")
    whole, model = joined([load_images(here / name) for name in "abc"]), load_model("net.py:make")
    again = load_bank("all.safetensors", model, whole)
    fresh = build_bank(model, ["3"], whole, top=5, disk=False)
    assert again.key == fresh.key
    assert again.strongest("3:3", 5) == fresh.strongest("3:3", 5)
    drawn = vital("render net.py:make class:0 class:3 --bank all.safetensors --steps 2 --out run")
    assert drawn.code == 0


def test_merged_banks_can_be_merged_again(vital: Cli, parts: list[str]) -> None:
    assert vital("merge", "net.py:make", *parts[:2], "--out", "ab.safetensors").code == 0
    assert vital("merge", "net.py:make", "ab.safetensors", parts[2], "--out", "all.safetensors").code == 0
    drawn = vital("render net.py:make class:2 --bank all.safetensors --steps 2 --out run")
    assert drawn.code == 0
    refused = vital("render net.py:make class:2 --bank all.safetensors --image-labels l.csv --out two")
    assert refused.err == (
        "vital: --image-labels l.csv cannot be given for all.safetensors, whose parts have their own\n"
    )


def test_banks_that_do_not_fit_and_names_that_are_taken_are_refused(
    vital: Cli, here: Path, parts: list[str]
) -> None:
    words = ("--layers", "2", "--images", "c", "--out", "other.safetensors", "--top", 5)
    assert vital("bank", "net.py:make", *words).code == 0
    answer = vital("merge", "net.py:make", parts[0], "other.safetensors", "--out", "all.safetensors")
    assert answer.code == 1
    assert "were made of other layers and cannot be merged" in answer.err
    assert not (here / "all.safetensors").exists()
    (here / "mine").write_text("precious")
    answer = vital("merge", "net.py:make", *parts, "--out", "mine")
    assert answer.err == "vital: 'mine' is there already and is no bank; choose another name\n"
    assert (here / "mine").read_text() == "precious"
