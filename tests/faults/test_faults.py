"""Every command that writes loses nothing, wherever it is killed, stopped or refused room."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults import COUNTED, KINDS, TASKS, Ended, Fault, _told_wrong, faults_of
from vital.cli.app import app

CHANGES = ["open a.lock", "open .a.part", "os.rename a", "os.remove .a.part"]
QUIET = {"layers", "classes", "serve", "methods", "doctor"}
"""Commands that write no file."""


def test_every_command_that_writes_is_tried() -> None:
    named = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    tried = {words.partition(" --")[0] for words in TASKS}
    assert named | {"lwta train"} == tried | QUIET


def test_what_is_torn_was_opened_and_what_is_removed_needs_no_room() -> None:
    assert [fault.at for fault in faults_of(CHANGES, ["kill"], None)] == [0, 1, 2, 3]
    assert faults_of(CHANGES, ["torn", "no space"], None) == [
        Fault("torn", 1), Fault("no space", 0), Fault("no space", 1), Fault("no space", 2),
    ]  # fmt: skip
    assert [fault.at for fault in faults_of(CHANGES, ["terminate"], 2)] == [0, 2]


@pytest.mark.parametrize(
    ("kind", "code", "said", "wrong"),
    [
        ("terminate", 143, "vital: stopped; it is kept\n", set()),
        ("interrupt", 143, "vital: stopped; it is kept\n", {"untold"}),
        ("interrupt", 130, "", {"untold"}),
        ("full", 1, "vital: cannot write\n", set()),
        ("no space", 1, "Traceback (most recent call last)", {"traceback"}),
        ("kill", -9, "", set()),
    ],
)
def test_an_end_that_says_nothing_is_wrong(kind: str, code: int, said: str, wrong: set[str]) -> None:
    assert set(_told_wrong(kind, Ended(code, said))) == wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_lost_and_the_same_command_goes_on(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--only", name, "--most", "2", "--json"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["all"]["tried"] >= len(KINDS), "each kind struck"
    assert {what: found["all"][what] for what in COUNTED} == dict.fromkeys(COUNTED, 0), found["wrong"]
