"""What is lost when a command is killed, finds the disk full, or is stopped, at each of its writes.

Each command that writes runs once undisturbed, on a tiny network and the built-in world, and every change that it makes
to the file system is counted. Then it runs again for each of those changes, from the same start, with one fault there:

- `kill`: SIGKILL before the change;
- `torn`: killed by the system in the middle of what is written next;
- `full`: no file can grow from there on, after part of what is written next;
- `no space`: the change itself fails with ENOSPC;
- `interrupt` and `terminate`: SIGINT and SIGTERM.

The same command runs once more. Counted are files that are then missing (lost) or have other bytes than without a fault
(differing), temporaries that are left (orphans), tracebacks, and stops that are not told in one sentence with the exit
code 130 or 143. Goals: none of each, in 500 kills. Processes of a Ray cluster are killed by `benchmarks.ray_kills`.

    python -m benchmarks.faults --only bank render --most 5
"""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import multiprocessing as mp
import os
import resource
import select
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import machine, report, start

KINDS = ("kill", "torn", "full", "no space", "interrupt", "terminate")
COUNTED = ("lost", "differing", "orphans", "traceback", "untold", "failed again")
"""What may go wrong; `untold` is a stop without its sentence, `failed again` a second run with another exit code."""
GOAL = 500
"""How many kills there should be."""
LIMIT = 120.0
"""How many seconds a run may take."""
TORN_BYTES = 37
"""How much of what is written next arrives before the disk is full."""
CODES = {"interrupt": (signal.SIGINT, 130), "terminate": (signal.SIGTERM, 143)}
COSTS = (b"seconds", b"peak MB")
VOLATILE = ("log.jsonl", ".lock")
"""Files that say when and how long, or hold nothing."""
NET = """
from torch import nn

SIZE = 16
CLASSES = ("ant", "bee", "cat", "dog", "elk")


def make():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )
"""
TINY = "net.py:make --weights random --device cpu"
BANK = f"bank {TINY} --layers 1,3 --images pictures --out all.safetensors"
RENDER = f"render {TINY} 1:0-1 --method fourier --steps 2 --out run"
DESCRIBE = (
    "describe world planted:2 --images scenes.npz --concepts words.txt --set n_random_models=1 --out words"
)
COMPARED = "--methods fourier,pixels --set fourier.steps=2 --set pixels.steps=2"
COMPARE = f"compare {TINY} class:0 {COMPARED} --images pictures --seeds 1 --controls 'random weights' --out compared"


@dataclass(frozen=True)
class Task:
    """A command that writes: its words, and the commands that have to run before it."""

    words: str
    before: tuple[str, ...] = ()


def _part(name: str) -> str:
    return f"bank {TINY} --layers 1 --images pictures/{name} --out {name}.safetensors"


TASKS: Mapping[str, Task] = {
    "bank": Task(BANK),
    "merge": Task(f"merge {TINY} ant.safetensors bee.safetensors --out both.safetensors", (_part("ant"), _part("bee"))),
    "concepts": Task(f"concepts {TINY} --layer 1 --images pictures --count 2 --out found.safetensors"),
    "render": Task(RENDER),
    "render --count": Task(f"render {TINY} 1:0 3:1 --images pictures --count 2 --steps 2 --out run"),
    "exemplars": Task(f"exemplars {TINY} 1:0-1 --bank all.safetensors --count 2 --out run", (BANK, RENDER)),
    "circuit": Task(
        f"circuit {TINY} 3:0 --layers 1 --count 2 --bank all.safetensors --steps 2 --out run", (BANK,)
    ),
    "describe": Task(DESCRIBE),
    "dissect": Task(
        "dissect world --layers planted --images scenes.npz --concepts words.txt --set n_random_models=0 --out words"
    ),
    "atlas": Task(
        f"atlas {TINY} --layers 1:0-1 --images pictures --methods fourier --steps 2 --count 2 --no-estimate --out site"
    ),
    "lwta train": Task(f"lwta train {TINY} --images pictures --test pictures --epochs 2 --batch-size 8 --out run"),
    "explain": Task("explain world:competing photo.png --out explained"),
    "compare": Task(COMPARE),
    "score": Task("score fc.csv --names names.txt --out scored"),
    "agree": Task("agree fc.csv other.csv --out agreed.csv"),
    "report": Task("report run", (RENDER,)),
    "report --site": Task("report run --site site", (RENDER,)),
    "figure": Task("figure run --out units.svg", (RENDER,)),
    "demo": Task("demo --out demo"),
}  # fmt: skip


def furnish(here: Path) -> None:
    """Make a folder with a network, labeled images, scenes of the world and words."""
    import numpy as np
    from PIL import Image

    from vital.world.scenes.dataset import images

    draw = np.random.default_rng(0)
    here.mkdir(parents=True)
    (here / "net.py").write_text(NET)
    for name in ("ant", "bee", "cat", "dog", "elk"):
        (here / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            pixels = draw.integers(0, 255, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "pictures" / name / f"{i}.png")
    shown = images(40, seed=5)
    scenes = np.stack([shown[i] for i in range(40)])
    np.savez(here / "scenes.npz", images=scenes)
    Image.fromarray(scenes[0]).save(here / "photo.png")
    for name in ("fc.csv", "other.csv"):
        (here / name).write_text("layer,unit,description\nfc,0,bees\nfc,1,honey bee\nfc,2,\n")
    (here / "names.txt").write_text("ant\nbee, honey bee\ncat\n")
    (here / "words.txt").write_text("red\ngreen\nsnow\nstriped sphere\n")


@dataclass
class Ended:
    """How a run ended: its exit code (negative for a signal), what it said, and the changes that it made."""

    code: int
    said: str
    changes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """What happens at which change, the first being 0."""

    kind: str
    at: int


class Watch:
    """An audit hook that counts the changes of files in a folder, and lets a fault happen at one of them."""

    def __init__(self, here: Path, fault: Fault | None) -> None:
        self.here, self.fault, self.seen = os.path.realpath(here), fault, list[str]()

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        """Look at what Python is about to do."""
        path = _changed(event, given)
        if path is None:
            return
        place = os.path.realpath(path)
        if not place.startswith(self.here + os.sep):
            return
        self.seen.append(f"{event} {os.path.relpath(place, self.here)}")
        if self.fault and self.fault.at == len(self.seen) - 1:
            self._strike(self.fault.kind, place)

    def _strike(self, kind: str, path: str) -> None:
        size = Path(path).stat().st_size if Path(path).is_file() else 0
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind in CODES:
            os.kill(os.getpid(), CODES[kind][0])
        elif kind == "no space":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        else:
            if kind == "torn":
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + TORN_BYTES, hard))


def _changed(event: str, given: tuple[Any, ...]) -> str | None:
    """The path that an event changes; None for one that changes nothing."""
    if event == "open":
        path, mode, flags = given
        writes = any(letter in mode for letter in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
        return os.fspath(path) if writes and isinstance(path, str | os.PathLike) else None
    if event in ("os.rename", "os.link"):
        return os.fspath(given[1])
    if event in ("os.mkdir", "os.remove", "os.truncate"):
        return os.fspath(given[0]) if isinstance(given[0], str | os.PathLike) else None
    return None


def _child(here: Path, words: str, fault: Fault | None, answer: int) -> None:
    """Run a command in this process, which ends with it."""
    os.setsid()
    os.chdir(here)
    (here / "tmp").mkdir(exist_ok=True)
    os.environ |= {"VITAL_CACHE": str(here / "cache"), "TMPDIR": str(here.parent / "tmp")}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(answer, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    watch, code = Watch(here, fault), 1
    from vital.cli import demo, main

    vars(sys.modules["vital.cli.demo"]).update(
        STEPS=2, IMAGES=64, UNITS=("planted:0", "class:metal star"), EXEMPLARS=2
    )
    del demo
    sys.addaudithook(watch)
    try:
        code = main(shlex.split(words))
    except BaseException:  # noqa: BLE001 - whatever it is, it is shown
        traceback.print_exc()
    told = {"changes": watch.seen, "modules": [] if fault else sorted(sys.modules)}
    sys.stderr.write(f"\0{json.dumps(told)}")
    sys.stderr.flush()
    os._exit(code)


def run(here: Path, words: str, fault: Fault | None = None) -> tuple[Ended, list[str]]:
    """Run a command in a process of its own, and the modules that it imported."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        _child(here, words, fault, write)
    os.close(write)
    text = _read(read, time.monotonic() + LIMIT)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    said, _, told = text.partition("\0")
    found = json.loads(told) if told else {"changes": [], "modules": []}
    return Ended(os.waitstatus_to_exitcode(status), said, found["changes"]), found["modules"]


def _read(pipe: int, end: float) -> str:
    """Read a pipe to its end, or until a time is over."""
    parts = list[bytes]()
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while (left := end - time.monotonic()) > 0 and select.select([file], [], [], left)[0]:
            if not (part := file.read(1 << 16)):
                break
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def contents(here: Path) -> dict[str, bytes]:
    """The files of a folder by their path, without those that say when, caches and temporaries."""
    found = (path for path in sorted(here.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(here)): _lasting(path)
        for path in found
        if path.name not in VOLATILE and not _temporary(path) and path.relative_to(here).parts[0] != "cache"
    }


def _lasting(path: Path) -> bytes:
    """What a file holds but for how long something took: rows of the scores of a comparison, and all its tables."""
    if path.name.startswith("table."):
        return b""
    if path.name != "comparison.csv":
        return path.read_bytes()
    lines = path.read_bytes().splitlines(keepends=True)
    return b"".join(line for line in lines if not any(what in line for what in COSTS))


def _temporary(path: Path) -> bool:
    return path.name.endswith(".part") or path.name.startswith(
        (".tmp", ".stamps")
    )  # .stamps: an atlas's times


def orphans(here: Path) -> list[str]:
    """What was written to and took no file's place."""
    left = (path for path in here.rglob(".*") if path.name.endswith(".part") or path.name.startswith(".tmp"))
    return [str(path.relative_to(here)) for path in left]


@dataclass
class Tried:
    """A fault, and what went wrong with it."""

    task: str
    kind: str
    at: int
    change: str
    wrong: dict[str, str]
    struck: bool = True


class Bench:
    """A folder where one command runs again and again from the same start."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.task = name, TASKS[name]
        self.here, self.start = folder / "here", folder / "start"
        (folder / "tmp").mkdir(parents=True)
        furnish(self.here)
        for words in self.task.before:
            self._undisturbed(words)
        shutil.copytree(self.here, self.start)
        self.whole, self.modules = self._undisturbed(self.task.words)
        self.files = contents(self.here)

    def _undisturbed(self, words: str) -> tuple[Ended, list[str]]:
        ended, modules = run(self.here, words)
        if not ended.changes or ended.code not in (0, 1) or "Traceback" in ended.said:
            raise SystemExit(f"vital {words} ended with {ended.code}: {ended.said}")
        return ended, modules

    def attempt(self, fault: Fault) -> Tried:
        """Let a fault happen, run the command again, and compare."""
        shutil.rmtree(self.here)
        shutil.copytree(self.start, self.here)
        ended, _ = run(self.here, self.task.words, fault)
        wrong = _told_wrong(fault.kind, ended)
        if gone := sorted(contents(self.start).keys() - contents(self.here).keys()):
            wrong["lost"] = f"{gone[:3]} after the fault"
        again, _ = run(self.here, self.task.words)
        now = contents(self.here)
        if again.code != self.whole.code or "Traceback" in again.said:
            wrong["failed again"] = f"{again.code}: {again.said[-300:]}"
        if gone := sorted(self.files.keys() - now.keys()):
            wrong["lost"] = str(gone[:3])
        if other := sorted(name for name in now if now[name] != self.files.get(name, now[name])):
            wrong["differing"] = str(other[:3])
        if new := sorted(now.keys() - self.files.keys()):
            wrong["differing"] = f"new: {new[:3]}"
        if left := orphans(self.here):
            wrong["orphans"] = str(left[:3])
        struck = fault.kind not in ("kill", "torn") or ended.code in (-signal.SIGKILL, -signal.SIGXFSZ)
        return Tried(self.name, fault.kind, fault.at, self.whole.changes[fault.at], wrong, struck)


def _told_wrong(kind: str, ended: Ended) -> dict[str, str]:
    """What is wrong with how a run with a fault ended."""
    wrong = {"traceback": ended.said[-600:]} if "Traceback" in ended.said else {}
    if kind in CODES:
        last = (ended.said.strip().splitlines() or [""])[-1]
        if ended.code != CODES[kind][1] or not last.startswith("vital: stopped; "):
            wrong["untold"] = f"{ended.code}: {last[-200:]}"
    elif kind in ("full", "no space") and ended.code not in (0, 1):
        wrong["untold"] = f"{ended.code}: {ended.said[-200:]}"
    return wrong


def faults_of(changes: Sequence[str], kinds: Iterable[str], most: int | None) -> list[Fault]:
    """A fault of each kind at each change, or at `most` changes of the run; what is torn must be opened first."""
    found = list[Fault]()
    for kind in kinds:
        fits = [i for i, change in enumerate(changes) if _fits(kind, change)]
        if most and len(fits) > most:
            fits = [fits[i * len(fits) // most] for i in range(most)]
        found += [Fault(kind, i) for i in fits]
    return found


def _fits(kind: str, change: str) -> bool:
    if kind in ("torn", "full"):
        return change.startswith("open ") and not change.endswith(".lock")
    return kind != "no space" or not change.startswith("os.remove ")


def measured(name: str, kinds: Sequence[str], most: int | None) -> tuple[list[Tried], float, int]:
    """Try the faults of a command: what came of each, seconds of an undisturbed run, and its changes."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(name, Path(folder))
        for module in bench.modules:
            with suppress(Exception):
                importlib.import_module(module)
        begun = time.monotonic()
        run(bench.here, bench.task.words)
        seconds = time.monotonic() - begun
        faults = faults_of(bench.whole.changes, kinds, most)
        return [bench.attempt(fault) for fault in faults], seconds, len(bench.whole.changes)


def summary(tried: Sequence[Tried]) -> dict[str, Any]:
    """Counts by command and kind, and each fault that something went wrong with."""
    table: dict[str, dict[str, int]] = {}
    for one in tried:
        row = table.setdefault(f"{one.task} / {one.kind}", dict.fromkeys(("tried", *COUNTED), 0))
        row["tried"] += one.struck
        for what in one.wrong:
            row[what] += 1
    kills = sum(one.struck for one in tried if one.kind in ("kill", "torn"))
    all_of = {name: sum(row[name] for row in table.values()) for name in ("tried", *COUNTED)}
    failed = [asdict(one) for one in tried if one.wrong]
    return {"kills": kills, "table": table, "all": all_of, "wrong": failed, "machine": machine()}


def _all(given: argparse.Namespace) -> list[Tried]:
    """Try the faults of some commands, and say how it goes."""
    tried = list[Tried]()
    with ProcessPoolExecutor(given.jobs, mp.get_context("fork")) as pool:
        waiting = {name: pool.submit(measured, name, given.kinds, given.most) for name in given.only}
        for name, future in waiting.items():
            found, seconds, changes = future.result()
            tried += found
            print(
                f"{name}: {changes} changes, {seconds:.2f} s, {len(found)} faults",
                file=sys.stderr,
                flush=True,
            )
            for one in found:
                if one.wrong:
                    print(f"  {one.kind} {one.at} {one.change}: {one.wrong}", file=sys.stderr, flush=True)
    return tried


def main() -> None:
    """Try, and say what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--most", type=int, help="faults of each kind in each command; at every write unless given"
    )
    parser.add_argument("--ray", type=int, metavar="N", help="kill so many processes of a Ray cluster too")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    importlib.import_module("vital.cli.app")  # once, and not by each process
    start()
    result = summary(_all(given))
    if given.ray:
        result["ray"] = _ray(given.ray)
    rows: list[list[object]] = [["command / fault", *result["all"]]]
    rows += [[name, *counts.values()] for name, counts in result["table"].items()]
    rows += [[f"{result['kills']} kills, goal {GOAL}", *result["all"].values()]]
    if given.ray:
        rows += [["ray: " + ", ".join(f"{count} {name}" for name, count in result["ray"].items()), *[""] * 7]]
    report(result, rows, given.json)


def _ray(kills: int) -> dict[str, int]:
    from benchmarks.ray_kills import measure

    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), kills)
    return {name: found[name] for name in ("kills", "lost", "double", "differing")}


if __name__ == "__main__":
    main()
