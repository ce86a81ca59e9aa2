"""The examples with which the help of every command ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.test_options import COMMANDS
from vital.cli import main
from vital.cli.examples import EXAMPLES, WIDTH

Cli = Callable[..., Any]

LINES = [line for lines in EXAMPLES.values() for line in lines]
RUNNING = [
    line for name, lines in EXAMPLES.items() for line in lines
    if " world" in line or name in ("methods", "doctor", "report")
]  # fmt: skip


def test_every_command_has_an_example_and_its_help_shows_it(vital: Cli) -> None:
    assert {*EXAMPLES} == {*COMMANDS}
    for name, lines in EXAMPLES.items():
        shown = vital(*name.split(), "--help").out.partition("Examples:\n")[2]
        typed = [" ".join(part.split()) for part in shown.replace("\\\n", " ").splitlines() if part.strip()]
        assert typed == [*lines]
        assert max(map(len, shown.splitlines())) <= WIDTH + 6


@pytest.mark.parametrize("line", LINES)
def test_every_example_is_understood(line: str) -> None:
    program, *words = shlex.split(line)
    name = next(
        own for own in sorted(COMMANDS, key=len, reverse=True) if words[: len(own.split())] == own.split()
    )
    command, rest = COMMANDS[name], words[len(name.split()) :]
    assert program == "vital"
    with command.make_context(name, rest) as context:
        assert not context.args


@pytest.mark.slow
def test_the_examples_of_the_world_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "red").save("photo.png")
    assert len(RUNNING) > 15
    for line in RUNNING:
        assert main(shlex.split(line)[1:]) == 0, (line, capsys.readouterr().err)
