"""`python -m benchmarks.mutation`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import benchmarks.mutation
from benchmarks.common import machine
from benchmarks.mutation.faults import ROOT, Fault, faults_of
from benchmarks.mutation.trial import attempts, suite_of, usual

GOAL = 0.95

ROOMS = {
    "objectives": ("vital/objectives",),
    "regularizers": ("vital/regularizers",),
    "params": ("vital/params",),
    "transforms": ("vital/transforms", "vital/data/views.py", "vital/activations/crops.py", "vital/utils/blur.py"),
    "rules": ("vital/attribution",),
    "metrics": (
        "vital/metrics", "vital/comparing/measures.py", "vital/describing/candidates/scoring.py",
        "vital/describing/evaluation/agreement.py", "vital/describing/evaluation/significance.py",
    ),
    "describers": (
        "vital/describing/matching", "vital/describing/methods/clip_dissect.py",
        "vital/describing/methods/linear.py", "vital/describing/methods/prototype.py",
        "vital/describing/methods/activation_ranges.py",
    ),
    "parsers": (
        "vital/units", "vital/utils/options.py", "vital/utils/text.py", "vital/data/labels.py",
        "vital/backends/answers.py", "vital/backends/endpoint_address.py", "vital/backends/chat_response.py",
        "vital/backends/noun_phrases.py", "vital/describing/candidates/concept_files.py",
    ),
}  # fmt: skip
"""What is broken: rooms of files and folders."""

LOADED = (
    "torch",
    "pytest",
    "hypothesis",
    "numpy",
    "scipy.stats",
    "PIL.Image",
    "torchvision",
    "sklearn.decomposition",
)
"""What all attempts import: once, and not by each process."""


@dataclass(frozen=True)
class Tried:
    """What became of a fault: the test that caught it, "" where none did."""

    fault: Fault
    caught_by: str
    seconds: float


def files_of(rooms: Sequence[str]) -> list[str]:
    """The files of some rooms that hold code."""
    found: list[Path] = []
    for room in rooms:
        for name in ROOMS[room]:
            path = ROOT / name
            found += [path] if path.is_file() else sorted(path.glob("*.py"))
    return [str(one.relative_to(ROOT)) for one in found if one.name != "__init__.py"]


def drawn(room: str, sample: int, seed: int, *earlier: tuple[int, int]) -> list[Fault]:
    """Up to `sample` faults of a room, drawn at random; the same ones whatever other rooms are looked at.

    Those that `earlier` draws, (seed, sample), had are left out.
    """
    had = {fault for other, size in earlier for fault in drawn(room, size, other)}
    faults = [fault for file in files_of([room]) for fault in faults_of(file) if fault not in had]
    return random.Random(f"{seed} {room}").sample(faults, min(sample, len(faults)))  # noqa: S311


def measured(faults: Sequence[Fault], jobs: int) -> Iterator[Tried]:
    """Try faults: those of files that have the same tests one after the other."""
    suites: dict[tuple[str, ...], list[Fault]] = {}
    for fault in faults:
        suites.setdefault(tuple(suite_of(fault.file)), []).append(fault)

    def one(of_suite: Sequence[Fault]) -> list[Tried]:
        tried = []
        for found in attempts(of_suite, usual({fault.file for fault in of_suite})):
            tried.append(Tried(*found))
            fault, by, seconds = found
            print(
                f"{seconds:5.1f} s  {fault.file}:{fault.line} #{fault.number} {fault.kind}: "
                f"{fault.before} -> {fault.after}  {by or 'SURVIVED'}",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        return tried

    with ThreadPoolExecutor(jobs) as pool:
        for tried in pool.map(one, suites.values()):
            yield from tried


def interval(caught: int, tried: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share.

    >>> [round(one, 3) for one in interval(54, 58)]
    [0.836, 0.973]
    """
    share, square = caught / tried, 1.96**2
    middle = (share + square / (2 * tried)) / (1 + square / tried)
    wide = 1.96 / (1 + square / tried) * (share * (1 - share) / tried + square / (4 * tried**2)) ** 0.5
    return middle - wide, middle + wide


def summary(rooms: Sequence[str], tried: Sequence[Tried]) -> dict[str, Any]:
    """Shares that were caught, by room and by kind, and those that survived."""
    room_of = {file: room for room in rooms for file in files_of([room])}
    share = {
        name: {
            key: [
                sum(bool(one.caught_by) for one in tried if group(one) == key),
                sum(group(one) == key for one in tried),
            ]
            for key in sorted({group(one) for one in tried})
        }
        for name, group in (("rooms", lambda t: room_of[t.fault.file]), ("kinds", lambda t: t.fault.kind))
    }
    caught = sum(bool(one.caught_by) for one in tried)
    by = Counter(one.caught_by.partition("::")[0] for one in tried if one.caught_by)
    return {
        "score": caught / len(tried), "interval": interval(caught, len(tried)),
        "caught": caught, "tried": len(tried), "goal": GOAL, **share,
        "survived": [asdict(one.fault) for one in tried if not one.caught_by],
        "caught_by": dict(by.most_common()), "machine": machine(),
    }  # fmt: skip


def main() -> None:
    """Break, run, and say what survived."""
    parser = argparse.ArgumentParser(
        description=benchmarks.mutation.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(ROOMS), default=list(ROOMS))
    parser.add_argument(
        "--sample", type=int, default=100, help="faults of each room; all where there are fewer"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--new",
        nargs="+",
        default=[],
        metavar="SEED:SAMPLE",
        help="leave out the faults that these draws had",
    )
    parser.add_argument(
        "--fault", nargs="+", metavar="FILE#NUMBER", help="these faults alone, as they are printed"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    rooms = list(ROOMS) if given.fault else given.only
    earlier = [(int(seed), int(sample)) for seed, _, sample in (one.partition(":") for one in given.new)]
    faults = [fault for room in rooms for fault in drawn(room, given.sample, given.seed, *earlier)]
    if given.fault:
        faults = [
            faults_of(file)[int(number)] for file, _, number in (one.partition("#") for one in given.fault)
        ]
    result = summary(rooms, list(measured(faults, given.jobs)))
    if given.json:
        print(json.dumps(result, indent=1))
        return
    for name in ("rooms", "kinds"):
        for key, (caught, count) in result[name].items():
            print(f"{key:14} {caught:4} of {count:4}  {caught / count:.1%}")
    low, high = result["interval"]
    print(
        f"all            {result['caught']:4} of {result['tried']:4}  {result['score']:.1%} "
        f"[{low:.1%}, {high:.1%}], goal {GOAL:.0%}"
    )


if __name__ == "__main__":
    main()
