"""Every reader of text and of files: whatever it is given, nothing but a `VitalError` comes out."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.readers import OF_BYTES, OF_FILES, OF_TEXT, PIECES, refused
from vital.utils.io import as_csv, as_json, csv_lines

EXAMPLES = int(os.environ.get("VITAL_EXAMPLES", "25"))
"""How many inputs each reader gets; the slow check takes 2,000."""
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 25,
    database=None,
    suppress_health_check=list(HealthCheck),
)

TEXT = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=8).map("".join),
)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(PIECES)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("what", OF_TEXT)
def test_a_text_is_read_or_refused(what: str) -> None:
    @fuzzed
    @given(TEXT)
    def check(text: str) -> None:
        refused(lambda: OF_TEXT[what](text))

    check()


@pytest.mark.parametrize("what", OF_FILES)
def test_a_file_of_text_is_read_or_refused(what: str) -> None:
    starts = [
        "",
        "unit,label,method\n",
        "layer,unit,description\n",
        "file,index\n",
        "index,name\n",
        '{"schema": 1, ',
    ]
    starts += [
        "unit,category,label,score\n",
        "Neuron ID,label\n",
        "neuron,concept,AUC\n",
        "unit,sim correlation,weight0,concept0\n",
    ]

    @fuzzed
    @given(st.sampled_from(starts), TEXT, VALUE, st.integers(0, 3))
    def check(start: str, text: str, value: Any, way: int) -> None:
        if way == 0:
            data = (start + text).encode("utf-8", "surrogatepass")
        elif way == 1:
            data = json.dumps(value).encode()
        elif way == 2:
            keys = (
                "schema",
                "renders",
                "model",
                "exemplars",
                "edges",
                "counts",
                "neighbors",
                "by",
                "images",
                "unit",
            )
            data = json.dumps(dict.fromkeys(keys, value) | {"schema": 1}).encode()
        else:
            data = as_csv(start.strip().split(",") or ["a"], [[text] * max(1, start.count(",") + 1)])
        refused(lambda: OF_FILES[what](data))

    check()


@pytest.mark.parametrize("what", OF_BYTES)
def test_a_damaged_file_is_read_or_refused(what: str) -> None:
    whole, read = OF_BYTES[what]

    @fuzzed
    @given(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4),
        st.one_of(st.just(len(whole)), st.integers(0, len(whole))),
    )
    def check(changes: list[tuple[int, int]], end: int) -> None:
        data = bytearray(whole)
        for place, byte in changes:
            data[place] = byte
        refused(lambda: read(bytes(data[:end])))

    check()


def test_what_is_written_is_read_again_whatever_it_holds() -> None:
    @fuzzed
    @given(VALUE, TEXT)
    def check(value: Any, text: str) -> None:
        as_json({"x": value, "y": text})
        (row,) = csv_lines(as_csv(["a"], [["x" + text]]).decode(), "a table")[1:] or [(0, [])]
        del row

    check()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "'=1", "''@", "'", "plain", "-"])
def test_a_cell_that_looks_like_a_formula_is_one_nowhere_and_comes_back(text: str) -> None:
    written = as_csv(["label", "n"], [[text, -1]]).decode()
    assert not any(line[:1] in "=+-@\t" for line in written.splitlines())
    assert csv_lines(written, "a table")[1][1] == [text, "-1"]
