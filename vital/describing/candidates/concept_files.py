"""Files of concepts as people have them: plain lists, tables, JSON, lists of Places365, ImageNet and WordNet.

What a file is, is told by all of its lines. What cannot be told is refused with the line that is in the way.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from vital.utils.io import parse_json

HEADERS = (
    "concept", "concepts", "word", "words", "label", "labels", "name", "names", "class", "classes", "class_name",
    "text", "term", "description", "category", "phrase", "display_name", "displayname",
)  # fmt: skip
"""What the column of concepts is called, the surest first."""

LONE = frozenset(("concept", "concepts", "words", "labels", "names", "classes", "class_name"))
"""Headers that a list without commas may begin with, since they are hardly concepts."""

LONGEST = 200
JOINERS = "\u200c\u200d"
LEADS = re.compile(r"\A(?:[-*+•‣–]|\(?\d{1,6}[.)])\s+")
QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "„": "“"}
NUMBER = re.compile(r"\(?(\d{1,6})(?:[.):\]]?(?:\s*[,;:|]\s*|\s+)|[.)](?=[^\W\d]))(\S.*)")
COUNTED = re.compile(r"(.*[^\s:])\s*:\s*\d*\.?\d+")
ASSIGNED = re.compile(r"\A\w+\s*[:=]\s*(?=[\[(]\s*[\"'\n])")
COMMENT = re.compile(r"#|(?://|;|%)\s")
RULE = re.compile(r"[-:| ]*-[-:| ]*")
WNID = re.compile(r"n\d{8}\b")
SYNSET = re.compile(r"(?:Synset\(')?(\S+)\.[nvasr]\.\d\d(?:'\))?")
PLACE = re.compile(r"/[a-z]/(\S+?)(?:\s+\d+)?")
WORDNET_INDEX = re.compile(r"(\S+) [nvar] \d+ \d+ .*")
WORDNET_DATA = re.compile(r"\d{8} \d\d [nvasr] [0-9a-f]{2} (\S+) .*")

Lines = list[tuple[int, str]]


class LineError(ValueError):
    """A line that cannot be read, with its number."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def concepts_in(text: str, *, table: bool = False) -> list[str]:
    r"""Read the concepts of a file's text; `table` says that its name is that of a table. Raises `LineError`.

    >>> concepts_in("# animals\n- dog\n- 'red  cube'\n")
    ['dog', 'red cube']
    >>> concepts_in("index,name\n0,dog\n1,cat\n"), concepts_in('{"1": "cat", "0": "dog"}')
    (['dog', 'cat'], ['dog', 'cat'])
    """
    lines = _checked(text)
    if not lines:
        return []
    lines[0] = lines[0][0], ASSIGNED.sub("", lines[0][1])
    begins = lines[0][1]
    if (begins[0] in "[{" and not begins.startswith("[ ]")) or re.match(r"\(\s*[\"']", begins):
        return _checked_texts(_of_json(lines))
    lines = [(number, _uncommented(line)) for number, line in lines if not COMMENT.match(line)]
    lines = _unboxed([(number, line) for number, line in lines if line])
    found = _of_table(lines, table=table) or [(number, _unwrapped(line, number)) for number, line in lines]
    return _checked_texts(_unnumbered([(number, _named(line, number)) for number, line in found]))


def _unboxed(lines: Lines) -> Lines:
    """Lines without the bars around the rows of a table in Markdown, and without the heading of a list in YAML."""
    if lines and all(line.startswith("|") for _, line in lines):
        rows = [(number, line.strip("|").strip()) for number, line in lines if not RULE.fullmatch(line)]
        headed = len(rows) < len(lines) and "|" not in rows[0][1]
        lines = rows[1:] if headed else rows
    first = lines[0][1] if lines else ""
    return lines[1:] if first.endswith(":") and first[:-1].casefold() in HEADERS else lines


def tidied(text: str) -> str:
    r"""Bring a text to one form: composed letters, single spaces, and nothing that has no width.

    >>> tidied("\u200bred\u00a0  cu\u00adbe ")
    'red cube'
    """
    if text.isascii() and text.isprintable():  # nearly all are
        return " ".join(text.split())
    letters = unicodedata.normalize("NFC", text)
    kept = [letter for i, letter in enumerate(letters) if _is_shown(letters, i)]
    return " ".join("".join(kept).split())


def _is_shown(letters: str, at: int) -> bool:
    """Whether a letter has a width, or joins letters of a script that needs it."""
    letter = letters[at]
    if unicodedata.category(letter) != "Cf":
        return True
    around = letters[at - 1 : at] + letters[at + 1 : at + 2]
    return letter in JOINERS and len(around) == 2 and not around.isascii()


def _checked(text: str) -> Lines:
    """The lines that hold anything, with their numbers; none may hold control characters."""
    found = []
    for number, line in enumerate(re.split(r"\r\n|[\n\r\v\f\x85\u2028\u2029]", text), 1):
        odd = "" if line.isprintable() and "\ufffd" not in line else line
        if bad := next((letter for letter in odd if _is_control(letter)), ""):
            raise LineError(number, f"it holds control characters: {bad!r}")
        if tidied(line):
            tabbed = "\t".join(map(tidied, line.split("\t"))).strip()
            found.append((number, tabbed))
    return found


def _is_control(letter: str) -> bool:
    return (unicodedata.category(letter) in ("Cc", "Co", "Cn") and letter != "\t") or letter == "\ufffd"


def _uncommented(line: str) -> str:
    """A line without what stands behind a # between spaces."""
    return re.sub(r"\s#\s.*$", "", line).strip()


def _unwrapped(line: str, number: int) -> str:
    """A line without list marks, the comma of a list, and quotes around it."""
    text = LEADS.sub("", line).rstrip(",;").strip()
    close = QUOTES.get(text[:1])
    if close and len(text) > 1 and text[-1] == close and close not in text[1:-1]:
        return text[1:-1].strip()
    if text.count('"') % 2:
        raise LineError(number, f"a quotation mark of {text[:40]!r} has no partner")
    return text


def _of_table(lines: Lines, *, table: bool) -> Lines:
    """The column of concepts of a table, by its header; nothing where the lines are no table."""
    if not lines:
        return []
    first = lines[0][1]
    if first.casefold() in LONE or (table and first.casefold() in HEADERS):
        return [(number, _unwrapped(line, number)) for number, line in lines[1:]]
    for mark in "\t,;|":
        if mark not in first.rstrip(",;"):
            continue
        rows = _rows(lines, mark)
        header = [tidied(cell).casefold().replace(" ", "_") for cell in rows[0][1]]
        column = next((header.index(name) for name in HEADERS if name in header), None)
        if column is not None:
            if short := next((n for n, row in rows[1:] if len(row) != len(header)), 0):
                raise LineError(short, f"it has not the {len(header)} cells of the header; quote commas")
            return [(number, row[column]) for number, row in rows[1:] if tidied(row[column])]
        even = len(rows) > 1 and {len(row) for _, row in rows} == {len(rows[0][1])}
        strange = even and not _is_numbered(lines) and not WNID.match(first)
        if strange and (table or mark != "," or all(", " not in line for _, line in lines)):
            raise LineError(
                lines[0][0],
                f"{first[:60]!r} has several cells, and none is called {', '.join(HEADERS[:6])}; "
                "give a header or one concept a line",
            )
    if len(lines) == 1 and "," in first.rstrip(","):
        return [(lines[0][0], cell) for cell in _rows(lines, ",")[0][1] if tidied(cell)]
    return []


def _rows(lines: Lines, mark: str) -> list[tuple[int, list[str]]]:
    """The cells of each line, which quotes keep together."""
    try:
        return [
            (number, next(csv.reader(io.StringIO(line), delimiter=mark, skipinitialspace=True)))
            for number, line in lines
        ]
    except csv.Error as error:
        raise LineError(lines[0][0], f"it is no table: {error}") from error


def _named(line: str, number: int) -> str:
    """The words of a line of Places365, ImageNet or WordNet; any other line as it is."""
    if found := PLACE.fullmatch(line):
        return _spaced(found[1])
    if WNID.match(line):
        words = re.sub(r"^n\d{8}[\s,;:_-]*(?:\d+\s+)?", "", line)
        if not words:
            raise LineError(number, f"{line!r} is the number of a WordNet concept, without words")
        return _spaced(words)
    for form in (SYNSET, WORDNET_DATA, WORDNET_INDEX):
        if found := form.fullmatch(line):
            return _spaced(found[1])
    return line


def _spaced(text: str) -> str:
    return text.replace("_", " ").replace("/", " ")


def _is_numbered(lines: Lines) -> bool:
    """Whether lines begin with numbers that count on from 0 or 1."""
    found = [NUMBER.fullmatch(line) for _, line in lines]
    if len(lines) < 2 or not all(found):
        return False
    numbers = [int(one[1]) for one in found if one]
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _unnumbered(lines: Lines) -> Lines:
    """Lines without the numbers that count them, at their beginning or end."""
    if _is_numbered(lines):
        lines = [(number, NUMBER.fullmatch(line)[2]) for number, line in lines]  # type: ignore[index]
        return _unnumbered([(number, _named(_unwrapped(line, number), number)) for number, line in lines])
    if len(lines) > 1 and all(weights := [COUNTED.fullmatch(line) for _, line in lines]):
        return [(number, one[1]) for (number, _), one in zip(lines, weights, strict=True) if one]
    if not any(" " in line for _, line in lines):
        lines = [(number, line.replace("_", " ").strip()) for number, line in lines]
    ends = [re.fullmatch(r"(.*\S)[\s,]+(\d+)", line) for _, line in lines]
    if len(lines) > 1 and all(ends):
        numbers = [int(one[2]) for one in ends if one]
        counts = numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        if counts and len({one[1] for one in ends if one}) == len(lines):
            return [(number, one[1]) for (number, _), one in zip(lines, ends, strict=True) if one]
    return lines


def _checked_texts(lines: Lines) -> list[str]:
    """The texts, each of which must be a word or a phrase."""
    found = []
    for number, line in lines:
        text = tidied(line)
        if len(text) > LONGEST:
            raise LineError(number, f"it has {len(text)} characters, which is no word or short phrase")
        if text and not any(letter.isalnum() for letter in text):
            raise LineError(number, f"{text!r} holds no letter")
        if re.fullmatch(r"<.*>", text):
            raise LineError(number, f"{text[:40]!r} is markup and no concept")
        found.append(text)
    return found


def _of_json(lines: Lines) -> Lines:
    """The texts of JSON, of JSON lines, or of a list as Python prints it."""
    text = "\n".join(line for _, line in lines)
    try:
        return [(lines[0][0], each) for each in _of_value(parse_json(text), lines[0][0])]
    except LineError:
        raise
    except ValueError as error:
        parsed = None
        with suppress(ValueError):
            parsed = [(number, parse_json(line)) for number, line in lines]
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            if parsed is None and "'" in text:  # Python would join neighbors that lack a comma
                parsed = [(lines[0][0], ast.literal_eval(text))]
        if parsed is not None:
            return [(number, each) for number, value in parsed for each in _of_value(value, number)]
        number, said = (
            (error.lineno, error.msg) if isinstance(error, json.JSONDecodeError) else (1, str(error))
        )
        where = lines[min(number, len(lines)) - 1][0]
        raise LineError(where, f"it is no JSON: {said}") from error


def _of_value(value: Any, line: int) -> Iterator[str]:
    """The texts of a JSON value: those of a list, or of what a mapping holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        if len(value) == 2 and WNID.fullmatch(str(value[0])) and isinstance(value[1], str):
            yield _spaced(value[1])
            return
        for each in value:
            yield from _of_value(each, line)
    elif isinstance(value, Mapping):
        yield from _of_mapping(value, line)
    else:
        raise LineError(line, f"{value!r} is no text")


def _of_mapping(value: Mapping[str, Any], line: int) -> Iterator[str]:
    """The column of concepts of an object, or its values by the numbers that are their keys, or the other way round."""
    column = next((key for name in HEADERS for key in value if str(key).casefold() == name), None)
    if column is not None and not _is_count(list(value.values())):
        yield from _of_value(value[column], line)
    elif _is_count([*value]):
        for key in sorted(value, key=int):
            yield from _of_value(value[key], line)
    elif _is_count(list(value.values())):
        for key in sorted(value, key=lambda key: int(value[key])):
            yield str(key)
    elif all(isinstance(each, list | tuple) for each in value.values()) or all(map(WNID.fullmatch, value)):
        for each in value.values():
            yield from (
                map(_spaced, _of_value(each, line))
                if all(map(WNID.fullmatch, value))
                else _of_value(each, line)
            )
    else:
        raise LineError(
            line, f"the object does not say which of {', '.join(map(str, value))[:80]} are concepts"
        )


def _is_count(values: Sequence[Any]) -> bool:
    return bool(values) and all(re.fullmatch(r"\d+", str(value)) for value in values)
