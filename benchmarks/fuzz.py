"""How many damaged inputs each reader of text and of files takes without an error but those of `vital`.

An input is one that the reader takes, or nothing, in which some places are cut, doubled, changed, or filled with what
readers stumble over: numbers of thousands of digits, halves of characters, deep nesting, names that lead elsewhere.

Goal: 50,000 inputs, and no error but a `VitalError`.

    python -m benchmarks.fuzz --inputs 50000 --out benchmarks/results/fuzz.md
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.readers import OF_BYTES, OF_FILES, OF_TEXT, PIECES, STARTS, refused

SECONDS = 20
"""How long a reader may compute over one input, which is short; that others use the machine too does not count."""
NUMBERS = (
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\x7f",
    b"\xff" * 8,
    b"\x00" * 8,
    b"9999999999",
    b"-1",
    b"}",
    b"'",
    b"(",
)
"""What damages a file of bytes."""


@dataclass
class Count:
    """What a reader did: its inputs, the seconds they took, and the errors that nobody explained."""

    inputs: int = 0
    seconds: float = 0.0
    errors: dict[str, str] = field(default_factory=dict)
    failed: int = 0


class SlowError(BaseException):
    """A reader took longer than it may."""


def damaged(start: str, draw: random.Random) -> str:
    """A text with some changes."""
    for _ in range(draw.randint(0 if start else 1, 4)):
        at, to = sorted(draw.randrange(len(start) + 1) for _ in "ab")
        change = draw.randrange(5)
        piece = draw.choice(PIECES) if draw.random() < 0.8 else chr(draw.randrange(0x3000))
        kept = {0: piece, 1: piece + start[at:to], 2: start[at:to] * 2, 3: "", 4: start[at:to][::-1]}[change]
        start = start[:at] + kept + start[to:]
    return start


def damaged_bytes(whole: bytes, draw: random.Random) -> bytes:
    """A file with some bytes changed, filled in, cut or doubled."""
    data = bytearray(whole)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        change = draw.randrange(5)
        if change == 0 and at < len(data):
            data[at] = draw.randrange(256)
        elif change == 1:
            piece = draw.choice(NUMBERS)
            data[at : at + len(piece)] = piece
        elif change == 2:
            data[at:at] = draw.choice(NUMBERS)
        elif change == 3:
            data[at:at] = data[at : at + draw.randrange(64)]
        elif draw.random() < 0.3:
            del data[at:]
    return bytes(data)


def inputs() -> dict[str, tuple[Callable[[Any], Any], Callable[[random.Random], Any]]]:
    """Each reader, and what draws an input for it."""
    found: dict[str, tuple[Callable[[Any], Any], Callable[[random.Random], Any]]] = {}

    def text_for(name: str) -> Callable[[random.Random], str]:
        starts = ("", *STARTS.get(name, ("a",)))
        return lambda draw: damaged(draw.choice(starts), draw)

    for name, read in OF_TEXT.items():
        found[name] = read, text_for(name)
    for name, of_file in OF_FILES.items():
        told = text_for(name)
        found[name] = of_file, lambda draw, told=told: told(draw).encode("utf-8", "surrogatepass")  # type: ignore[misc]
    for name, (whole, of_bytes) in OF_BYTES.items():
        found[name] = of_bytes, lambda draw, whole=whole: damaged_bytes(whole, draw)  # type: ignore[misc]
    return found


def counted(name: str, total: int, seed: int) -> Count:
    """Give a reader so many inputs, and count."""
    read, draw_input = inputs()[name]
    draw, count = random.Random(f"{seed} {name}"), Count()  # noqa: S311
    begun = time.perf_counter()
    for _ in range(total):
        given = draw_input(draw)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            refused(lambda given=given: read(given))  # type: ignore[misc]
        except (Exception, SlowError, SystemExit) as error:  # noqa: BLE001  this is what is counted
            count.failed += 1
            said = f"{type(error).__name__}: {error}"[:200]
            count.errors.setdefault(
                f"{type(error).__name__} {str(error)[:40]}", f"{said} <- {given[-200:]!r}"
            )
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        count.inputs += 1
    count.seconds = time.perf_counter() - begun
    return count


def as_markdown(counts: dict[str, Count], seed: int) -> str:
    """The page of results."""
    total, failed = sum(c.inputs for c in counts.values()), sum(c.failed for c in counts.values())
    lines = [
        "# Damaged inputs",
        "",
        f"`python -m benchmarks.fuzz --inputs {total} --seed {seed}`: inputs that each reader got, and how many",
        f"ended with an error that is no `VitalError`, or computed for more than {SECONDS} seconds.",
        f"{failed} of {total} did.",
        "",
        "| reader | inputs | failed | ms an input |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {c.inputs} | {c.failed} | {1000 * c.seconds / c.inputs:.2f} |"
        for name, c in counts.items()
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the readers, and write the page."""
    known = argparse.ArgumentParser(description="Readers under damaged inputs.")
    known.add_argument("--inputs", type=int, default=50_000, help="all inputs, shared evenly")
    known.add_argument("--seed", type=int, default=0)
    known.add_argument("--only", default="", help="readers whose names hold this")
    known.add_argument("--out", type=Path)
    asked = known.parse_args()

    def stop(*_: object) -> None:
        raise SlowError

    signal.signal(signal.SIGPROF, stop)
    names, counts = [name for name in inputs() if asked.only in name], dict[str, Count]()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for place, name in enumerate(names):
            share = asked.inputs // len(names) + (place < asked.inputs % len(names))
            counts[name] = counted(name, share, asked.seed)
            print(f"{name}: {counts[name].failed} of {share}, {counts[name].seconds:.1f} s", flush=True)
            for said in counts[name].errors.values():
                print(f"    {said}", flush=True)
        os.chdir("/")
    if asked.out:
        asked.out.write_text(as_markdown(counts, asked.seed), encoding="utf-8")
    return int(any(count.failed for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
