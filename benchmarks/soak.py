"""What a long life leaves behind: 2,000 units rendered in one process, and 50,000 images through bank and describe.

Four things are done in one process of one thread. A round of the first renders units by one of the
methods, each in its turn, writes and reads the run folder, finds exemplars, and describes the units by one of the
describers; every few rounds a bank of image files is made by a worker process. A round of the second makes a bank of
images that were not seen before, and describes units by them. The others show all images at once, to a bank and to a
describer, and look while they pass.

After each round is counted what the process holds: memory of its own, open files, hooks on the network and on all
modules, threads, child processes, and temporary files. The slope of memory is that of a straight line through the
rounds after the first third, in which everything is used for the first time.

Goals: memory that grows by less than 10 MB from there to the end, beside the embeddings of all images, which a
describer that sees them at once holds; not one file, hook, thread, child process or
temporary file more at the end than there.

    python -m benchmarks.soak
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing as mp
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import vital
from benchmarks.common import machine, report, start
from benchmarks.scaling import WIDTH, Drawn, held
from vital.models.identity import identity
from vital.rendering import exemplars, save_exemplars
from vital.rendering.run_folder import Render, entered, runs

MEGABYTES = 10.0
SIDE, PER_ROUND, IMAGES = 16, 25, 200
ROUNDS = 25
"""The rounds in which all images are seen."""
WORKERS_EVERY = 8
"""Rounds from one bank that worker processes read to the next."""
METHODS = ("vital", "vital-scene", "vital-reference", "fourier", "pixels", "maco", "deep-inversion")
DESCRIBERS = ("clip-dissect", "activation-ranges", "linear")
CONCEPTS = [f"concept {i}" for i in range(40)]
COUNTS = ("files", "hooks", "threads", "children", "temporaries")
HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)  # fmt: skip
OF_ALL_MODULES = (
    "_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks",
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """What the process holds after so many units or images: megabytes, and how many of each."""

    done: int
    megabytes: float
    files: int = 0
    hooks: int = 0
    threads: int = 0
    children: int = 0
    temporaries: int = 0


def hooks_on(module: nn.Module) -> int:
    """The hooks on a network and its parts, on its tensors, and on all modules there are."""
    torches = torch.nn.modules.module
    count = sum(len(getattr(torches, name)) for name in OF_ALL_MODULES)
    count += sum(len(getattr(part, name)) for part in module.modules() for name in HOOKS)
    return count + sum(len(tensor._backward_hooks or ()) for tensor in module.parameters())  # noqa: SLF001


def taken(module: nn.Module, done: int, temporaries: Path) -> Held:
    """Count what is held, when child processes that are about to end have had a moment for it."""
    gc.collect()
    until = time.monotonic() + 10
    while mp.active_children() and time.monotonic() < until:
        time.sleep(0.02)
    return Held(
        done,
        held(),
        _entries("/proc/self/fd"),
        hooks_on(module),
        _entries("/proc/self/task") or threading.active_count(),
        len(mp.active_children()),
        sum(path.is_file() for path in temporaries.rglob("*")),
    )


def _entries(folder: str) -> int:
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0  # noqa: PTH112, PTH208


class Counting(nn.Module):
    """Passes images on; calls a function with how many have been seen, each time it is so many more."""

    def __init__(self, every: int, tell: Callable[[int], object]) -> None:
        super().__init__()
        self.every, self.tell, self.seen = every, tell, 0

    def forward(self, x: Tensor) -> Tensor:
        """The images as they are."""
        if self.seen // self.every < (self.seen + len(x)) // self.every:
            self.tell(self.seen + len(x))
        self.seen += len(x)
        return x


def network(units: int, *first: nn.Module) -> vital.Model:
    """Two convolutions, the second of so many units, and ten outputs; `first` comes before them."""
    torch.manual_seed(0)
    parts = (
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, units, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(units, 10),
    )  # fmt: skip
    return vital.Model(nn.Sequential(*first, *parts).eval(), name="tiny", size=(SIDE, SIDE))


def looking(count: int, temporaries: Path) -> tuple[list[Held], vital.Model]:
    """A network, and what was held each time that a 25th of so many images had passed it."""
    found: list[Held] = []
    first = Counting(max(1, count // ROUNDS), lambda seen: found.append(taken(first, seen, temporaries)))
    return found, network(32, first)


def images(count: int, folder: Path, seed: int = 0) -> vital.ImageSet:
    """Pictures in a file, which takes no memory."""
    path = folder / f"images-{seed}.npy"
    pixels = np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    np.save(path, pixels)
    return vital.load_images(path, workers=0)


def options(method: str, size: int = SIDE) -> dict[str, Any]:
    """Few steps of a method."""
    return {"method": method, "steps": 4, "size": size} | ({"n_transforms": 2} if method == "maco" else {})


def described(model: vital.Model, units: Sequence[str], method: str, **shown: Any) -> None:
    """Units in words; `shown` is a bank or images."""
    how: dict[str, Any] = {"concepts": CONCEPTS, "encoder": Drawn(), "n_random_models": 0, "progress": False}
    vital.describe(model, units, methods=method, **shown, **how)


def kept(folder: Path, model: vital.Model, method: str, made: vital.Prototypes) -> None:
    """Write a run folder and read it again."""
    request = Render(method, {}, 0, PER_ROUND, tuple(str(one.unit) for one in made))
    with entered(folder, identity(model), request) as run:
        for one in made:
            run.save(one)
    for run in runs(folder):
        for name in run.render.units:
            run.prototype(name)


def of_units(count: int, folder: Path, temporaries: Path) -> Iterator[Held]:
    """Render, keep, find exemplars and describe, round by round."""
    model, pictures = network(count), images(IMAGES, folder)
    bank = vital.build_bank(model, ["4"], pictures, path=folder / "units.bank")
    files = folder / "files"
    files.mkdir()
    for i in range(48):
        Image.effect_noise((24, 24), 90).convert("RGB").save(files / f"{i:02d}.png")
    rounds = range(0, count, PER_ROUND)
    for i, (begin, method, describer) in enumerate(
        zip(rounds, cycle(METHODS), cycle(DESCRIBERS), strict=False)
    ):
        units = [f"4:{unit}" for unit in range(begin, min(begin + PER_ROUND, count))]
        made = vital.render(model, units, bank=bank, progress=False, **options(method))
        kept(folder / f"run-{i}", model, method, made)
        for unit in units[:3]:
            save_exemplars(folder / f"run-{i}", exemplars(bank, unit, 2))
        described(model, units, describer, bank=bank)
        if i % WORKERS_EVERY == 0:
            vital.build_bank(network(8), ["4"], vital.load_images(files, workers=1), disk=False)
        del made
        yield taken(model.module, begin + len(units), temporaries)


def of_sets(count: int, folder: Path, temporaries: Path) -> Iterator[Held]:
    """Banks and words of one set of images after another."""
    model, each = network(32), max(1, count // ROUNDS)
    for i, describer in zip(range(count // each), cycle(DESCRIBERS), strict=False):
        pictures = images(each, folder, seed=i)
        bank = vital.build_bank(model, ["4"], pictures, path=folder / f"set-{i}.bank")
        described(model, ["4:0-31"], describer, bank=bank)
        del bank, pictures
        yield taken(model.module, (i + 1) * each, temporaries)


def of_bank(count: int, folder: Path, temporaries: Path) -> Iterator[Held]:
    """A bank of all images at once, looked at while they pass."""
    found, model = looking(count, temporaries)
    vital.build_bank(model, ["5"], images(count, folder), disk=False)
    yield from found


def of_words(count: int, folder: Path, temporaries: Path) -> Iterator[Held]:
    """Words of all images at once, looked at while they pass."""
    found, model = looking(count, temporaries)
    described(model, ["5:0-31"], DESCRIBERS[0], images=images(count, folder))
    yield from found


WORK: dict[str, tuple[str, Callable[[int, Path, Path], Iterator[Held]]]] = {
    "units": ("units", of_units),
    "sets of images": ("images", of_sets),
    "one set, bank": ("images", of_bank),
    "one set, words": ("images", of_words),
}


@dataclass(frozen=True)
class Soak:
    """What one kind of work left behind, round by round."""

    work: str
    of: str
    rounds: list[Held]
    seconds: float
    goal: float = field(default=MEGABYTES)

    @property
    def warm(self) -> list[Held]:
        """The rounds after the first third."""
        return self.rounds[len(self.rounds) // 3 :]

    @property
    def slope(self) -> float:
        """Kilobytes of memory for each unit or image.

        >>> Soak("units", "units", [Held(i, 100 + i / 1000) for i in range(9)], 1).slope
        1.0
        """
        done, memory = ([getattr(one, name) for one in self.warm] for name in ("done", "megabytes"))
        return round(1000 * float(np.polyfit(done, memory, 1)[0]), 3)

    @property
    def growth(self) -> float:
        """Megabytes that the straight line rises."""
        return self.slope * (self.warm[-1].done - self.warm[0].done) / 1000

    @property
    def leaks(self) -> list[str]:
        """What there is more of at the end than when all was warm; "memory" where it grew beyond the goal."""
        first, last = self.warm[0], self.warm[-1]
        found = [name for name in COUNTS if getattr(last, name) > getattr(first, name)]
        return found + ["memory"] * (self.growth >= self.goal)


@contextmanager
def apart() -> Iterator[tuple[Path, Path]]:
    """A folder to work in, and the folder of temporary files of this process while the body runs."""
    with tempfile.TemporaryDirectory() as place:
        work, temporaries = Path(place) / "work", Path(place) / "temporary"
        work.mkdir()
        temporaries.mkdir()
        given = {"VITAL_CACHE": str(Path(place) / "cache"), "TMPDIR": str(temporaries)}
        with patch.dict(os.environ, given), patch.object(tempfile, "tempdir", str(temporaries)):
            yield work, temporaries


def soaked(work: str, count: int, rounds: int | None = None) -> Soak:
    """Do one kind of work until so many units or images are done."""
    of, run = WORK[work]
    began = time.perf_counter()
    with apart() as (folder, temporaries), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "none of the")  # images shows what excites a unit, here and there
        found = list(islice(run(count, folder, temporaries), rounds))
    held_by_words = count * WIDTH * 4 / 1e6 if WORK[work][1] is of_words else 0.0
    return Soak(work, of, found, time.perf_counter() - began, MEGABYTES + held_by_words)


def table(found: Sequence[Soak]) -> list[list[object]]:
    """The rows that are printed."""
    rows: list[list[object]] = [
        ["work", "done", "rounds", "MB warm", "MB end", "kB each", *COUNTS, "seconds", ""]
    ]
    for one in found:
        first, last = one.warm[0], one.warm[-1]
        counts = [f"{getattr(first, name)} to {getattr(last, name)}" for name in COUNTS]
        memory = [f"{first.megabytes:.1f}", f"{last.megabytes:.1f}", f"{one.slope:.3f}"]
        verdict = f"leaks {', '.join(one.leaks)}" if one.leaks else "holds"
        shown = f"{last.done:,} {one.of}"
        rows.append([one.work, shown, len(one.rounds), *memory, *counts, f"{one.seconds:.0f}", verdict])
    return rows


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--only", nargs="+", choices=[*WORK], default=[*WORK])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(given)
    start()
    torch.set_num_threads(1)
    sizes = {"units": options.units, "images": options.images}
    found = [soaked(work, sizes[WORK[work][0]]) for work in options.only]
    told = [asdict(one) | {"slope": one.slope, "growth": one.growth, "leaks": one.leaks} for one in found]
    result = {"soaks": told, "pass": not any(one.leaks for one in found), "machine": machine()}
    report(result, table(found), options.json)


if __name__ == "__main__":
    main()
