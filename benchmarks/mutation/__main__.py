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
from benchmarks.mutation.trial import attempt, suite_of, usual

GOAL = 0.95

ROOMS = {
    "objectives": ("vital/objectives",),
    "regularizers": ("vital/regularizers",),
    "params": ("vital/params",),
    "transforms": ("vital/transforms", "vital/data/views.py"),
    "rules": ("vital/attribution",),
    "metrics": ("vital/metrics", "vital/describing/matching", "vital/comparing/measures.py"),
    "parsers": (
        "vital/units", "vital/utils/options.py", "vital/utils/text.py", "vital/data/labels.py",
        "vital/backends/answers.py", "vital/backends/endpoint_address.py", "vital/backends/chat_response.py",
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


def measured(rooms: Sequence[str], sample: int, seed: int, jobs: int) -> Iterator[Tried]:
    """Try up to `sample` faults of each room, drawn at random."""
    draw, chosen = random.Random(seed), list[Fault]()  # noqa: S311
    for room in rooms:
        faults = [fault for file in files_of([room]) for fault in faults_of(file)]
        chosen += draw.sample(faults, min(sample, len(faults)))
    suites: dict[tuple[str, ...], list[str]] = {}
    for file in sorted({fault.file for fault in chosen}):
        suites.setdefault(tuple(suite_of(file)), []).append(file)
    known = {suite: usual(files) for suite, files in suites.items()}

    def one(fault: Fault) -> Tried:
        return Tried(fault, *attempt(fault, known[tuple(suite_of(fault.file))]))

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, chosen)


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
        "score": caught / len(tried), "caught": caught, "tried": len(tried), "goal": GOAL, **share,
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
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    tried: list[Tried] = []
    for one in measured(given.only, given.sample, given.seed, given.jobs):
        tried.append(one)
        if not one.caught_by:
            fault = one.fault
            print(
                f"survived: {fault.file}:{fault.line} {fault.kind}: {fault.before} -> {fault.after}",
                file=sys.stderr, flush=True,
            )  # fmt: skip
    result = summary(given.only, tried)
    if given.json:
        print(json.dumps(result, indent=1))
        return
    for name in ("rooms", "kinds"):
        for key, (caught, count) in result[name].items():
            print(f"{key:14} {caught:4} of {count:4}  {caught / count:.1%}")
    print(
        f"all            {result['caught']:4} of {result['tried']:4}  {result['score']:.1%}, goal {GOAL:.0%}"
    )


if __name__ == "__main__":
    main()
