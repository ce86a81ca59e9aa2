from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vital import build_bank, load_bank, load_images, load_model
from vital.errors import DataError

Cli = Callable[..., Any]


def test_a_bank_is_made_kept_and_lists_what_it_skipped(vital: Cli, here: Path, pictures: Path) -> None:
    made = vital("bank", "net.py:make", "--layers", "0, 2", "--images", pictures, "--out", "b.safetensors")
    assert made.code == 0
    assert made.out.startswith("b.safetensors: 16 images, layers 0, 2, class, ")
    assert made.err.startswith("vital: skipped cat/broken.png: ")
    before = (here / "b.safetensors").stat().st_mtime_ns, (here / "b.safetensors").read_bytes()
    assert (
        vital("bank", "net.py:make", "--layers", "0,2", "--images", pictures, "--out", "b.safetensors").code
        == 0
    )
    assert (here / "b.safetensors").read_bytes() == before[1]


def test_a_bank_that_is_read_back_ranks_as_before(vital: Cli, here: Path, pictures: Path) -> None:
    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors", "--top", 5)
    model, found = load_model("net.py:make"), load_images(pictures)
    again, fresh = (
        load_bank("b.safetensors", model, found),
        build_bank(model, ["2"], found, top=5, disk=False),
    )
    assert again.key == fresh.key
    assert again.layers == ("2", "class")
    assert again.strongest("2:3", 5) == fresh.strongest("2:3", 5)


def test_a_bank_alone_renders_what_its_images_render(vital: Cli, here: Path, pictures: Path) -> None:
    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors")
    common = ("render", "net.py:make", "class:0", "2:1", "--steps", 2)
    assert vital(*common, "--bank", "b.safetensors", "--out", "one").code == 0
    assert vital(*common, "--images", pictures, "--out", "two").code == 0
    for unit in ("class_0", "2_1"):
        one, two = (next((here / run / "units" / unit).glob("vital-0.png")) for run in ("one", "two"))
        pixels = [Image.open(path).tobytes() for path in (one, two)]
        assert pixels[0] == pixels[1]


@pytest.mark.parametrize("change", ["images", "weights", "preprocessing"])
def test_a_bank_of_something_else_is_refused_by_name(
    vital: Cli, here: Path, pictures: Path, change: str
) -> None:
    from dataclasses import replace

    vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", "b.safetensors")
    if change == "images":
        (pictures / "cat" / "broken.png").unlink()
    model = load_model("net.py:make", seed=int(change == "weights"))
    model = replace(model, mean=(0.5,)) if change == "preprocessing" else model
    with pytest.raises(
        DataError, match=f"the bank 'b.safetensors' was made of other {change}; make it again"
    ):
        load_bank("b.safetensors", model, load_images(pictures))


@pytest.mark.parametrize("content", [None, b"no bank"])
def test_a_file_that_is_no_bank_is_one_sentence(
    vital: Cli, here: Path, pictures: Path, content: bytes | None
) -> None:
    if content is not None:
        (here / "b").write_bytes(content)
    answer = vital(f"render net.py:make class:0 --images {pictures} --bank b --steps 2 --out run")
    assert (answer.code, answer.err) == (
        1,
        "vital: 'b' is not a bank that can be read; make one with vital bank or build_bank\n",
    )


def test_a_wrong_layer_is_answered_with_near_names(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital("bank", "net.py:make", "--layers", "20", "--images", pictures, "--out", "b.safetensors")
    assert answer.code == 2
    assert "the network has no layer '20'; did you mean '2'" in answer.err
    assert not (here / "b.safetensors").exists()


def test_no_layer_at_all_is_one_sentence(vital: Cli, pictures: Path) -> None:
    answer = vital("bank", "net.py:make", "--layers", ",", "--images", pictures, "--out", "b")
    assert (answer.code, answer.err) == (2, "vital: --layers is ','; give names with commas between them\n")


def test_a_folder_in_the_way_is_one_sentence(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital("bank", "net.py:make", "--layers", "2", "--images", pictures, "--out", here)
    assert answer.code == 1
    assert answer.err.startswith("vital: cannot ")
    assert answer.err.count("\n") == 1
