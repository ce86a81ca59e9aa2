import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vital.cli import main

Cli = Callable[..., Any]
ATLAS = "atlas net.py:make --layers 1,class --images pictures --out site --methods fourier --steps 2 --per-layer 2"


def test_an_atlas_is_estimated_made_and_gone_on_with(vital: Cli, pictures: Path, here: Path) -> None:
    del pictures
    answer = vital(ATLAS)
    assert answer.code in (0, 1), answer.err
    assert "left        pieces  about" in answer.out
    assert f"{Path('site') / 'index.html'}: 3 of 3 pieces are done" in answer.out
    assert "skipped cat/broken.png" in answer.err
    assert (here / "site" / "run" / "units" / "1_0" / "fourier-0.png").is_file()
    again = vital(ATLAS)
    assert "left" not in again.out
    assert "3 of 3 pieces are done" in again.out


def test_an_estimate_alone_makes_nothing(vital: Cli, pictures: Path, here: Path) -> None:
    del pictures
    answer = vital(f"{ATLAS} --estimate")
    assert answer.code == 0
    assert "4 units in 3 pieces; 0 of the 3 asked for are done" in answer.out
    assert not (here / "site").exists()
    assert vital(f"{ATLAS} --no-estimate --only bank").out.splitlines() == [
        f"{Path('site') / 'index.html'}: 1 of 3 pieces are done"
    ]


def test_an_atlas_without_words_says_so_and_the_encoder_of_the_world_brings_some(
    vital: Cli, pictures: Path
) -> None:
    del pictures
    assert (
        "vital: no words, which are optional; --encoder and --concepts give some"
        in vital(f"{ATLAS} --only bank").err
    )
    assert "no words" not in vital(f"{ATLAS} --only bank --quiet").err
    said = vital(f"{ATLAS.replace('site', 'other')} --encoder world --only bank").err
    assert "no words" not in said
    assert "vital: the words are those of the built-in world, which net:make may know nothing of" in said


def test_parts_and_shards(vital: Cli, pictures: Path) -> None:
    del pictures
    batch = f"{ATLAS} --batch 1 --no-estimate"
    assert "2 of 9 pieces" in vital(f"{batch} --only exemplars,1:1").out
    assert "6 of 9 pieces" in vital(f"{batch} --shard 1/2").out
    assert "9 of 9 pieces" in vital(f"{batch} --shard 2/2").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--shard 2", "shard is '2'; write I/N, such as 1/4"),
        ("--only exmplars", "unknown stage or unit 'exmplars'; did you mean 'exemplars'?"),
        ("--only 1:3", "1:3 is not among the 4 units of the atlas"),
        ("--engine locl", "unknown engine 'locl'; did you mean 'local'?"),
        ("--set steps=3", "steps is given by --steps and by --set; give it once"),
        ("--set stepz=3", "unknown option of fourier 'stepz'; did you mean 'steps'"),
        ("--methods clip-dissect", "clip-dissect needs words to choose from: --concepts FILE, or world"),
    ],
)
def test_a_wrong_request_is_one_line(vital: Cli, pictures: Path, words: str, said: str) -> None:
    del pictures
    answer = vital(f"{ATLAS} --no-estimate {words}")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"vital: {said}"), answer.err


def test_another_request_is_refused(vital: Cli, pictures: Path) -> None:
    del pictures
    vital(f"{ATLAS} --no-estimate --only bank")
    answer = vital(f"{ATLAS} --estimate --seed 3")
    assert answer.code == 1
    assert "holds another atlas: options.seed was 0 and is now 3" in answer.err


@pytest.mark.filterwarnings("ignore:.*give values that are no numbers")
def test_units_that_fail_are_listed_and_the_exit_code_is_one(vital: Cli, pictures: Path) -> None:
    del pictures
    answer = vital(f"{ATLAS.replace('net.py:make', 'net.py:sick').replace('1,class', 'class')} --no-estimate")
    assert answer.code == 1
    assert "results failed: class:0 (" in answer.err or "results failed: class:1 (" in answer.err
    assert "pieces are done" in answer.out


STOPPED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
from vital.atlases import stages
from vital.cli import main
render, calls = stages.render_group, []

def stopping(*given, **how):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    return render(*given, **how)

stages.render_group = stopping
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stopped_atlas_says_what_was_kept(pictures: Path, here: Path, sent: str, code: int) -> None:
    del pictures
    words = [*ATLAS.split(), "--batch", "1", "--no-estimate"]
    ended = subprocess.run(
        [sys.executable, "-c", STOPPED, sent, *words],
        capture_output=True, text=True, check=False, cwd=here,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    said = "vital: stopped; 6 of 9 pieces are kept in 'site', and the same command goes on"
    assert ended.stderr.splitlines()[-1] == said
    assert (here / "site" / "index.html").is_file()
    assert main([*words, "--only", "exemplars"]) == 0


def test_a_signal_before_and_after_is_handled_as_before() -> None:
    from vital.cli.stopping import stoppable

    before = signal.getsignal(signal.SIGTERM)
    with stoppable(lambda: "nothing"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_atlas_can_be_made_again_from_its_folder(vital: Cli, pictures: Path, here: Path) -> None:
    del pictures
    assert vital(f"{ATLAS} --no-estimate --shard 1/2").code in (0, 1)
    kept = here / "site" / "run" / "config.toml"
    assert not {"shard", "estimate", "config"} & {*tomllib.loads(kept.read_text())["atlas"]}
    again = vital("atlas --config site/run/config.toml --no-estimate")
    assert "3 of 3 pieces are done" in again.out
    assert vital("atlas --config site/run/config.toml --batch 1").code == 1, "of another request"
