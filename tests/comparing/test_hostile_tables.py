"""Names that are attacks, in the tables of a comparison: LaTeX, Markdown and CSV show them as they are."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from tests.reporting.test_page import EVIL
from vital.comparing.records import Score
from vital.comparing.table import Table, read_long
from vital.utils.io import as_csv, csv_lines

FORMULAS = [
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "'=1+1",
    "''@x",
    "=1+1\n=2+2",
    "\n=1+1",
    " =1+1",
    "\u00a0+1",
    "\u200b@x",
    "\ufeff-1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\x0b=1",
    "\u2028=1",
    "'\x1f=1",
]
TEX = [
    "\\input{/etc/passwd}",
    "\\\\[1em]",
    "$x^2$ & 50 % #1 ~ _ {",
    "[b] \\end{tabular}",
    "^^5cinput{x}",
    "a\n\n\\par b",
    "<a | b>",
    "?` !` a -- b --- ''c''",
    "\\verb|x|",
    "\\catcode`\\$=12",
    "%\n\\def\\x{}",
    "{{{",
    "}}}",
    "\\",
    "a & b \\\\ c & d",
]
MARKS = [
    "a | b",
    "`x` **y** _z_",
    "![x](https://example.org/x.png)",
    "[x](javascript:alert(1))",
    "<https://a.org>",
    "\\| c",
    "https://example.org/x",
    "www.example.org",
    "a@example.org",
    "# x",
    "| --- |",
    "&#124;",
    "[^1]: x",
    "{: onclick=alert(1)}",
    "a\\",
]
NAMES = [*EVIL, *FORMULAS, *TEX, *MARKS]
UNESCAPED = re.compile(r"(?<!\\)[&%$#_{}~^]")
KNOWN = (
    r"\\text(?:backslash|asciitilde|less|greater|bar|asciigrave|asciicircum)\{\}"
    r"|\$\\(?:uparrow|downarrow|rightarrow)\$|\{\}"
)


def table() -> Table:
    scores = [
        Score(name, f"judge {metric}", 0.5, f"class:{i}", 0)
        for name in NAMES
        for metric in NAMES[:8]
        for i in (0, 1)
    ]
    return Table(tuple(scores), tuple(NAMES))


def test_latex_holds_no_command_that_is_not_ours() -> None:
    lines = table().latex().splitlines()
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(lines) == len(rows) + 5  # a name with line breaks makes no line of its own
    for row in rows:
        cells = re.split(r"(?<!\\) & ", row.removesuffix(r" \\"))
        assert len(cells) == 9
        for cell in cells:
            inner = re.sub(r"\\textbf\{(.*)\}$", r"\1", cell)
            plain = re.sub(KNOWN, "", inner)
            assert not UNESCAPED.search(plain), cell
            assert set(re.findall(r"\\(.)", plain)) <= set("&%$#_{}"), cell
            assert not cell.startswith("[")
            assert not re.search("--|''|[<>|`]", inner)
            assert plain.isprintable()


class Found(HTMLParser):
    """The elements of a page, and the cells of each row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append(0)
        if tag in {"td", "th"}:
            self.rows[-1] += 1


def test_markdown_becomes_a_table_and_nothing_else() -> None:
    markdown = pytest.importorskip("markdown")
    text = table().markdown()
    assert len(text.splitlines()) == len(NAMES) + 2
    found = Found(markdown.markdown(text, extensions=["tables"]))
    assert not re.search(r"://|www\.|@", text)
    assert found.tags <= {"table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert found.rows == [9] * (len(NAMES) + 1)


def test_no_cell_of_a_spreadsheet_begins_a_formula_and_names_come_back() -> None:
    data = as_csv(["name", "value"], [[name, -1.5] for name in FORMULAS]).decode()
    for name, value in list(csv.reader(io.StringIO(data, newline="")))[1:]:
        assert name.startswith("'"), name
        assert value == "-1.5"
    assert [row[0] for _, row in csv_lines(data, "it")][1:] == FORMULAS
    names = {score.method for score in read_long(table().long_csv().decode())}
    assert {name for name in NAMES if "\x00" not in name} <= names
