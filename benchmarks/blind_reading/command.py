"""The command of blind readings: make a set, or score the answers of a reader."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import blind_reading
from benchmarks.blind_reading.making import EACH, make
from benchmarks.blind_reading.pictures import Record
from benchmarks.blind_reading.places import TEN, WORLD
from benchmarks.blind_reading.scores import said, score, table
from benchmarks.common import report, start
from benchmarks.kept import RESULTS
from vital.errors import VitalError

METHODS = "vital,vital-scene,fourier"


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.blind_reading",
        description=blind_reading.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the set")
    parser.add_argument("--place", help=f"{WORLD}, or a network by its model text")
    for name, text in (
        ("weights", "a file with the network's weights"),
        ("images", "a folder or file of images"),
        ("labels", "a CSV file with the labels of the images"),
        ("names", f"{TEN} class indices, instead of those drawn"),
    ):
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument("--input-size", type=int)
    parser.add_argument(
        "--methods", default=METHODS, help="NAME or LABEL=NAME:field=value, with commas between"
    )
    parser.add_argument("--each", type=int, help=f"pictures per method; {EACH} in the world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exclude", default="", help="classes that are not drawn, by name or index")
    parser.add_argument("--answers", type=Path, help="the filled-in answers.csv: score them")
    parser.add_argument("--reader", help="who answered")
    parser.add_argument("--results", type=Path, default=RESULTS / "blind-reading.json")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(words)
    if bool(given.place) == bool(given.answers):
        parser.error("give --place to make a set, or --answers to score one")
    return given


def run(words: Sequence[str] | None = None) -> Record:
    """Make a set or score a reading, and print what may be known of it."""
    given = parsed(words)
    start()
    if not given.answers:
        made = make(given)
        report(
            made,
            [["pictures", "sheets", "folder"], [made["pictures"], made["sheets"], made["out"]]],
            given.json,
        )
        return made
    record = score(given)
    report(record, table(record), given.json)
    if not given.json:
        print("\n".join(["", *map(said, record["pairs"])]))
    return record


def main(words: Sequence[str] | None = None) -> None:
    """Run, and say in one sentence what is wrong where it cannot be done."""
    try:
        run(words)
    except VitalError as error:
        print(f"blind_reading: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
