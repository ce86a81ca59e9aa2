"""How time and memory grow: with units, images and concepts, by their fitted exponents, and with worker processes.

Each figure is worked out by a process of its own on a small network of one convolution, whose units and images are
drawn at random. Seconds are those of all processors, of this process and its workers, so that other users of the
machine count little; the exponent is the slope of a straight line through their logarithms. Memory is the most that
the process holds of its own, sampled; what lies in files and can be let go does not count.

Workers decode JPEG files of 500 by 375 pixels for the same small network, so that decoding is nearly all there is.
They are timed by the clock, by turns; the median counts. On a machine that others use the clock says little: so the
seconds of processors are told too, and what they come to where two are free: the longest of what this process takes,
what each worker takes, and half of both.

Goals: exponents of at most 1.05; memory that grows by less than 10 % over the sizes; two workers on two processors at
least 1.7 times as fast as none.

    python -m benchmarks.scaling --quick
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import multiprocessing as mp
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import nn

import vital
from benchmarks.common import machine, report, start
from benchmarks.site_cost import run_folder
from vital.activations.matrix import build_matrix
from vital.comparing.base import MEASURES
from vital.comparing.context import EvalContext, Extractor
from vital.comparing.records import Shown

EXPONENT, GROWTH, FASTER = 1.05, 0.10, 1.7
SIDE, WIDTH = 8, 64
WIDEST = 1024
"""The units of a network of which some are asked for: a pass costs the same for few and for many of them."""
TAKES = 2
"""How often each figure is measured; the least counts, for whatever disturbs adds to it."""
REPORTED = 64
"""The side of the pictures that a report shows, in pixels."""
DIFFERENT = 200
"""Different JPEG files; the others are links to them."""


@dataclass(frozen=True)
class Sizes:
    """How much there is of each."""

    units: int = 64
    images: int = 1000
    concepts: int = 500


@dataclass(frozen=True)
class Axis:
    """Sizes of one kind, for a quick look and in full; where `flat`, memory may not grow with them."""

    work: str
    kind: str
    quick: tuple[int, ...]
    full: tuple[int, ...]
    flat: bool = False


AXES = (
    Axis("bank", "images", (5000, 10_000, 20_000), (5000, 10_000, 20_000, 50_000), flat=True),
    Axis("bank", "units", (256, 512, 1024, 2048), (256, 512, 1024, 2048), flat=True),
    Axis("probe", "images", (5000, 10_000, 20_000), (5000, 10_000, 20_000, 50_000), flat=True),
    Axis("probe", "units", (256, 512, 1024, 2048), (256, 512, 1024, 2048), flat=True),
    Axis("words", "units", (256, 512, 1024), (256, 512, 1024, 2048)),
    Axis("words", "images", (4000, 8000, 16_000), (2000, 4000, 8000, 16_000)),
    Axis("words", "concepts", (1000, 2000, 4000), (1000, 2000, 4000, 8000)),
    Axis("template", "units", (128, 256, 512), (128, 256, 512, 1024)),
    Axis("path", "units", (100, 200, 400), (100, 200, 400, 800)),
    Axis("report", "units", (32, 64, 128), (32, 64, 128, 256)),
    Axis("site", "units", (128, 256, 512), (256, 512, 1024, 2048)),
)


class Drawn:
    """An image-text encoder that knows nothing."""

    name = "drawn"

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """Project pixels at random."""
        flat = images.flatten(1)
        drawn = torch.randn(flat.shape[1], WIDTH, generator=torch.Generator().manual_seed(0))
        return nn.functional.normalize((flat - 0.5) @ drawn, dim=1)

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        """Draw a vector for each text."""
        rows = [
            torch.randn(WIDTH, generator=torch.Generator().manual_seed(int(re.sub(r"\D", "", text) or 0)))
            for text in texts
        ]
        return nn.functional.normalize(torch.stack(rows), dim=1)


def network(units: int) -> vital.Model:
    """A convolution of so many units, and ten outputs."""
    torch.manual_seed(0)
    parts = (
        nn.Conv2d(3, units, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(units, 10),
    )
    return vital.Model(nn.Sequential(*parts), size=(SIDE, SIDE))


def images(count: int, folder: Path) -> vital.ImageSet:
    """Pictures in a file, which takes no memory."""
    path = folder / "images.npy"
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    np.save(path, pixels)
    return vital.load_images(path, workers=0)


def bank(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """One pass over the images."""
    model, pictures = network(sizes.units), images(sizes.images, folder)
    return lambda: vital.build_bank(model, ["1"], pictures, disk=False)


def probe(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """The values of a whole layer."""
    model, pictures = network(sizes.units), images(sizes.images, folder)
    return lambda: build_matrix(model, pictures, model.units(["1:0"]))


def words(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """All units of a layer in words, judged."""
    model, pictures = network(sizes.units), images(sizes.images, folder)
    concepts = [f"concept {i}" for i in range(sizes.concepts)]
    how: dict[str, Any] = {"concepts": concepts, "encoder": Drawn(), "n_random_models": 0, "progress": False}
    return lambda: vital.describe(model, f"1:0-{sizes.units - 1}", images=pictures, **how)


def template(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """The templates of some units of a layer, kept on disk."""
    model = network(WIDEST)
    found = vital.build_bank(model, ["1"], images(sizes.images, folder))
    return lambda: [found.template(f"1:{i}").megabytes for i in range(sizes.units)]


def path(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """Path similarity of one picture of each of some units."""
    model = network(WIDEST)
    found = vital.build_bank(model, ["0", "1"], images(sizes.images, folder), disk=False)
    context = EvalContext(found, ("0",), ("1",), Extractor("pixels", lambda seen: seen.flatten(1)))
    units = tuple(model.units(f"1:0-{sizes.units - 1}"))
    shown = Shown("drawn", units, (0,) * len(units), torch.rand(len(units), 3, SIDE, SIDE))
    return lambda: list(MEASURES["path"].scores(context, shown))


def page(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """The one-file report of a run folder of so many units."""
    made = run_folder(Path(tempfile.mkdtemp(dir=folder)) / "run", sizes.units, REPORTED)
    return lambda: vital.report(made)


def site(sizes: Sizes, folder: Path) -> Callable[[], object]:
    """The site of a run folder of so many units."""
    made = run_folder(Path(tempfile.mkdtemp(dir=folder)) / "run", sizes.units, REPORTED)
    return lambda: vital.write_site(made.parent / "site", made)


WORK = {
    "bank": bank, "probe": probe, "words": words, "template": template, "path": path, "report": page, "site": site,
}  # fmt: skip


class Memory:
    """The most that this process holds of its own while a block runs, in MB, looked at every few milliseconds."""

    def __init__(self) -> None:
        self.most, self._over = 0.0, threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self.most = max(self.most, held())

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self.most = max(self.most, held())


def held() -> float:
    """What this process holds of its own, in MB; not a number where the system does not tell."""
    try:
        told = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    except OSError:
        return math.nan
    return int(told[1]) / 1000 if told else math.nan


def ended() -> float:
    """Seconds of all processors so far of the processes that this one started and that ended."""
    times = os.times()
    return times.children_user + times.children_system


def alone(work: str, sizes: Sizes) -> dict[str, float]:
    """Measure one thing in this process."""
    start()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VITAL_CACHE"] = folder
        WORK[work](Sizes(8, 64, 16), Path(folder))()  # everything's first time
        run = WORK[work](sizes, Path(folder))
        gc.collect()
        with Memory() as memory:
            began = time.process_time() + ended()
            run()
            taken = time.process_time() + ended() - began
    return {"seconds": taken, "megabytes": memory.most}


def apart(work: str, sizes: Sizes) -> dict[str, float]:
    """Measure one thing in a process of its own."""
    given = [work, *map(str, (sizes.units, sizes.images, sizes.concepts))]
    made = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.scaling", "--one", *given],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(made.stdout)
    return found


def exponent(sizes: Sequence[float], taken: Sequence[float]) -> float:
    """The slope of a straight line through the logarithms.

    >>> round(exponent([1, 2, 4], [3, 6, 12]), 3), round(exponent([1, 2, 4], [1, 4, 16]), 3)
    (1.0, 2.0)
    """
    slope, _ = np.polyfit(np.log(sizes), np.log(taken), 1)
    return float(slope)


def grown(axis: Axis, quick: bool) -> dict[str, Any]:
    """Time and memory along one axis."""
    sizes = axis.quick if quick else axis.full
    rows = [[apart(axis.work, replace(Sizes(), **{axis.kind: size})) for _ in range(TAKES)] for size in sizes]
    seconds, memory = ([min(take[name] for take in row) for row in rows] for name in ("seconds", "megabytes"))
    slope, growth = exponent(sizes, seconds), memory[-1] / memory[0] - 1
    return {
        "work": axis.work,
        "over": axis.kind,
        "sizes": sizes,
        "seconds": seconds,
        "megabytes": memory,
        "exponent": slope,
        "growth": growth,
        "pass": slope <= EXPONENT and not (axis.flat and growth >= GROWTH),
    }


def jpegs(count: int, folder: Path) -> None:
    """Files of 500 by 375 pixels, of which some are the same."""
    random = np.random.default_rng(0)
    for i in range(min(count, DIFFERENT)):
        rough = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        smooth = np.asarray(rough.resize((500, 375), Image.Resampling.BICUBIC)).astype(int)
        noisy = (smooth + random.integers(-12, 12, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{i:06d}.jpg", quality=90)
    for i in range(DIFFERENT, count):
        os.link(folder / f"{i % DIFFERENT:06d}.jpg", folder / f"{i:06d}.jpg")


def decoded(count: int, rounds: int, workers: Sequence[int]) -> dict[str, Any]:
    """A bank of JPEG files with so many workers, by turns."""
    parts = (nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    model = vital.Model(nn.Sequential(*parts), size=(224, 224), resize=256)
    taken: dict[int, list[float]] = {n: [] for n in workers}
    shares: dict[int, list[tuple[float, float]]] = {n: [] for n in workers}
    with tempfile.TemporaryDirectory() as folder:
        jpegs(count, Path(folder))
        for n in list(workers) * rounds:
            given, own, others = vital.load_images(folder, workers=n), time.process_time(), ended()
            given.hash()
            began = time.perf_counter()
            vital.build_bank(model, ["1"], given, disk=False)
            taken[n].append(time.perf_counter() - began)
            own = time.process_time() - own
            del given
            gc.collect()
            while mp.active_children():
                time.sleep(0.05)
            shares[n].append((own, ended() - others))
    clock = {n: statistics.median(values) for n, values in taken.items()}
    own, other = (
        {n: statistics.median(v[i] for v in values) for n, values in shares.items()} for i in (0, 1)
    )
    free = {n: max(own[n], other[n] / max(1, n), (own[n] + other[n]) / 2) if n else own[n] for n in workers}
    return {
        "images": count,
        "workers": list(workers),
        "seconds": taken,
        "own_seconds": own,
        "worker_seconds": other,
        "faster": {n: clock[workers[0]] / value for n, value in clock.items()},
        "faster_on_two_free": {n: free[workers[0]] / value for n, value in free.items()},
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan,
    }


def table(result: Mapping[str, Any]) -> list[list[object]]:
    """The rows that are printed."""
    rows: list[list[object]] = [["work", "over", "sizes", "CPU seconds", "exponent", "MB", "growth", ""]]
    for one in result["grown"]:
        sizes = " ".join(map(str, one["sizes"]))
        seconds, memory = (
            " ".join(f"{value:.3g}" for value in one[name]) for name in ("seconds", "megabytes")
        )
        verdict = "holds" if one["pass"] else "missed"
        shown = [f"{one['exponent']:.2f}", memory, f"{one['growth']:+.0%}", verdict]
        rows.append([one["work"], one["over"], sizes, seconds, *shown])
    made = result["decoded"]
    for n in made["workers"]:
        clock = " ".join(f"{value:.1f}" for value in made["seconds"][n])
        busy = f"{made['own_seconds'][n]:.1f} and {made['worker_seconds'][n]:.1f} of workers"
        times = f"{made['faster'][n]:.2f} x by the clock, load {made['load']:.0f}"
        free = f"{made['faster_on_two_free'][n]:.2f} x with two free processors"
        rows.append([f"{made['images']} JPEG files", f"{n} workers", clock, busy, free, "", "", times])
    return rows


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and say whether the goals hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, some minutes")
    parser.add_argument("--only", nargs="+", choices=[*WORK, "workers"], default=[*WORK, "workers"])
    parser.add_argument("--files", type=int, help="JPEG files to decode; by default 1,000, or 10,000 in full")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.one:
        work, *numbers = options.one
        print(json.dumps(alone(work, Sizes(*map(int, numbers)))))
        return
    start()
    files = options.files or (1000 if options.quick else 10_000)
    turns = (files, options.rounds, options.workers) if "workers" in options.only else (0, 0, ())
    result = {
        "grown": [grown(axis, options.quick) for axis in AXES if axis.work in options.only],
        "decoded": decoded(*turns) if turns[0] else {"images": 0, "workers": [], "load": math.nan},
        "goals": {"exponent": EXPONENT, "growth": GROWTH, "two workers": FASTER},
        "machine": machine(),
    }
    report(result, table(result), options.json)


if __name__ == "__main__":
    main()
