"""What a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vital.cli import completion, main

Complete = Callable[[str], list[str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """The answers for a line that ends where the cursor is, its words parted as bash parts them."""

    def ask(line: str) -> list[str]:
        words = [part for part in line.replace(":", " : ").replace("=", " = ").split(" ") if part]
        words += [""] if line.endswith(" ") else []
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        monkeypatch.setenv(completion.SHELL, "complete_bash")
        assert main() == 0
        return capsys.readouterr().out.split()

    return ask


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("vital rend", ["render"]),
        ("vital lwta ", ["train"]),
        ("vital layers wor", ["world", "world:competing"]),
        ("vital layers tor", ["torchvision:"]),
        ("vital layers torchvision:resnet10", ["resnet101"]),
        ("vital layers lwta:4/torchvision:resnet10", ["resnet101"]),
        ("vital render world layer4", ["layer4:0"]),
        ("vital render world planted:", ["0"]),
        ("vital render net.py:make lay", []),
        ("vital render world class:0 --method fou", ["fourier"]),
        ("vital render world class:0 --method=fou", ["fourier"]),
        ("vital render world class:0 --meth", ["--method"]),
        ("vital compare world class:0 --methods vital,fou", ["vital,fourier"]),
        ("vital describe world class:0 --methods clip", ["clip-dissect"]),
        ("vital bank world --layers layer3,pl", ["layer3,planted"]),
        ("vital dissect world --layers stem --encoder wo", ["world"]),
        ("vital render world class:0 --device cu", ["cuda"]),
        ("vital methods lin", ["linear"]),
    ],
)
def test_values_are_completed(complete: Complete, line: str, answers: list[str]) -> None:
    assert complete(line) == answers


def test_the_names_are_those_of_the_package() -> None:
    from vital import load_model
    from vital.describing import DESCRIBERS
    from vital.rendering import METHODS
    from vital.tracing import list_layers

    assert {*completion.METHODS} == {*METHODS}
    assert {*completion.DESCRIBERS} == {*DESCRIBERS}
    assert {*completion.WORLD_LAYERS} <= {*list_layers(load_model("world"))}


def test_bash_itself_completes(tmp_path: Path) -> None:
    program = tmp_path / "vital"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m vital "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = subprocess.run(
        [program], env={**env, completion.SHELL: "source_bash"}, capture_output=True, text=True, check=True
    ).stdout
    asked = (
        f"{script}\nCOMP_WORDS=(vital render world class : 0 --method fou); COMP_CWORD=7\n"
        '_vital_completion vital; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], env=env, capture_output=True, text=True, check=True)  # noqa: S607
    assert done.stdout.split() == ["fourier"]
