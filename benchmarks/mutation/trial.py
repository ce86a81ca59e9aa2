"""Run the tests of a file with a fault in it, those that enter the function with the fault first."""

from __future__ import annotations

import ast
import builtins
import contextlib
import doctest
import importlib.abc
import importlib.machinery
import importlib.util
import json
import multiprocessing as mp
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.mutation.faults import ROOT, Fault, broken

SLOWER, LEAST_SECONDS = 10, 30
"""Tests that take so many times as long as they did, and so many seconds more, have caught the fault."""
WAITING = 5
"""Seconds on the clock for each second of the processor: others may use the machine."""

LAWS = {
    "vital/objectives": ("terms", "stacks", "ranges", "signatures", "company"),
    "vital/regularizers": ("terms", "stacks", "ranges", "signatures"),
    "vital/params": ("params", "ranges", "signatures"),
    "vital/transforms": ("transforms", "ranges", "signatures"),
}
"""The laws that look at every part of a folder."""

DEFAULTS = "tests/laws/test_signatures.py"
"""The law that looks at what runs when a part is imported."""

LARGE = {"vital/backends", "vital/comparing", "vital/data", "vital/utils"}
"""Folders of many subjects: of these, a module's own tests alone."""

BESIDE = {
    "vital/backends/chat_response.py": ("tests/backends/test_openai.py",),
    "vital/describing/matching/clip_features.py": ("tests/describing/test_describers.py",),
    "vital/describing/matching/search.py": ("tests/describing/test_describers.py",),
    "vital/units/direction.py": ("tests/directions/test_files.py", "tests/objectives/test_direction.py"),
    "vital/units/record_list.py": ("tests/test_records.py",),
    "vital/units/unit.py": ("tests/test_readers.py",),
}
"""Tests of a module that stand elsewhere."""

QUIET = (
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--no-header",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
BROKEN = "the trial itself failed:"
ENTERED = "__entered__"


@dataclass(frozen=True)
class Usual:
    """What the tests do without a fault: the seconds of each, and the functions that it enters (file, line)."""

    seconds: dict[str, float]
    enters: dict[str, set[tuple[str, int]]]

    def first(self, fault: Fault) -> list[str]:
        """The tests that enter the function with the fault, or any of the file where none holds it; quickest first."""
        at = (fault.file, fault.function)
        inside = [test for test, entered in self.enters.items() if at in entered]
        touched = [
            test
            for test, entered in self.enters.items()
            if test.startswith(DEFAULTS) or fault.file in {file for file, _ in entered}
        ]
        return sorted(inside or touched, key=lambda test: self.seconds[test])

    def limit(self, tests: Collection[str]) -> float:
        """The seconds after which some tests count as failed."""
        return LEAST_SECONDS + SLOWER * sum(self.seconds[test] for test in tests)


class Loader(importlib.abc.MetaPathFinder):
    """Import some modules from code that is changed: {file: code from its text}."""

    def __init__(self, changed: dict[str, Callable[[str], ast.Module]]) -> None:
        self.changed = {module_of(file): (file, change) for file, change in changed.items()}

    def find_spec(self, name: str, _: Any, target: ModuleType | None = None) -> Any:  # noqa: ARG002
        """Find the modules that are changed, and no others."""
        if name not in self.changed:
            return None
        file, change = self.changed[name]
        loader = _Source(name, str(ROOT / file))
        loader.change = change
        return importlib.util.spec_from_file_location(name, str(ROOT / file), loader=loader)


class _Source(importlib.machinery.SourceFileLoader):
    change: Callable[[str], ast.Module]

    def get_code(self, _: str) -> Any:
        return compile(self.change(Path(self.path).read_text(encoding="utf-8")), self.path, "exec")


def module_of(file: str) -> str:
    """The name under which a file is imported.

    >>> module_of("vital/units/unit.py")
    'vital.units.unit'
    """
    return ".".join(Path(file).with_suffix("").parts)


def watched(text: str, file: str) -> ast.Module:
    """The code, where each function first says that it is entered.

    >>> print(ast.unparse(watched("def f(): return 1", "a.py")))
    def f():
        __entered__(('a.py', 1))
        return 1
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            say = ast.parse(f"{ENTERED}({(file, node.lineno)!r})").body[0]
            node.body.insert(1 if ast.get_docstring(node) is not None else 0, say)
    return ast.fix_missing_locations(tree)


def suite_of(file: str) -> list[str]:
    """The tests that look at a module: those that mirror it, those of its folder where it is small, and the laws."""
    path = Path(file)
    mirror = Path("tests", *path.parts[1:-1])
    alone = [mirror / f"test_{path.name}"] if path.parent.as_posix() in LARGE else []
    found = [one for one in alone or sorted((ROOT / mirror).glob("test_*.py")) if (ROOT / one).exists()]
    laws = [f"tests/laws/test_{law}.py" for law in LAWS.get(path.parent.as_posix(), ())]
    return [*(str(ROOT.joinpath(one).relative_to(ROOT)) for one in found), *laws, *BESIDE.get(file, ())]


@dataclass(eq=False)
class _Notes:
    """Follows the tests: those that failed, the seconds of each, and which functions it entered."""

    now: set[tuple[str, int]] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    enters: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.now.clear()
        self.seconds[nodeid] = -time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] += time.process_time()
        self.enters[nodeid] = sorted(self.now)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(f"import of {report.nodeid}")


@dataclass(eq=False)
class _Chosen:
    """Runs the tests of a list, in its order."""

    tests: Sequence[str]

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        place = {test: number for number, test in enumerate(self.tests)}
        items[:] = sorted(
            (item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid]
        )


def _pytest(files: Collection[str], folder: Path, *plugins: object, options: Sequence[str] = ()) -> int:
    import pytest

    return int(pytest.main([*QUIET, *options, f"--basetemp={folder / 'run'}", *files], plugins=list(plugins)))


def _limit(seconds: float) -> None:
    """Let this process have so many more seconds of the processor."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds), resource.RLIM_INFINITY))


def _child(work: Callable[[Path], str], folder: Path) -> None:
    """Work in this process, which ends with it; what it says is written to a file."""
    os.setsid()
    os.chdir(ROOT)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        said = work(folder)
    except BaseException as error:  # noqa: BLE001 - told to the parent, whatever it is
        said = f"{BROKEN} {error!r}"
    (folder / "said").write_text(said, encoding="utf-8")
    os._exit(0)


def _alone(work: Callable[[Path], str], limit: float) -> str:
    """What is said by some work in a process of its own; a limit in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = mp.get_context("fork").Process(target=_child, args=(work, folder))
        process.start()
        process.join(limit)
        slow = process.is_alive() or process.exitcode == -signal.SIGXCPU
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        path = folder / "said"
        said = path.read_text(encoding="utf-8") if path.exists() else "the process ended"
        if said.startswith(BROKEN):
            raise SystemExit(said)
        return "time" if slow else said


def usual(files: Collection[str]) -> Usual:
    """Run the tests of some files, which have the same, without any fault.

    Tests that fail without one are left out, and named on the standard error.
    """

    def work(folder: Path) -> str:
        notes = _Notes()
        setattr(builtins, ENTERED, notes.now.add)
        sys.meta_path.insert(0, Loader({file: partial(watched, file=file) for file in files}))
        for file in files:
            importlib.import_module(module_of(file))
        _pytest(suite_of(next(iter(files))), folder, notes)
        return json.dumps([notes.failed, notes.seconds, notes.enters])

    failed, seconds, enters = json.loads(_alone(work, 3600))
    for test in failed:
        print(f"fails without any fault: {test}", file=sys.stderr, flush=True)
    passed = {test: {(file, line) for file, line in enters[test]} for test in enters if test not in failed}
    return Usual(seconds, passed)


def attempt(fault: Fault, known: Usual) -> tuple[str, float]:
    """Run the tests of a file with a fault in it: what failed first, "" where nothing did, and seconds."""
    first = known.first(fault)
    others = [test for test in known.enters if test not in set(first)]

    def work(folder: Path) -> str:
        sys.meta_path.insert(0, Loader({fault.file: lambda text: broken(text, fault.number)}))
        _limit(LEAST_SECONDS)
        try:
            module = importlib.import_module(module_of(fault.file))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is caught
            return f"import: {type(error).__name__}"
        if not isinstance(module.__loader__, _Source):
            raise TypeError(f"the fault could not be put into {fault.file}")
        if doctest.testmod(module).failed:
            return "its examples"
        for tests in filter(None, (first, others)):
            _limit(known.limit(tests))
            notes = _Notes()
            code = _pytest(
                {test.partition("::")[0]: 0 for test in tests}, folder, notes, _Chosen(tests), options=["-x"]
            )
            if notes.failed or code:
                return notes.failed[0] if notes.failed else f"pytest ended with {code}"
        return ""

    began = time.monotonic()
    return _alone(work, WAITING * known.limit(known.enters)), time.monotonic() - began
