"""The size and shape of the code. Run with -s to see the figures."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "vital").rglob("*.py"))
SCRIPTS = sorted(path for folder in ("examples", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

FILE_LINES, EXAMPLE_LINES = 500, 60
FUNCTION_LINES, MEDIAN_LINES = 60, 10

Def = ast.FunctionDef | ast.AsyncFunctionDef


class Function(NamedTuple):
    """A function in a file, and its lines of code: from `def` to its end, without docstring, blanks and comments."""

    name: str
    lines: int


def code_lines(node: Def, text: list[str]) -> int:
    head = node.body[0]
    documented = (
        isinstance(head, ast.Expr)
        and isinstance(head.value, ast.Constant)
        and isinstance(head.value.value, str)
    )
    docstring = range(head.lineno, (head.end_lineno or head.lineno) + 1) if documented else range(0)
    shown = (
        text[i - 1].strip() for i in range(node.lineno, (node.end_lineno or 0) + 1) if i not in docstring
    )
    return sum(bool(line) and not line.startswith("#") for line in shown)


def functions(path: Path) -> Iterator[Function]:
    content = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, Def):
            yield Function(f"{relative(path)}:{node.name}", code_lines(node, content.splitlines()))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def too_long(sizes: dict[str, int], limit: int) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if size > limit}


def test_no_file_is_long() -> None:
    sizes = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    print(f"\n{len(sizes)} files, {sum(sizes.values())} lines; the longest:")
    for name in sorted(sizes, key=lambda n: -sizes[n])[:5]:
        print(f"{sizes[name]:5d} {name}")
    assert too_long(sizes, FILE_LINES) == {}


def test_no_function_is_long_and_most_are_short() -> None:
    found = [function for path in SOURCES for function in functions(path)]
    sizes = {f.name: max(g.lines for g in found if g.name == f.name) for f in found}
    median = statistics.median(f.lines for f in found)
    print(f"\n{len(found)} functions, median {median:g} lines; the longest:")
    for name in sorted(sizes, key=lambda n: -sizes[n])[:5]:
        print(f"{sizes[name]:5d} {name}")
    assert too_long(sizes, FUNCTION_LINES) == {}
    assert median <= MEDIAN_LINES


def test_no_example_is_long() -> None:
    sizes = {
        relative(p): len(p.read_text(encoding="utf-8").splitlines())
        for p in SCRIPTS
        if p.parent.name == "examples"
    }
    assert sizes
    assert too_long(sizes, EXAMPLE_LINES) == {}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [] if ast.get_docstring(tree) else ["the module"]
    bare += [node.name for node in public(tree) if not ast.get_docstring(node)]
    assert bare == []


def public(scope: ast.Module | ast.ClassDef) -> Iterator[Def | ast.ClassDef]:
    """Classes, functions and methods whose names do not begin with an underscore, nor those around them."""
    for node in scope.body:
        if isinstance(node, Def | ast.ClassDef) and not node.name.startswith("_"):
            if not overloaded(node):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def overloaded(node: Def | ast.ClassDef) -> bool:
    """Whether this is one signature of several, or the setter beside a documented property."""
    names = [
        d.id if isinstance(d, ast.Name) else d.attr
        for d in node.decorator_list
        if isinstance(d, ast.Name | ast.Attribute)
    ]
    return bool({"overload", "setter"} & set(names))


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS, *TESTS], ids=relative)
def test_nothing_is_left_for_later(path: Path) -> None:
    left = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    text = path.read_text(encoding="utf-8")
    assert [word for word in left if word in text] == []


@pytest.mark.parametrize("folder", ["objectives", "regularizers"])
def test_a_catalogue_holds_its_page_and_its_door_alone(folder: str) -> None:
    held = {p.name for p in (ROOT / folder).iterdir() if p.name != "__pycache__"}
    assert held == {"README.md", "__init__.py"}
    door = (ROOT / folder / "__init__.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in door if line.strip()]) <= 3


def test_tests_mirror_the_tree() -> None:
    packages = {p.name for p in (ROOT / "vital").iterdir() if p.is_dir() and p.name != "__pycache__"}
    own = {"benchmarks", "laws", "oracles", "real", "typing"}
    folders = {p.parent.relative_to(ROOT / "tests").parts[0] for p in TESTS if p.parent != ROOT / "tests"}
    assert folders - packages - own == set()


def test_the_ruler_measures() -> None:
    text = 'def f(x):\n    """Two lines\n    of words."""\n    # why\n\n    return x\n'
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert code_lines(node, text.splitlines()) == 2
