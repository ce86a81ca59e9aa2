"""Every dotted name of vital in a page, a docstring or a message is reached after `import vital` alone."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from vital.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CATALOGS = [ROOT / folder / "README.md" for folder in ("objectives", "regularizers", "benchmarks")]
CODE = sorted((ROOT / "vital").rglob("*.py"))
SCRIPTS = sorted(path for folder in ("examples", "benchmarks") for path in (ROOT / folder).rglob("*.py"))

NAME = re.compile(r"(?<![\w./:-])vital(?:\.[A-Za-z_]\w*)+(?![\w.]*=)")
MODULE = re.compile(r"-m (vital[\w.]*)")
IMPORT = re.compile(r"from (vital[\w.]*) import ([\w, ]+)")
GROUP = re.compile(r"entry-points\.\"[\w.]+\"")

COMMAND = re.compile(r"(?<![\w./-])vital [a-z][^`\n]*")

RESOLVE = """
import itertools, json, sys
import torch
lost = []
for room, names in itertools.groupby(json.load(sys.stdin), lambda name: name.split(".")[1]):
    for module in [m for m in sys.modules if m.partition(".")[0] == "vital"]:
        del sys.modules[module]
    import vital
    for name in names:
        thing = vital
        for part in name.split(".")[1:]:
            if not hasattr(thing, part):
                lost.append(name)
                break
            thing = getattr(thing, part)
print(json.dumps(lost))
"""


def texts(path: Path) -> Iterator[str]:
    """A page as it is; of code its docstrings, and in `vital` its other sentences too."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield content
        return
    tree = ast.parse(content)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    yield from (ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, documented))
    if path in CODE:
        strings = (
            n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        )
        yield from (text for text in strings if " " in text)


def mentioned(text: str) -> tuple[set[str], set[str], set[str]]:
    """What a text mentions: dotted names, modules that are run, and (as module:name) what is imported."""
    text = GROUP.sub("", text)
    imported = {
        f"{module}:{name.split()[0]}"
        for module, names in IMPORT.findall(text)
        for name in names.split(",")
        if name.strip()
    }
    return set(NAME.findall(MODULE.sub("", IMPORT.sub("", text)))), set(MODULE.findall(text)), imported


def found() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Each name, each module that is run, and each import, with the first file that mentions it."""
    kept: tuple[dict[str, str], dict[str, str], dict[str, str]] = ({}, {}, {})
    for path in [*PAGES, *CATALOGS, *CODE, *SCRIPTS]:
        for text in texts(path):
            for known, new in zip(kept, mentioned(text), strict=True):
                known.update({name: str(path.relative_to(ROOT)) for name in new if name not in known})
    return kept


def is_module(name: str) -> bool:
    """Whether the tree holds a module of this name."""
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def unresolved(names: list[str]) -> list[str]:
    """The names that `import vital` and dots do not reach, each subpackage tried as if it were the first."""
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    lost: list[str] = json.loads(done.stdout)
    return lost


@pytest.mark.slow
def test_every_name_is_reached_after_importing_vital_alone() -> None:
    names, _, _ = found()
    assert len(names) > 50
    assert {name: names[name] for name in unresolved(sorted(names))} == {}


def test_every_module_that_is_run_exists() -> None:
    _, modules, _ = found()
    assert "vital.world.training" in modules
    assert {name: page for name, page in modules.items() if not is_module(name)} == {}


def test_every_import_that_is_shown_works() -> None:
    _, _, imported = found()
    lost = {}
    for statement, page in imported.items():
        module, name = statement.split(":")
        if not is_module(module) or not hasattr(importlib.import_module(module), name):
            lost[statement] = page
    assert lost == {}


@pytest.mark.parametrize(
    ("text", "names", "modules", "imports"),
    [
        ("see `vital.terms.Term`.", {"vital.terms.Term"}, set(), set()),
        ("from vital.world import truth, sample", set(), set(), {"vital.world:truth", "vital.world:sample"}),
        ("from vital import params as par, data", set(), set(), {"vital:params", "vital:data"}),
        ("python -m vital.world.training", set(), {"vital.world.training"}, set()),
        ('[project.entry-points."vital.methods"]', set(), set(), set()),
        ("--set vital.steps=64, runs/vital.png, org/vital.git", set(), set(), set()),
    ],
)
def test_what_a_mention_is(text: str, names: set[str], modules: set[str], imports: set[str]) -> None:
    assert mentioned(text) == (names, modules, imports)


def test_a_name_that_is_not_there_is_found_out() -> None:
    wrong = ["vital.images", "vital.rendering.rendr", "vital.world.truth.x"]
    assert unresolved([*wrong, "vital.Model", "vital.world.truth"]) == wrong


FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
OTHERS_FLAGS = {"--extra-index-url", "--version", "--help"}


def flags() -> set[str]:
    """Every flag of every command."""
    found, left = set(OTHERS_FLAGS), [typer.main.get_command(app)]
    while left:
        command = left.pop()
        left += list(getattr(command, "commands", {}).values())
        for parameter in command.params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found


@pytest.mark.parametrize("page", PAGES[:1] + PAGES[2:], ids=lambda page: page.name)
def test_every_flag_on_a_page_is_one_of_a_command(page: Path) -> None:
    commands = COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " "))
    assert {flag for command in commands for flag in FLAG.findall(command)} - flags() == set()
