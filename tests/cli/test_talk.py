import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from vital.cli import talk
from vital.cli.app import app

Cli = Callable[..., Any]
FAST = "--method fourier --steps 2"


def commands(group: Any = None) -> Iterator[tuple[str, Any]]:
    for name, command in (group or typer.main.get_command(app)).commands.items():
        yield from commands(command) if hasattr(command, "commands") else [(name, command)]


def test_every_command_can_be_quiet_and_verbose() -> None:
    for name, command in commands():
        spelled = {option for parameter in command.params for option in parameter.opts}
        assert {"--quiet", "-q", "--verbose", "-v"} <= spelled, name


def test_a_quiet_command_names_its_files_alone(vital: Cli, here: Path, pictures: Path) -> None:
    answer = vital(f"render net.py:make class:0-1 {FAST} --out run -q")
    assert (answer.out, answer.err) == (f"{Path('run') / 'sheet.png'}\n", "")
    assert (here / "run" / "sheet.png").is_file()
    answer = vital("bank net.py:make --layers 0 --images pictures --out made.bank --quiet")
    assert (answer.out, answer.err) == ("made.bank\n", "")  # no word of the image that cannot be read


def test_a_quiet_command_without_files_gives_its_answer(vital: Cli) -> None:
    assert vital("layers net.py:make -q").out == vital("layers net.py:make").out != ""


def test_a_quiet_command_tells_its_errors(vital: Cli) -> None:
    answer = vital(f"render net.py:sick class:0-1 {FAST} --out run -q")
    assert answer.code == 1
    assert answer.out == f"{Path('run') / 'sheet.png'}\n"
    assert "vital: 1 of 2 units failed: class:1" in answer.err
    answer = vital("layers net.py:mak -q")
    assert (answer.code, answer.out) == (2, "")
    assert "did you mean 'make'" in answer.err


def test_a_verbose_command_tells_each_unit_and_what_was_kept(vital: Cli) -> None:
    words = f"render net.py:make class:0-1 {FAST} --batch 1 --out run"
    answer = vital(f"{words} -v")
    assert "vital: loading the network net.py:make took 0." in answer.err
    assert "vital: class:1: " in answer.err
    assert "vital: 2 of 2 units are in run already" in vital(f"{words} --verbose").err
    assert "class:1" not in vital(words).err


def test_quiet_and_verbose_exclude_each_other(vital: Cli) -> None:
    answer = vital("layers net.py:make -q -v")
    assert (answer.code, answer.err.count("\n")) == (2, 1)


def test_the_logger_is_left_as_it_was(vital: Cli) -> None:
    logger = logging.getLogger("vital")
    before = logger.level, list(logger.handlers)
    vital("layers net.py:make -v")
    assert (logger.level, list(logger.handlers)) == before
    assert not talk.is_quiet()
