"""What holds for the options of all commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from safetensors.torch import save_file

from vital.cli.app import app, main
from vital.cli.grouping import WRITTEN
from vital.models import load_model
from vital.rendering import make_method

Cli = Callable[..., Any]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its name, those of groups too."""
    left = [("", typer.main.get_command(app))]
    while left:
        name, command = left.pop()
        below = getattr(command, "commands", {})
        left += [(f"{name} {own}".strip(), one) for own, one in below.items()]
        if not below:
            yield name, command


COMMANDS = dict(commands())
COMPUTING = (
    *("demo", "bank", "concepts", "atlas", "render", "exemplars", "circuit", "describe", "dissect"),
    *("explain", "score", "compare", "lwta train"),
)
ALONE = {
    "explain": "it looks at one image",
    "lwta train": "--batch-size is part of how it trains",
}
"""Commands without --batch, and why."""


def options(command: Any) -> dict[str, Any]:
    return {flag: one for one in command.params for flag in one.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_metavar_and_a_sentence(name: str) -> None:
    for flag, one in options(COMMANDS[name]).items():
        if flag in ("--help", "--install-completion", "--show-completion"):
            continue
        assert str(one.help or "").endswith("."), flag
        assert getattr(one, "is_flag", False) or one.metavar, f"{flag} shows the name of a type"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_shows_the_name_of_a_type(vital: Cli, name: str) -> None:
    assert re.findall("<[a-z]+", vital(*name.split(), "--help").out) == []


@pytest.mark.parametrize("name", COMPUTING)
def test_what_computes_says_where_in_what_and_how_much_at_once(name: str) -> None:
    own, meant = options(COMMANDS[name]), options(COMMANDS["render"])
    for flag in ("--device", "--dtype", "--batch"):
        if flag == "--batch" and name in ALONE:
            assert flag not in own
            continue
        assert own[flag].help == meant[flag].help
        assert own[flag].metavar == meant[flag].metavar


def test_what_loads_a_backend_says_where_it_is() -> None:
    backends = {"--encoder", "--captioner", "--summarizer", "--generator"}
    for name, command in COMMANDS.items():
        if backends & {*options(command)} and name != "atlas":
            assert {"--backend-device", "--backend-dtype", "--backend-batch"} <= {*options(command)}, name


def test_what_has_options_takes_them_from_a_file() -> None:
    without = {name for name, command in COMMANDS.items() if "--config" not in options(command)}
    assert without == {"serve", "methods", "doctor"}


def test_what_is_written_is_named_out_or_site() -> None:
    written = {
        one.name
        for command in COMMANDS.values()
        for one in command.params
        if str(one.help).startswith(("The run folder", "The folder of", "The file to write", "Write "))
    }
    assert written <= {*WRITTEN}


def test_the_weights_of_a_network_from_a_file_are_told_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(load_model("net.py:make").module.state_dict(), "w.safetensors")
    told = "vital: weights: as net.py:make made them; --weights FILE loads yours\n"
    main(["layers", str(here / "net.py:make")])
    assert capsys.readouterr().err.count(told) == 1
    for other in (["--weights", "w.safetensors"], ["--weights", "random"], ["--quiet"]):
        assert main(["layers", "net.py:make", *other]) == 0
        assert "weights: as" not in capsys.readouterr().err


def test_the_help_says_how_many_steps_a_picture_takes_unless_told_otherwise(vital: Cli) -> None:
    said = " ".join(vital("render --help").out.replace("│", " ").split())
    assert f"{make_method('vital').options()['steps']} for vital" in said
