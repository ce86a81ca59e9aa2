"""Run folders as a stranger could hand them over, and what every command that reads one makes of them.

    python -m tests.hostile [COUNT]    counts what fails over the wounds of all kinds of files, or over so many of them

A wound changes one file of a good run. A command may end well or with sentences; it may not end with an error that
nobody explained, hang, or read what lies outside the folder. Many commands run one after the other in a fork of a
process that has all loaded; one that fails there runs once more in a fork of its own, and counts if it fails again.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import multiprocessing as mp
import os
import random
import resource
import select
import shutil
import signal
import stat
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import typer.main
from PIL import Image

from tests import given
from tests.given import NETWORK
from tests.wounds import CODE, Wound, kind_of, of_file
from vital.cli import main

SECRET = "nobody may read this"  # noqa: S105
SECONDS, AT_FIRST = 120, 900
"""How long a command may take, and one that has yet to load all packages."""
MEMORY = 12 * 2**30
"""How many bytes a process may ask for, of which the packages that it loads ask for a third."""
TOGETHER = 100
"""How many commands run in one process."""
SHAPES = ("a folder", "missing", "a pipe", "a link", "a bomb")
"""Wounds that change what a file is."""
UNEXPLAINED = ("Traceback", "a defect of vital", "HangsError")
"""What a sentence of an error that nobody explained holds."""
NET = """
from torch import nn
SIZE = 16
CLASSES = ("ant", "bee, honey bee", "cat", "dog", "elk")
def make():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
"""


def good(folder: Path) -> Path:
    """Make a folder with a network, images, and runs of all commands; the answer is the folder."""
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat", "dog", "elk"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            pixels = draw.integers(0, 255, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    (folder / "net.py").write_text(NET)
    (folder / "words.txt").write_text("red\ngreen\nsnow\nstriped sphere\n")
    given.made(folder / "given")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "secret.png")
    (folder / "secret.json").write_text(json.dumps({"status": SECRET, "label": SECRET}))
    with inside(folder):
        for name in MADE:
            code, _, err = ended(COMMANDS[name], AT_FIRST)
            assert code == 0, (name, err)
    shutil.rmtree(folder / "run2")  # made anew each time, out of the cache
    from vital.reporting.facts import Histogram, Link, save_histogram, save_neighbors

    save_histogram(folder / "run", "class:1", Histogram((0.0, 1.0, 2.0), (3.0, 1.0), 4))
    save_neighbors(folder / "run", "class:1", [Link("3:3", 0.5)], "correlation")
    return folder


TYPED = ("score", "agree", *given.COMMANDS)
"""The commands whose file is typed: one that is a link is what was asked for."""
MADE = (
    "render", "exemplars", "describe", "circuit", "compare", "atlas", "explain", "bank", "exemplars --bank", "train",
    "render --vital", "bank --images",
)  # fmt: skip
"""The commands that make the good runs."""
COMMANDS = {
    "render": f"render {NETWORK} class:bee 3:3 --method fourier --steps 2 --size 16 --out run",
    "exemplars": f"exemplars {NETWORK} class:bee --images pictures --count 2 --out run",
    "describe": f"describe {NETWORK} class:bee --images pictures --encoder world --concepts words.txt "
    "--set n_random_models=0 --methods clip-dissect --fresh --out run",
    "circuit": f"circuit {NETWORK} class:cat --layers 2 --images pictures --method fourier --steps 1 --seed 3 "
    "--out run",
    "compare": f"compare {NETWORK} class:0-1 --methods fourier,pixels --images pictures --seeds 1 "
    "--set fourier.steps=2 --set pixels.steps=2 --controls real_images --out compared",
    "atlas": f"atlas {NETWORK} --layers class --images pictures --methods fourier --steps 2 --per-layer 2 --out site",
    "report": "report run --out page.html",
    "report --site": "report run --site pages",
    "report compared": "report compared --out page.html",
    "score": "score run/labels.csv --names given/names.txt",
    "agree": "agree run/labels.csv given/theirs.csv given/labels.csv",
    "render --config": "render --config run/config.toml",
    "figure": "figure run --out figure.svg",
    "figure compared": "figure compared --out figure.svg",
    "explain": "explain world:competing pictures/ant/0.png --out explained",
    "figure explained": "figure explained --out figure.svg",
    "bank": f"bank {NETWORK} --layers 3 --images pictures --out banked/bank.safetensors",
    "exemplars --bank": f"exemplars {NETWORK} class:bee --bank banked/bank.safetensors --count 2 --out banked/run",
    "render --vital": f"render {NETWORK} class:bee --images pictures --method vital --steps 1 --size 16 --out run2",
    "train": f"lwta train {NETWORK} --images pictures --competitors 2 --epochs 1 --test pictures --out trained",
    "bank --images": f"bank {NETWORK} --layers 3 --images pictures --out given/part.safetensors",
    **given.COMMANDS,
}
READS = {
    "run": (
        "report",
        "report --site",
        "render",
        "exemplars",
        "describe",
        "score",
        "agree",
        "circuit",
        "figure",
        "render --config",
    ),
    "compared": ("compare", "report compared", "figure compared"),
    "site": ("atlas",),
    "explained": ("figure explained", "explain"),
    "banked": ("exemplars --bank", "bank"),
    "trained": ("train",),
    "given": tuple(given.COMMANDS),
    "cache": ("exemplars", "describe", "circuit", "compare", "render --vital"),
}


def root_of(wound: Wound) -> str:
    """The folder that a wound is dealt in."""
    return wound.file.partition("/")[0]


Case = tuple[Wound, str]
"""A wound, and a command that meets it."""


def wounds(folder: Path, count: int | None = None, seed: int = 0, *, every: bool = False) -> list[Wound]:
    """The wounds of the largest file of each kind, or so many of them, of all files in turn.

    Each place of a file of JSON gets some of the `VALUES`, the next place others; `every` file and value, if wanted.
    """
    draw, found = random.Random(seed), list[list[Wound]]()  # noqa: S311
    files: dict[str, Path] = {}
    for root in READS:
        for path in sorted((folder / root).rglob("*")):
            name = path.relative_to(folder).as_posix()
            kept = path.is_file() and path.suffix not in (".lock", ".webp", ".html", ".js", ".css", ".gz")
            if kept and (root != "site" or name.startswith("site/run/")):
                kind = name if every else kind_of(name)
                if kind not in files or path.stat().st_size > files[kind].stat().st_size:
                    files[kind] = path
    for path in files.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch and zipfile think of such files
            dealt = list(of_file(path.relative_to(folder).as_posix(), path, every=every))
        draw.shuffle(dealt)
        found.append(dealt)
    draw.shuffle(found)
    turns = [wound for turn in zip_longest(*found) for wound in turn if wound is not None]
    return turns[:count]


def cases_of(dealt: Sequence[Wound], opened: Mapping[str, set[str]], *, every: bool = False) -> list[Case]:
    """The commands that meet each wound: what a file is, all that read its folder; what it holds, those that open it.

    Of the latter it is one, the next for the next wound of the file, or `every` one.
    """
    found, turn = list[Case](), Counter[str]()
    for wound in dealt:
        names = READS[root_of(wound)]
        if wound.file in COMMANDS:
            names = (wound.file,)
        elif wound.name not in SHAPES:
            own = [name for name in names if name in opened.get(wound.file, ())]
            names = tuple(own) or (names if wound.file.endswith(".safetensors") else names[:1])
            turn[wound.file] += 1
            names = names if every else (names[turn[wound.file] % len(names)],)
        found += [(wound, name) for name in names]
    return found


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, with a cache of its own."""
    before, cache = Path.cwd(), os.environ.get("VITAL_CACHE")
    os.chdir(folder)
    os.environ["VITAL_CACHE"] = str(folder / "cache")
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.pop("VITAL_CACHE")
        if cache is not None:
            os.environ["VITAL_CACHE"] = cache


class HangsError(BaseException):
    """A command took longer than it may."""


def ended(command: str, seconds: int = SECONDS) -> tuple[int, str, str]:
    """Run a command in this process: its exit code, and what it printed."""

    def stop(*_: object) -> None:
        raise HangsError

    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    words = [word.replace("real_images", "real images") for word in command.split()]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                code = main(words)
            except HangsError:
                return -1, out.getvalue(), "Traceback: it hangs"
            except BaseException as error:  # noqa: BLE001  this is what is looked for
                return -1, out.getvalue(), f"Traceback: {error!r}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return code, out.getvalue(), err.getvalue()


def readers(folder: Path) -> dict[str, set[str]]:
    """The commands that open each file of a good run; the network, the images and all packages are then loaded."""
    found: dict[str, set[str]] = {}
    listening: list[str] = []

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and listening and isinstance(given[0], str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(given[0]))  # noqa: PTH100  a hook runs at every call
            if path.startswith(f"{folder}{os.sep}"):
                found.setdefault(path[len(str(folder)) + 1 :], set()).add(listening[0])

    sys.addaudithook(heard)
    with inside(folder):
        for name in dict.fromkeys(name for names in READS.values() for name in names):
            listening[:] = [name]
            code, _, err = ended(COMMANDS[name], AT_FIRST)
            listening.clear()
            assert code == 0, (name, err)
            restored(folder, *READS)
    return found


def said_of(folder: Path, root: str, name: str) -> str:
    """What is wrong with how a command ended over a wound; empty where nothing is."""
    code, out, err = ended(COMMANDS[name])
    pages = [Path("page.html"), *Path("pages").rglob("*.html"), *Path(root).rglob("*.csv")]
    told = (
        out
        + err
        + "".join(p.read_text(errors="replace") for p in pages if p.is_file() and not p.is_symlink())
    )
    if any(mark in err for mark in UNEXPLAINED) or code not in (0, 1, 2):
        return err.strip()[-300:] or f"it ended with {code}"
    if Path(CODE).exists():
        return "it ran what a file holds"
    return f"it read what lies outside of {folder.name}" if SECRET in told and name not in TYPED else ""


def forked(jobs: Sequence[Callable[[], str]]) -> list[str]:
    """What jobs answer in a process of their own, which begins with all that this one has loaded.

    Where it hangs or dies the answers end with that of the job that did it.
    """
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        with contextlib.suppress(BaseException):
            for job in jobs:
                told = job().replace("\n", " ").encode("utf-8", "replace")[:3000]
                os.write(writes, told + b"\n")
        os._exit(0)
    os.close(writes)
    found = b""
    while select.select([reads], [], [], SECONDS + 10)[0]:
        if not (told := os.read(reads, 65536)):
            break
        found += told
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reads)
    os.waitpid(child, 0)
    said = found.decode().split("\n")[:-1]
    return said if len(said) == len(jobs) else [*said, "it hangs, or its process died"]


def met(folder: Path, case: Case) -> str:
    """Deal a wound, and say what is wrong with how a command bears it."""
    wound, name = case
    root = root_of(wound)
    restored(folder, *READS)
    wound.deal(folder / wound.file)
    return said_of(folder, root, name)


def failures(folder: Path, cases: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    """The commands that do not bear a wound, and what they said; the good runs are as they were afterwards."""
    with inside(folder):
        while cases:
            answers = forked([partial(met, folder, case) for case in cases])
            for case, said in zip(cases, answers, strict=False):
                if said and (again := forked([partial(met, folder, case)])[0]):
                    yield case, again
            cases = cases[len(answers) :]
        restored(folder, *READS)


def restored(folder: Path, *roots: str) -> None:
    """Let the runs, and all that a command may have left beside them, be as they were; what is so already stays."""
    for part in (*dict.fromkeys((*roots, "cache")), "run2", "page.html", "pages", "figure.svg", CODE):
        old, new = folder.with_name("kept") / part, folder / part
        kept, found = _below(old), _below(new)
        for name in sorted(found.keys() - kept.keys(), key=len, reverse=True):
            _removed(new / name)
        for name, told in sorted(kept.items(), key=lambda item: len(item[0])):
            if found.get(name) != told:
                _removed(new / name)
                (new / name).mkdir() if (old / name).is_dir() else shutil.copy2(old / name, new / name)


def _below(top: Path) -> dict[str, tuple[int, ...]]:
    """What lies in a folder: the kind, size and time of change of each file."""
    found = {}
    for path in [top, *top.rglob("*")] if os.path.lexists(top) else ():
        told = path.lstat()
        plain = stat.S_ISREG(told.st_mode)
        found[path.relative_to(top).as_posix()] = (
            stat.S_IFMT(told.st_mode),
            told.st_size * plain,
            told.st_mtime_ns * plain,
        )
    return found


def _removed(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def prepared() -> Iterator[tuple[Path, dict[str, set[str]]]]:
    """A folder of good runs with a copy beside it, and which commands open which of its files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "good"
        folder.mkdir()
        good(folder)
        shutil.copytree(folder, folder.with_name("kept"), symlinks=True)
        built = cache(typer.main.get_command)  # which takes longer than many a command
        with patch("typer.main.get_command", built):
            opened = readers(folder)
            gc.freeze()  # what is there stays, and need not be looked through
            try:
                yield folder, opened
            finally:
                gc.unfreeze()


def run(
    count: int | None = None, workers: int = 2, only: Sequence[str] = ("",), *, every: bool = False
) -> int:
    """Count what fails, and show each failure; so many processes share the wounds of `only` some files."""
    with prepared() as (folder, opened):
        dealt = wounds(folder, count, every=every)
        dealt = [wound for wound in dealt if wound.file.startswith(tuple(only))]
        cases = cases_of(dealt, opened, every=every)
        parts = [cases[start : start + TOGETHER] for start in range(0, len(cases), TOGETHER)]
        print(f"{len(dealt)} wounds, {len(cases)} commands", flush=True)
        found = Counter(root_of(wound) for wound in dealt), Counter(root_of(wound) for wound, _ in cases)
        print(
            *(f"{root}: {found[0][root]} wounds, {found[1][root]} commands" for root in READS),
            sep="\n",
            flush=True,
        )
        fork = mp.get_context("fork")
        failed = fork.Value("i", 0)

        def share(turn: int) -> None:
            own = folder.with_name(f"share{turn}")
            shutil.copytree(folder, own, symlinks=True)
            for number, part in enumerate(parts[turn::workers], 1):
                for (wound, command), said in failures(own, part):
                    with failed.get_lock():
                        failed.value += 1
                    print(f"{command}: {wound.file}: {wound.name}: {said}", flush=True)
                if number % 3 == 0:
                    print(f"{number * TOGETHER} of {len(cases) // workers}", flush=True)

        shares = [fork.Process(target=share, args=(turn,)) for turn in range(workers)]
        for one in shares:
            one.start()
        for one in shares:
            one.join()
        print(f"{failed.value} of {len(cases)} fail")
        return failed.value + sum(one.exitcode != 0 for one in shares)


if __name__ == "__main__":
    known = argparse.ArgumentParser(description="How the commands bear damaged and hostile run folders.")
    known.add_argument("count", nargs="?", type=int, help="so many wounds, of all files in turn")
    known.add_argument("--workers", type=int, default=2)
    known.add_argument(
        "--only", nargs="+", default=[""], metavar="START", help="the wounds of files whose paths begin so"
    )
    known.add_argument(
        "--all",
        action="store_true",
        help="every value, place, file, and command that opens it",
    )
    asked = known.parse_args()
    sys.exit(bool(run(asked.count, asked.workers, asked.only, every=asked.all)))
