"""The answers of a reader: one for each picture, in words that are allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.blind_reading.places import Words
from benchmarks.blind_reading.sheets import UNSEEN
from vital.errors import DataError, UnknownNameError, unknown
from vital.utils.class_names import plain
from vital.utils.io import csv_lines, read_text


def read_answers(file: Path, asked: Mapping[str, Sequence[str]], count: int) -> dict[int, Words]:
    """Read a reader's answers: one for each number, an allowed word or ?; `DataError` and `UnknownNameError`."""
    found: dict[int, Words] = {}
    for number, row in rows_of(file, asked):
        if not number.isdecimal() or not 1 <= int(number) <= count:
            raise DataError(f"{file} has an answer for number {number!r}; allowed are 1 to {count}")
        if int(number) in found:
            raise DataError(f"{file} answers number {number} twice; leave one row for it")
        found[int(number)] = {column: word(number, column, row[column], asked[column]) for column in asked}
    if left := [str(number) for number in range(1, count + 1) if number not in found]:
        more = ", …" if len(left) > 12 else ""
        raise DataError(
            f"{file} has no row for the numbers {', '.join(left[:12])}{more}; "
            f"write {UNSEEN} where nothing is recognized"
        )
    return found


def rows_of(file: Path, asked: Mapping[str, object]) -> Iterator[tuple[str, Words]]:
    """The rows of a file of answers, with their numbers."""
    columns = ["number", *asked]
    head, *rows = [row for _, row in csv_lines(read_text(file), f"the file of answers {file}")] or [[]]
    if [name.strip() for name in head] != columns:
        have = ",".join(head) or "none"
        raise DataError(f"{file} has the columns {have}; allowed are {','.join(columns)}")
    for row in rows:
        if len(row) != len(columns):
            raise DataError(
                f"{file}: the row {','.join(row)!r} has {len(row)} cells; allowed are {len(columns)}"
            )
        yield row[0].strip(), dict(zip(asked, row[1:], strict=True))


def word(number: str, column: str, text: str, allowed: Sequence[str]) -> str:
    """Read one answer: an allowed word as it is spelled here, or ?."""
    if not text.strip():
        raise DataError(
            f"number {number} has no answer for {column}; write {UNSEEN} where nothing is recognized"
        )
    spelled = {plain(one): one for one in (*allowed, UNSEEN)}
    if plain(text) not in spelled:
        raise UnknownNameError(f"number {number}: {unknown(column, text.strip(), allowed)}")
    return spelled[plain(text)]
