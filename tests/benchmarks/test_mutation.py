from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.mutation.__main__ import ROOMS, Tried, drawn, files_of, summary
from benchmarks.mutation.faults import ROOT, Break, broken, faults_of, replaced
from benchmarks.mutation.trial import Usual, suite_of


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
    "text",
    [
        "raise ValueError(f'{a + b}')",
        "x: int | None",
        "@f(1)\ndef g(): pass",
        "x = 'a'",
        "zip(a, b, strict=True)",
        "Power = Literal[1, 2]",
    ],
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


def test_the_tests_that_enter_the_function_come_first_and_the_quickest_ahead() -> None:
    text = "a.py"
    seconds = {"slow": 2.0, "quick": 1.0, "other": 0.5, "none": 0.1}
    enters = {"slow": {(text, 3)}, "quick": {(text, 3), (text, 7)}, "other": {(text, 7)}, "none": set()}
    known = Usual(seconds, enters)
    fault = replace(faults_of("vital/regularizers/norms.py")[0], file=text, function=3)
    assert known.first(fault) == ["quick", "slow"]
    assert known.first(replace(fault, function=0)) == ["other", "quick", "slow"]


def test_then_come_the_others_of_the_same_files() -> None:
    seconds = {"a.py::one": 1.0, "a.py::two": 2.0, "b.py::three": 4.0}
    known = Usual(seconds, {test: set() for test in seconds})
    assert known.beside(["a.py::two"]) == ["a.py::one"]
    assert known.beside([]) == []


def test_code_that_runs_with_the_imports_is_imported_again() -> None:
    fault = replace(faults_of("vital/regularizers/norms.py")[0], file="a.py", function=3)
    assert Usual({}, {}, {("a.py", 7)}).can_be_swapped(fault)
    assert not Usual({}, {}, {("a.py", 3)}).can_be_swapped(fault)
    assert not Usual({}, {}).can_be_swapped(replace(fault, function=0))


def test_a_fault_in_an_inner_function_changes_what_holds_it() -> None:
    text = "def f():\n    def g():\n        return 3\n    return g\ndef h():\n    return 4\n"
    changed = replaced(text, "a.py", 0)
    assert sorted(code.co_name for code in changed) == ["<module>", "f", "g"]
    assert {code.co_name for code in changed.values()} == {"<module>", "f", "g"}


def test_a_seed_draws_the_same_faults_again_and_another_one_others() -> None:
    first = drawn("regularizers", 20, 1)
    assert first == drawn("regularizers", 20, 1)
    assert len(set(first)) == 20
    assert first != drawn("regularizers", 20, 2)


def test_a_fault_knows_its_function() -> None:
    seen = Break("")
    seen.visit(ast.parse("x = 1\ndef f(a=2):\n    def g():\n        return 3\n    return 4\n"))
    assert [(one.before, one.function) for one in seen.found] == [("1", 0), ("2", 0), ("3", 3), ("4", 2)]


def test_shares_are_of_those_that_were_tried() -> None:
    fault, other = faults_of("vital/regularizers/norms.py")[:2]
    found = summary(["regularizers"], [Tried(fault, "tests/a.py::b", 1), Tried(other, "", 1)])
    assert found["score"] == 0.5
    assert found["rooms"] == {"regularizers": [1, 2]}
    assert [one["number"] for one in found["survived"]] == [other.number]


@pytest.mark.slow
def test_a_fault_is_in_what_is_tested() -> None:
    code = (  # in a process of its own, for a fault cannot be put into what is imported already
        "from benchmarks.mutation.faults import faults_of\n"
        "from benchmarks.mutation.trial import attempts, usual\n"
        "found = faults_of('vital/regularizers/smoothness.py')\n"
        "chosen = [next(one for one in found if one.kind == 'product'), found[0]]\n"
        "for fault, by, _ in attempts(chosen, usual([found[0].file])):\n"
        "    print(fault.function and 'in place' or 'imported', by)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert [line.split(" tests/")[0] for line in done.stdout.splitlines()] == ["in place", "imported"]
