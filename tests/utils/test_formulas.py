"""No cell of a table is a formula, whatever parts the cells for the program that reads it, and the text comes back."""

import csv
import io
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_readers import fuzzed
from vital.utils.formulas import marked, unmarked
from vital.utils.io import as_csv, csv_lines

PARTS = st.text(st.sampled_from("=+-@'\";\t\r\n \x1f\u200bax,"), max_size=12)
FORMULA = re.compile(r"[\s\x00-\x1f\u200b]*[=+\-@]")


def cells(data: bytes, parted: str) -> list[str]:
    """The cells that a program sees for which this parts them."""
    return [
        cell for row in csv.reader(io.StringIO(data.decode(), newline=""), delimiter=parted) for cell in row
    ]


@pytest.mark.parametrize("parted", [",", ";", "\t"])
@pytest.mark.parametrize(
    "text", ["a;=1+1", "a;'=1", 'a;"=1+1', "a; =1", "a\t=1", "a\n=1\n+2", "a;;=1", "=1;=1", "'=1;\u200b@x"]
)
def test_no_cell_is_a_formula_however_cells_are_parted(text: str, parted: str) -> None:
    data = as_csv(["unit", "label", "other"], [["fc:1", text, text], [text, "x", text]])
    assert not [cell for cell in cells(data, parted) if FORMULA.match(cell)]
    assert [row for _, row in csv_lines(data.decode(), "it")][1:] == [["fc:1", text, text], [text, "x", text]]


@pytest.mark.parametrize("parted", [",", ";", "\t"])
def test_no_text_of_a_list_is_a_formula_either(parted: str) -> None:
    others = [["a;=1+1;b", 0.5], ["\t=1", 0.25]]
    data = as_csv(["unit", "others"], [["fc:1", others]])
    assert not [cell for cell in cells(data, parted) if FORMULA.match(cell)]
    assert json.loads(csv_lines(data.decode(), "it")[1][1][1]) == others


def test_any_text_comes_back_and_none_is_a_formula() -> None:
    @fuzzed
    @given(PARTS, PARTS)
    def check(text: str, other: str) -> None:
        assert unmarked(marked(text)) == text
        data = as_csv(["unit", "label", "other"], [["fc:1", text, other], [f"x{other}", "x", text]])
        for parted in ",;\t":
            assert not [cell for cell in cells(data, parted) if FORMULA.match(cell)], data

    check()


def test_what_holds_no_formula_stays_as_it_is() -> None:
    for text in ("", "a cat", "a; b", "the cat's", "1+1", "a-b; c-d", "x = y", "'", "''"):
        assert marked(text) == text


def test_long_text_takes_no_time() -> None:
    start = time.process_time()
    for text in (" " * 100_000, "'" * 100_000, ";" * 100_000, "\x1f" * 100_000, "; " * 100_000):
        assert unmarked(marked(text)) == text
    assert time.process_time() - start < 2
