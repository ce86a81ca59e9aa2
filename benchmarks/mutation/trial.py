"""Run the tests of a file with a fault in it, those that enter the function with the fault first."""

from __future__ import annotations

import ast
import builtins
import contextlib
import doctest
import gc
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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from benchmarks.mutation.faults import ROOT, Fault, broken, replaced

SLOWER, LEAST_SECONDS = 5, 15
"""Tests that take so many times as long as they did, and so many seconds more, have caught the fault."""
WAITING = 5
"""Seconds on the clock for each second of the processor: others may use the machine."""

LAWS = {
    "vital/objectives": ("terms", "stacks", "ranges", "signatures", "company"),
    "vital/regularizers": ("terms", "stacks", "ranges", "signatures"),
    "vital/params": ("params", "ranges", "signatures"),
    "vital/transforms": ("transforms", "ranges", "signatures"),
    "vital/attribution": ("signatures",),
    "vital/metrics": ("signatures",),
    "vital/describing/matching": ("signatures",),
    "vital/describing/methods": ("signatures",),
}
"""The laws that look at every part of a folder."""

DEFAULTS = "tests/laws/test_signatures.py"
"""The law that looks at what runs when a part is imported."""

LARGE = {"vital/activations", "vital/backends", "vital/comparing", "vital/data", "vital/utils"}
"""Folders of many subjects: of these, a module's own tests alone."""

DESCRIBERS = ("tests/describing/test_describers.py",)

BESIDE = {
    "vital/backends/chat_response.py": ("tests/backends/test_openai.py",),
    "vital/backends/endpoint_address.py": ("tests/backends/test_openai.py",),
    "vital/describing/evaluation/agreement.py": ("tests/describing/methods/test_prototype.py",),
    "vital/describing/matching/clip_features.py": DESCRIBERS,
    "vital/describing/matching/presence.py": DESCRIBERS,
    "vital/describing/matching/search.py": DESCRIBERS,
    "vital/describing/matching/similarity.py": DESCRIBERS,
    "vital/describing/matching/wpmi_sums.py": DESCRIBERS,
    "vital/describing/methods/activation_ranges.py": (
        *DESCRIBERS,
        "tests/describing/matching/test_presence.py",
    ),
    "vital/describing/methods/clip_dissect.py": DESCRIBERS,
    "vital/describing/methods/linear.py": (*DESCRIBERS, "tests/describing/matching/test_presence.py"),
    "vital/objectives/alignment.py": ("tests/attribution/test_masks.py",),
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
    "--tb=native",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
BROKEN = "the trial itself failed:"
ENTERED = "__entered__"


@dataclass(frozen=True)
class Usual:
    """What the tests do without a fault: the seconds of each, and the functions that it enters (file, line).

    `early` are the functions that are entered before any test, while modules are imported.
    """

    seconds: dict[str, float]
    enters: dict[str, set[tuple[str, int]]]
    early: set[tuple[str, int]] = field(default_factory=set)

    def can_be_swapped(self, fault: Fault) -> bool:
        """Whether the fault does all of its harm after the imports, so that code which is imported can take it."""
        return bool(fault.function) and (fault.file, fault.function) not in self.early

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

    def beside(self, tests: Sequence[str]) -> list[str]:
        """The other tests of the same files, which may share what only the first of them made."""
        files = {test.partition("::")[0] for test in tests}
        return [test for test in self.enters if test.partition("::")[0] in files and test not in set(tests)]

    def clock(self, fault: Fault) -> float:
        """The seconds on the clock after which a fault is caught whatever happens."""
        first = self.first(fault)
        return WAITING * (LEAST_SECONDS + self.limit([*first, *self.beside(first)]))

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
    early: list[tuple[str, int]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    enters: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def pytest_collection_finish(self) -> None:
        self.early = sorted(self.now)

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
        return json.dumps([notes.failed, notes.seconds, notes.enters, notes.early])

    said = _alone(work, 3600)
    if said.startswith(BROKEN):
        raise SystemExit(said)
    failed, seconds, enters, early = json.loads(said)
    for test in failed:
        print(f"fails without any fault: {test}", file=sys.stderr, flush=True)
    passed = {test: set(map(tuple, enters[test])) for test in enters if test not in failed}
    return Usual(seconds, passed, set(map(tuple, early)))


def attempts(faults: Sequence[Fault], known: Usual) -> Iterator[tuple[Fault, str, float]]:
    """Try faults of files that have the same tests: each with what failed first, "" where nothing did, and seconds."""
    left = [fault for fault in faults if not known.can_be_swapped(fault)]
    for fault, said, seconds in _swapped([fault for fault in faults if fault not in left], known):
        if said.startswith(BROKEN):
            left.append(fault)
        else:
            yield fault, said, seconds
    for fault in left:
        began = time.monotonic()
        said = _alone(partial(_imported, fault, known), known.clock(fault))
        if said.startswith(BROKEN):
            raise SystemExit(said)
        yield fault, said, time.monotonic() - began


def _swapped(faults: Sequence[Fault], known: Usual) -> Iterator[tuple[Fault, str, float]]:
    """Collect the tests once; a process for each fault then changes the code of its functions in place."""
    if not faults:
        return
    receiver, sender = mp.Pipe(duplex=False)

    def work(folder: Path) -> str:
        receiver.close()
        for file in {fault.file for fault in faults}:
            importlib.import_module(module_of(file))
        trials = _Trials(faults, known, sender)
        _pytest(suite_of(faults[0].file), folder, trials, trials.notes)
        return ""

    with tempfile.TemporaryDirectory() as name:
        process = mp.get_context("fork").Process(target=_child, args=(work, Path(name)))
        process.start()
        sender.close()
        try:
            for fault in faults:
                yield fault, *receiver.recv()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()


@dataclass(eq=False)
class _Trials:
    """In place of running the tests that were collected, tries each fault with them."""

    faults: Sequence[Fault]
    known: Usual
    sender: Connection
    notes: _Notes = field(default_factory=_Notes)
    functions: list[FunctionType] = field(default_factory=list)

    def pytest_runtestloop(self, session: Any) -> bool:
        items = {item.nodeid: item for item in session.items}
        files = {str(ROOT / fault.file) for fault in self.faults}
        self.functions = [one for one in gc.get_objects() if type(one) is FunctionType]
        self.functions = [one for one in self.functions if one.__code__.co_filename in files]
        gc.freeze()  # what is imported stays: no process needs to look at it again
        for fault in self.faults:
            began = time.monotonic()
            said = _alone(partial(self.one, fault, items), self.known.clock(fault))
            self.sender.send((said, time.monotonic() - began))
        return True

    def one(self, fault: Fault, items: Mapping[str, Any], _: Path) -> str:
        swap(fault, self.functions)
        return _judged(fault, self.known, partial(self.run, items))

    def run(self, items: Mapping[str, Any], tests: Sequence[str]) -> str:
        chosen = [items[test] for test in tests]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            except BaseException as error:  # noqa: BLE001 - what ends all tests has caught the fault too
                return f"{item.nodeid}: {error!r}"
            if self.notes.failed:
                return self.notes.failed[0]
        return ""


def swap(fault: Fault, functions: Collection[FunctionType]) -> None:
    """Put a fault into those functions that have it. Raises `LookupError` where none has."""
    path = str(ROOT / fault.file)
    changed = replaced((ROOT / fault.file).read_text(encoding="utf-8"), path, fault.number)
    found = [one for one in functions if one.__code__ in changed]
    for one in found:
        one.__code__ = changed[one.__code__]
    if not found:
        raise LookupError(f"no function took {fault}")


def _imported(fault: Fault, known: Usual, folder: Path) -> str:
    """Import a module with a fault in it, and run its tests."""
    sys.meta_path.insert(0, Loader({fault.file: lambda text: broken(text, fault.number)}))
    _limit(LEAST_SECONDS)
    try:
        module = importlib.import_module(module_of(fault.file))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is caught
        return f"import: {type(error).__name__}"
    if not isinstance(module.__loader__, _Source):
        raise TypeError(f"the fault could not be put into {fault.file}")

    def run(tests: Sequence[str]) -> str:
        notes, files = _Notes(), {test.partition("::")[0]: 0 for test in tests}
        code = _pytest(files, folder, notes, _Chosen(tests), options=["-x"])
        return notes.failed[0] if notes.failed else f"pytest ended with {code}" if code else ""

    return _judged(fault, known, run)


def _judged(fault: Fault, known: Usual, run: Callable[[Sequence[str]], str]) -> str:
    """What catches a fault that is in the code: its module's examples, or a test; "" where nothing does."""
    _limit(LEAST_SECONDS)
    if doctest.testmod(sys.modules[module_of(fault.file)]).failed:
        return "its examples"
    first = known.first(fault)
    for tests in filter(None, (first, known.beside(first))):
        _limit(known.limit(tests))
        if failed := run(tests):
            return failed
    return ""
