"""`--engine` of `vital render`, `vital bank` and `vital dissect`: the files are those of one process."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from benchmarks import ray_kills
from vital.activations import parts
from vital.atlases import ENGINES, Context, Outcome, Piece, commands
from vital.atlases.ray_worker import Worker, packed, surroundings
from vital.world.scenes.dataset import images

Cli = Callable[..., Any]
RENDER = (
    "render net.py:make class:0-2 2:1 --method fourier --steps 2 --batch 2 --count 2 --dtype float64 --out"
)
BANK = "bank net.py:make --layers 0,2 --images pictures --dtype float64 --batch 5 --out"
DISSECT = (
    "dissect world --layers planted,class --images scenes.npz --concepts words.txt --dtype float64 "
    "--set n_random_models=1 --out"
)
pytestmark = pytest.mark.filterwarnings("ignore:none of the .* shows what excites")


def sent(pieces: Iterable[Piece], context: Context) -> Iterator[Outcome]:
    """Do pieces in any order, as a process elsewhere does them: with what was sent there."""
    worker = Worker(surroundings(), 1)
    assert not worker.load(packed(context), gpu=False)
    for piece in reversed(list(pieces)):
        outcome, error, _ = worker.work(piece, wait=False)
        if error:
            raise error
        assert outcome is not None
        yield outcome


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """An engine that needs no cluster; what a worker sets for its process, which here is that of the tests, goes."""
    pytest.importorskip("ray")
    handler, path, threads = signal.getsignal(signal.SIGTERM), list(sys.path), torch.get_num_threads()
    ENGINES.register("sent")(sent)
    yield
    del ENGINES.entries["sent"]
    signal.signal(signal.SIGTERM, handler)
    sys.path[:] = path
    torch.set_num_threads(threads)


@pytest.fixture
def words(here: Path) -> Path:
    """Pictures of the world, and a few words."""
    shown = images(60, seed=5)
    np.savez(here / "scenes.npz", images=np.stack([shown[i] for i in range(60)]))
    (here / "words.txt").write_text("red\ngreen\nsnow\nstriped sphere\n")
    return here / "words.txt"


def files(folder: Path) -> dict[str, bytes]:
    """All files of a run but the log and locks."""
    paths = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.name not in ("log.jsonl", ".lock")
    }


def test_pictures_by_an_engine_are_those_of_one_process(vital: Cli, here: Path) -> None:
    whole, made = vital(f"{RENDER} whole"), vital(f"{RENDER} parts --engine sent")
    assert whole.code == made.code
    assert made.out == whole.out.replace("whole", "parts")
    assert files(here / "parts") == files(here / "whole")
    assert not (here / "parts" / ".locks").exists()


@pytest.mark.parametrize("method", ["vital", "vital-scene"])
def test_pictures_that_need_a_bank(vital: Cli, here: Path, pictures: Path, method: str) -> None:
    asked = f"render net.py:make class:0-2 2:1 --method {method} --steps 2 --dtype float64 --images {pictures} --out"
    vital(f"{asked} whole")
    vital(f"{asked} parts --batch 16 --engine sent")
    for run in ("parts", "whole"):
        (here / run / "config.toml").unlink()  # which says what was asked for
    assert files(here / "parts") == files(here / "whole")


def test_more_pictures_are_added_and_none_is_made_twice(vital: Cli, here: Path) -> None:
    vital(f"{RENDER} whole")
    vital(f"{RENDER} parts --engine sent".replace("--count 2", "--count 1"))
    vital(f"{RENDER} parts --engine sent")
    vital(f"{RENDER} parts --engine sent")
    assert files(here / "parts") == files(here / "whole")
    done = [json.loads(line) for line in (here / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["piece"] for line in done] == [
        "prototypes-fourier-0-00001",
        "prototypes-fourier-0-00000",
        "prototypes-fourier-1-00001",
        "prototypes-fourier-1-00000",
    ]


def test_units_without_a_picture_are_told(vital: Cli, here: Path) -> None:
    def some(pieces: Iterable[Piece], context: Context) -> Iterator[Outcome]:
        first, *others = pieces
        yield Outcome(first, dict.fromkeys(first.units, "its process died"))
        yield from sent(others, context)

    ENGINES.register("some")(some)
    try:
        answer = vital(f"{RENDER} run --engine some")
    finally:
        del ENGINES.entries["some"]
    assert answer.code == 1
    assert "vital: class:0, class:1: its process died" in answer.err
    assert "class:0 with seed 0, class:1 with seed 0" in answer.err.splitlines()[-1]
    assert vital(f"{RENDER} whole").out == vital(f"{RENDER} run --engine sent").out.replace("run", "whole")
    assert files(here / "run") == files(here / "whole")


def test_a_bank_by_an_engine_is_that_of_one_process(vital: Cli, here: Path, pictures: Path) -> None:
    whole, made = vital(f"{BANK} whole.safetensors"), vital(f"{BANK} parts.safetensors --engine sent")
    assert (made.code, made.err) == (0, whole.err)
    assert made.out == whole.out.replace("whole", "parts")
    assert (here / "parts.safetensors").read_bytes() == (here / "whole.safetensors").read_bytes()
    assert not (here / ".parts.safetensors.parts").exists()
    assert vital(f"{BANK} parts.safetensors --engine sent").out == made.out


@pytest.mark.slow
def test_words_by_an_engine_are_those_of_one_process(vital: Cli, here: Path, words: Path) -> None:
    whole, made = vital(f"{DISSECT} whole"), vital(f"{DISSECT} parts --engine sent")
    assert (made.code, made.err) == (0, whole.err)
    assert made.out == whole.out.replace("whole/", "parts/")
    assert files(here / "parts") == files(here / "whole")
    assert set(files(here / "parts")) == {"config.toml", "labels.csv", "labels.json", "scores.csv"}
    assert not (here / "parts" / ".words").exists()


@pytest.mark.parametrize(("command", "ending"), [(RENDER, ""), (BANK, ".safetensors")])
@pytest.mark.usefixtures("pictures")
def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(
    vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, command: str, ending: str
) -> None:
    left, sync, save = [3], os.fsync, safetensors.torch.save_file

    def full(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    def also_full(*given: Any, **how: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save(*given, **how)

    monkeypatch.setattr(parts, "CHUNK", 5)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        patched.setattr("safetensors.torch.save_file", also_full)
        answer = vital(f"{command} parts{ending} --engine sent")
    assert answer.code == 1
    assert re.search(
        r"^vital: cannot write '.*': No space left on device; \d of \d pieces are kept in", answer.err
    )
    assert "; free some space, and the same command goes on" in answer.err
    assert vital(f"{command} whole{ending}").code == vital(f"{command} parts{ending} --engine sent").code
    if ending:
        assert (here / f"parts{ending}").read_bytes() == (here / f"whole{ending}").read_bytes()
    else:
        assert files(here / "parts") == files(here / "whole")


def test_images_that_change_during_a_run_leave_nothing(
    vital: Cli, here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(pieces: Iterable[Piece], context: Context) -> Iterator[Outcome]:
        for number, outcome in enumerate(sent(pieces, context)):
            if not number:
                (pictures / "ant" / "0.png").write_bytes((pictures / "bee" / "0.png").read_bytes())
            yield outcome

    monkeypatch.setattr(parts, "CHUNK", 5)
    ENGINES.register("changing")(changing)
    try:
        answer = vital(f"{BANK} parts.safetensors --engine changing")
    finally:
        del ENGINES.entries["changing"]
    assert answer.code == 1
    assert re.search(
        r"^vital: images changed during the run: .*0.png; what was made of them is removed", answer.err
    )
    assert not (here / "parts.safetensors").exists()
    assert not list(here.glob(".parts.safetensors.parts/*.safetensors"))
    assert vital(f"{BANK} parts.safetensors --engine sent").code == 0
    assert vital(f"{BANK} whole.safetensors").code == 0
    assert (here / "parts.safetensors").read_bytes() == (here / "whole.safetensors").read_bytes()


def test_parts_of_other_images_are_told_and_those_of_another_request_go(
    vital: Cli, here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CHUNK", 5)
    kept = here / ".b.safetensors.parts"
    with monkeypatch.context() as patched:
        patched.setattr(commands, "bank_of_parts", lambda *_: 1 / 0)
        vital(f"{BANK} b.safetensors --engine sent")
    assert len(list(kept.glob("*.safetensors"))) == 4
    moved = (pictures / "cat" / "0.png").rename(here / "away.png")
    answer = vital(f"{BANK} b.safetensors --engine sent")
    assert (answer.code, "put them back, or remove '.b.safetensors.parts' to begin anew" in answer.err) == (
        1,
        True,
    )
    moved.rename(pictures / "cat" / "0.png")
    assert vital(f"{BANK} b.safetensors --engine sent --top 3").code == 0
    assert not kept.exists()


@pytest.mark.parametrize("command", [f"{RENDER} run", f"{BANK} b.safetensors", f"{DISSECT} run"])
def test_where_no_ray_answers_nothing_is_written(
    vital: Cli, here: Path, pictures: Path, words: Path, command: str
) -> None:
    before = {file.name for file in here.iterdir()}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = vital(f"{command} --engine ray --address 127.0.0.1:{port}")
    assert answer.code == 1
    assert answer.err.startswith(
        f"vital: no Ray answers at 127.0.0.1:{port}; start one there with `ray start"
    )
    assert {file.name for file in here.iterdir()} <= before | {"cache"}
    other = vital(f"{command} --actors 2")
    assert other.err == "vital: the engine local has no actors; choose another engine, such as ray\n"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning")
def test_on_a_cluster(vital: Cli, here: Path, pictures: Path, words: Path) -> None:
    for command in (RENDER, BANK, DISSECT):
        ending = ".safetensors" * (command is BANK)
        whole = vital(f"{command} whole{ending}")
        with ray_kills.cluster():
            made = vital(f"{command} parts{ending} --engine ray --actors 2")
        assert made.code == whole.code, made.err
        assert made.out == whole.out.replace("whole/", "parts/").replace("whole.", "parts.")
        if command is BANK:
            assert (here / f"parts{ending}").read_bytes() == (here / f"whole{ending}").read_bytes()
        else:
            assert files(here / "parts") == files(here / "whole")
            shutil.rmtree(here / "parts")
            shutil.rmtree(here / "whole")
