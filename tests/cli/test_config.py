"""`--config`: options from a file, and the file that a run leaves."""

from __future__ import annotations

import json
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_options import COMMANDS
from vital.cli.config import _keep, _table

Cli = Callable[..., Any]

TOML = """
model = "net.py:make"
units = ["class:0", "class:1"]
weights = "random"
method = "fourier"
out = "run"
[set]
steps = 2
lr = 0.05
"""
YAML = """
model: net.py:make
units:
  - class:0
  - class:1
weights: random
method: fourier
out: run
set:
  steps: 2
  lr: 0.05
"""
JSON = json.dumps(tomllib.loads(TOML))


@pytest.mark.parametrize(("ending", "text"), [("toml", TOML), ("yaml", YAML), ("json", JSON)])
def test_every_form_says_what_the_command_line_would(vital: Cli, here: Path, ending: str, text: str) -> None:
    (here / f"c.{ending}").write_text(text)
    answer = vital(f"render --config c.{ending}")
    assert answer.code in (0, 1), answer.err
    facts = json.loads((here / "run" / "run.json").read_text())["renders"][0]
    assert (facts["method"], facts["options"]["steps"], facts["options"]["lr"]) == ("fourier", 2, 0.05)
    assert facts["units"] == ["class:0", "class:1"]


def test_the_command_line_counts_more(vital: Cli, here: Path) -> None:
    (here / "c.toml").write_text(TOML + "[render]\nseed = 3\n")
    vital("render net.py:make class:2 --set steps=3 --config c.toml --out other")
    facts = json.loads((here / "other" / "run.json").read_text())["renders"][0]
    assert (facts["units"], facts["seed"], facts["options"]["steps"]) == (["class:2"], 3, 3)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        (
            "c.toml",
            'modle = "x"',
            2,
            "'c.toml': unknown option of vital render 'modle'; did you mean 'model'?",
        ),
        ("c.toml", "image_labels = 'x'", 2, "did you mean 'image-labels' or"),
        ("c.toml", "[rendr]\nseed = 1", 2, "did you mean"),
        ("c.toml", "fit = 'yes'", 2, "'c.toml': fit is 'yes'; allowed are true and false"),
        ("c.toml", "seed = true", 2, "'c.toml': seed holds true; allowed are a text in quotes and a number"),
        ("c.toml", "out = ['a', 'b']", 2, "'c.toml': out holds ['a', 'b']"),
        ("c.toml", "steps = 1979-05-27", 2, "'c.toml': steps holds datetime.date"),
        ("c.toml", "steps = 1\nsteps = 2", 1, "--config 'c.toml' cannot be read: "),
        ("c.yaml", "steps: 1\nsteps: 2", 1, "--config 'c.yaml' cannot be read: steps is given twice"),
        ("c.yaml", "- a\n- b", 1, "--config 'c.yaml' holds no names with values"),
        ("c.yaml", "a: [", 1, "--config 'c.yaml' cannot be read: "),
        ("c.yaml", "!!python/object/apply:os.getcwd []", 1, "--config 'c.yaml' cannot be read: "),
        ("c.json", '{"steps": 1, "steps": 2}', 1, "--config 'c.json' cannot be read: steps is given twice"),
        ("c.json", "[" * 100_000, 1, "--config 'c.json' cannot be read: "),
        ("c.ini", "steps = 1", 2, "--config is 'c.ini'; allowed are files named .toml, .yaml, .yml, .json"),
    ],
)
def test_a_wrong_file_is_one_line(vital: Cli, here: Path, name: str, text: str, code: int, said: str) -> None:
    (here / name).write_text(text)
    answer = vital(f"render net.py:make class:0 --out run --config {name}")
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("vital: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not (here / "run").exists()


def test_values_are_checked_as_on_the_command_line(vital: Cli, here: Path) -> None:
    asked = "render net.py:make class:0 --out run --config c.toml"
    for text, said in [
        ("steps = 0", "'--steps'"),
        ("steps = 1.5", "'--steps'"),
        ("seed = 'x'", "'--seed'"),
        ("method = 'furier'", "did you mean 'fourier'?"),
    ]:
        (here / "c.toml").write_text(text)
        answer = vital(asked)
        assert (answer.code, said in answer.err) == (2, True), answer.err
    assert "there is no file 'no.toml' for --config" in vital("render --config no.toml").err
    assert "Missing argument 'MODEL'" in vital("render --out run").err


def test_a_run_can_be_made_again_from_its_folder(vital: Cli, here: Path, pictures: Path) -> None:
    asked = f"net.py:make class:0-1 --weights random --images {pictures} --batch 2"
    first = vital(f"render {asked} --method fourier --set steps=2 --out run")
    made = {path: path.read_bytes() for path in sorted((here / "run" / "units").rglob("*.png"))}
    assert made
    config = (here / "run" / "config.toml").read_text()
    for path in made:
        path.unlink()
    again = vital("render --config run/config.toml")
    assert (again.code, again.out) == (first.code, first.out)
    assert "out" not in tomllib.loads(config)["render"]
    assert {path: path.read_bytes() for path in made} == made
    assert (here / "run" / "config.toml").read_text() == config
    other = vital("render --config run/config.toml --out other")
    assert other.code == first.code
    assert (here / "other" / "config.toml").read_text() == config
    assert vital(f"exemplars {asked} --count 2 --out run").code == 0
    tables = tomllib.loads((here / "run" / "config.toml").read_text())
    assert {"render", "exemplars"} == {*tables}
    assert tables["render"] == tomllib.loads(config)["render"]
    assert tables["exemplars"]["units"] == ["class:0-1"]
    (here / "run" / "config.toml").write_text("count = 2\n")
    assert vital(f"exemplars {asked} --config run/config.toml --out run").code == 0
    assert (here / "run" / "config.toml").read_text() == "count = 2\n", "a file of one's own is left alone"


def test_what_was_refused_leaves_no_file(vital: Cli, here: Path, pictures: Path) -> None:
    (here / "run").mkdir()
    assert vital("render net.py:make class:99 --method fourier --out run").code == 2
    assert not (here / "run" / "config.toml").exists()


def test_a_pipe_is_no_file_of_options(vital: Cli, here: Path) -> None:
    (here / "run").mkdir()
    os.mkfifo(here / "run" / "config.toml")
    answer = vital("render --config run/config.toml")
    assert (answer.code, answer.err) == (
        2,
        "vital: --config 'run/config.toml' cannot be read: it is no file, but a pipe\n",
    )
    assert vital("render net.py:make class:0 --method fourier --steps 1 --out run").code < 2
    assert (here / "run" / "config.toml").is_fifo()


def test_strange_texts_come_back_as_they_were() -> None:
    values = {"a": 'q"\\\n\t\x7f\x01é😀', "b": [1, 2.5, "x"], "c": True, "d": 1e-05, "e": -3}
    assert tomllib.loads(_table("lwta train", values)) == {"lwta train": values}


def test_a_file_of_options_may_lie_in_the_home_folder(
    vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    (here / "mine.toml").write_text("[layers]\nmodel = 'net.py:make'\n")
    answer = vital("layers", "--config=~/mine.toml")
    assert (answer.code, answer.out.startswith("net:make")) == (0, True), answer.err


def test_where_a_key_is_stands_in_no_file(here: Path) -> None:
    words = ["world", "class:0", "--out", "run", "--images", "world", "--key-from", "secret", "--calls", "3"]
    with COMMANDS["describe"].make_context("vital describe", words) as context:
        _keep(context, here)
    kept = tomllib.loads((here / "config.toml").read_text())["describe"]
    assert (kept["model"], kept["units"], kept["calls"]) == ("world", ["class:0"], 3)
    assert "secret" not in (here / "config.toml").read_text()


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_many_names_take_no_time_and_one_given_twice_is_told(vital: Cli, here: Path, kind: str) -> None:
    names = [f"k{i}" for i in range(100_000 if kind == "json" else 500)]
    for twice in ([], ["k7"]):
        lines = [f'"{name}": 1' for name in (*names, *twice)]
        text = f"{{{', '.join(lines)}}}" if kind == "json" else "\n".join(lines)
        (here / f"c.{kind}").write_text(text)
        start = time.process_time()
        said = vital(f"render --config c.{kind}").err
        assert time.process_time() - start < 10
        assert ("k7 is given twice" if twice else "unknown option of vital render 'k0'") in said


def test_a_few_lines_that_stand_for_millions_of_values_are_refused(vital: Cli, here: Path) -> None:
    lines = ["set:", "  a0: &a0 {x: 1}"]
    lines += [f"  a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(10))}}}" for i in range(1, 9)]
    (here / "c.yaml").write_text("\n".join(lines))
    answer = vital("render net.py:make class:0 --method fourier --out run --config c.yaml")
    assert (answer.code, answer.err) == (
        2,
        "vital: 'c.yaml': set holds too many values; allowed are 1000 at most\n",
    )
