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

SUBJECTS = {
    "tests/atlases/test_damage.py": "damaged files of an atlas, whatever reads them",
    "tests/attribution/test_conservation.py": "relevance is neither made nor lost, over all rules and networks",
    "tests/attribution/test_published.py": "the published formulas, by hand",
    "tests/attribution/test_rules.py": "every rule on every operation",
    "tests/attribution/test_tape.py": "relevance along recorded operations",
    "tests/attribution/test_zennit.py": "zennit, which does the same",
    "tests/cli/test_ignored.py": "options that do nothing are told, in every command",
    "tests/comparing/test_hostile_tables.py": "names that are attacks, in LaTeX, Markdown and CSV",
    "tests/data/test_odd_files.py": "files that are no usual pictures",
    "tests/describing/test_anchors.py": "labels of planted units",
    "tests/describing/evaluation/test_verdicts.py": "verdicts on labels, by hand",
    "tests/describing/test_describers.py": "every describer",
    "tests/figures/test_hostile_names.py": "names that are attacks, in figures",
    "tests/lwta/test_described.py": "describers on competing networks",
    "tests/lwta/test_prototypes.py": "prototypes of competing networks",
    "tests/models/test_units.py": "the door through which text becomes units of a network, and all that call it",
    "tests/reporting/test_controls.py": "a unit and its control side by side, on pages, sites and figures",
    "tests/reporting/test_browser.py": "the demo in a browser",
    "tests/reporting/test_inert.py": "reports, sites and figures of attacks in a browser",
    "tests/rendering/test_bounds.py": "numbers that multiply the work",
    "tests/rendering/test_architectures.py": "every method on every kind of network",
    "tests/rendering/methods/test_start.py": "images that a search starts from",
    "tests/rendering/test_fit.py": "canvases resized to the network",
    "tests/rendering/test_directions.py": "every method on directions",
    "tests/rendering/test_memory_layout.py": "every method on networks in channels_last",
    "tests/rendering/test_failed.py": "pictures that failed, by every method",
    "tests/rendering/test_precision.py": "every method in half precision",
    "tests/rendering/methods/test_vital_reference_inner.py": "the published loop of inner units",
    "tests/world/test_named.py": "what the words of a label stand for",
    "tests/world/test_shipped.py": "the networks that are shipped",
}
"""Tests of a subject that lies in several modules."""
OWN = ("benchmarks", "faults", "laws", "real")
"""Folders of tests that mirror another tree, or none."""

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
def test_a_catalog_holds_its_page_and_its_door_alone(folder: str) -> None:
    held = {p.name for p in (ROOT / folder).iterdir() if p.name != "__pycache__"}
    assert held == {"README.md", "__init__.py"}
    door = (ROOT / folder / "__init__.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in door if line.strip()]) <= 3


def modules() -> set[str]:
    """The names that tests of a module may have: tests/room/test_module.py, without a leading underscore."""
    found = set()
    for path in SOURCES:
        room = path.relative_to(ROOT / "vital").parent
        found.add((Path("tests") / room / f"test_{path.name.lstrip('_')}").as_posix())
    return found


def mirrored(path: Path) -> bool:
    return path.name.startswith("test_") and path.parent != ROOT / "tests" and path.parts[-2] not in OWN


def test_every_test_has_the_name_of_a_module_or_of_a_subject() -> None:
    found = {relative(path) for path in TESTS if mirrored(path) and "tests/real/" not in relative(path)}
    assert found - modules() - set(SUBJECTS) == set()


def test_every_subject_has_tests_and_is_no_module() -> None:
    assert [name for name in SUBJECTS if not (ROOT / name).exists()] == []
    assert set(SUBJECTS) & modules() == set()


def test_the_ruler_measures() -> None:
    text = 'def f(x):\n    """Two lines\n    of words."""\n    # why\n\n    return x\n'
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert code_lines(node, text.splitlines()) == 2
