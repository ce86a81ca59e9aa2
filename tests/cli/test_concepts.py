from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vital import load_images, load_model
from vital.directions import nmf
from vital.tracing import read_direction

Cli = Callable[..., Any]


def test_directions_are_found_kept_and_rendered(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"concepts net.py:make --layer 3 --images {pictures} --count 2 --out c.safetensors")
    assert answer.code == 0
    assert (
        answer.out == "c.safetensors: 2 directions in 3, from 16 images; the first unit: c.safetensors:0@3\n"
    )
    assert answer.err.startswith("vital: skipped cat/broken.png: ")
    expected = nmf(load_model("net.py:make"), "3", load_images(pictures), 2)
    assert torch.equal(read_direction("c.safetensors:1@3"), expected[1])
    drawn = vital(f"render net.py:make c.safetensors:1@3 --images {pictures} --steps 2 --out run")
    assert drawn.code == 0
    assert drawn.out.splitlines()[1].split()[:3] == ["c.safetensors:1@3", "-", "done"]


def test_a_layer_with_negative_values_is_one_line(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"concepts net.py:make --layer 2 --images {pictures} --count 2 --out c.safetensors")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("vital: the activations at '2' go down to -")
    assert answer.err.count("\n") == 1
    assert not (here / "c.safetensors").exists()


def test_a_name_that_no_unit_reads_is_refused(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"concepts net.py:make --layer 3 --images {pictures} --count 2 --out c.pt")
    assert answer.code == 2
    assert (
        answer.err == "vital: 'c.pt' cannot hold directions; allowed are names NAME.safetensors without '!'\n"
    )
