from __future__ import annotations

import ast

import pytest

from benchmarks.mutation import ROOMS, ROOT, Tried, attempt, broken, faults_of, files_of, suite_of, summary


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("x = a + b", "x = a - b"),
        ("x *= 3", "x *= 4"),
        ("x = -a", "x = a"),
        ("x = 0.25", "x = 1.0"),
        ("ok = a < b", "ok = a <= b"),
        ("ok = a and b", "ok = a or b"),
        ("ok = not a", "ok = a"),
        ("x = y.sum(1)", "x = y.sum(0)"),
        ("x = cat(y, dim=-1)", "x = cat(y, dim=0)"),
        ("x = y[2:]", "x = y[3:]"),
        ("def f(x: int = 1) -> 'a + b':\n    pass", "def f(x: int=2) -> 'a + b':\n    pass"),
    ],
)
def test_the_first_fault_of_a_line(text: str, after: str) -> None:
    assert ast.unparse(broken(text, 0)) == after


@pytest.mark.parametrize(
    "text", ["raise ValueError(f'{a + b}')", "x: int | None", "@f(1)\ndef g(): pass", "x = 'a'"]
)
def test_sentences_and_types_are_left_alone(text: str) -> None:
    assert ast.unparse(broken(text, 0)) == ast.unparse(ast.parse(text))


def test_every_fault_is_another_one() -> None:
    for room in ROOMS:
        files = files_of([room])
        assert files
        for file in files:
            assert suite_of(file), file
    text = (ROOT / "vital/regularizers/norms.py").read_text(encoding="utf-8")
    faults = faults_of("vital/regularizers/norms.py")
    whole = ast.unparse(ast.parse(text))
    made = {ast.unparse(broken(text, fault.number)) for fault in faults}
    assert whole not in made
    assert len(made) == len(faults) > 5


def test_shares_are_of_those_that_were_tried() -> None:
    fault, other = faults_of("vital/regularizers/norms.py")[:2]
    found = summary(["regularizers"], [Tried(fault, "tests/a.py::b", 1), Tried(other, "", 1)])
    assert found["score"] == 0.5
    assert found["rooms"] == {"regularizers": [1, 2]}
    assert [one["number"] for one in found["survived"]] == [other.number]


@pytest.mark.slow
def test_a_fault_is_in_what_is_tested() -> None:
    fault = next(one for one in faults_of("vital/regularizers/smoothness.py") if one.kind == "product")
    assert "test_" in attempt(fault.file, fault, 600)[0]
