"""How many small faults the tests catch: one is put into the code at a time, and the tests of its module are run.

Faults are those that a person makes: a sign, a product for a quotient, a comparison that takes or leaves the border,
an axis, a whole number off by one, a constant that is dropped, a condition turned over. They go into the terms, the
rules of relevance, the metrics, the parsers of text and the transforms; sentences, annotations and decorators are left
alone. A fault is caught when a test fails, or takes ten times as long as it did.

The tests are the module's own examples, the tests that mirror it, those of its folder, and the laws. Each fault is
tried by a process of its own, so that nothing of it stays.

Goal: 95 % are caught. Those that survive are listed, to be judged by a person.

    python -m benchmarks.mutation --only objectives --sample 50
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import doctest
import importlib.abc
import importlib.machinery
import importlib.util
import json
import multiprocessing as mp
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.common import machine

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.95
SLOWER, LEAST_SECONDS = 10, 60
"""A test that takes so many times as long as it did, and at least so many seconds, has caught the fault."""

ROOMS = {
    "objectives": ("vital/objectives",),
    "regularizers": ("vital/regularizers",),
    "params": ("vital/params",),
    "transforms": ("vital/transforms", "vital/data/views.py"),
    "rules": ("vital/attribution",),
    "metrics": ("vital/metrics", "vital/describing/matching", "vital/comparing/measures.py"),
    "parsers": (
        "vital/units", "vital/utils/options.py", "vital/utils/text.py", "vital/data/labels.py",
        "vital/backends/answers.py", "vital/backends/endpoint_address.py", "vital/backends/chat_response.py",
    ),
}  # fmt: skip
"""What is broken: rooms of files and folders."""

LAWS = {
    "vital/objectives": ("terms", "stacks", "options", "company"),
    "vital/regularizers": ("terms", "stacks", "options"),
    "vital/params": ("params", "options"),
    "vital/transforms": ("transforms", "options"),
}
"""The laws that look at every part of a folder."""

AXES = {"dim", "axis", "dims", "start_dim", "end_dim"}
REDUCTIONS = {
    "amax", "amin", "argmax", "argmin", "argsort", "cumsum", "flatten", "gather", "mean", "norm", "prod", "softmax",
    "sort", "squeeze", "std", "sum", "topk", "unsqueeze", "var",
}  # fmt: skip
"""Calls whose first whole number is an axis."""

SWAPPED: dict[type[ast.AST], tuple[str, type[Any]]] = {
    ast.Add: ("sign", ast.Sub),
    ast.Sub: ("sign", ast.Add),
    ast.Mult: ("product", ast.Div),
    ast.Div: ("product", ast.Mult),
    ast.FloorDiv: ("product", ast.Mult),
    ast.Mod: ("product", ast.FloorDiv),
    ast.Lt: ("border", ast.LtE),
    ast.LtE: ("border", ast.Lt),
    ast.Gt: ("border", ast.GtE),
    ast.GtE: ("border", ast.Gt),
    ast.Eq: ("condition", ast.NotEq),
    ast.NotEq: ("condition", ast.Eq),
    ast.In: ("condition", ast.NotIn),
    ast.NotIn: ("condition", ast.In),
    ast.Is: ("condition", ast.IsNot),
    ast.IsNot: ("condition", ast.Is),
    ast.And: ("condition", ast.Or),
    ast.Or: ("condition", ast.And),
}


@dataclass(frozen=True)
class Fault:
    """One fault: the `number` of its place in the file, and what stands there before and after."""

    file: str
    number: int
    line: int
    kind: str
    before: str
    after: str


@dataclass(frozen=True)
class Tried:
    """What became of a fault: the test that caught it, "" where none did."""

    fault: Fault
    caught_by: str
    seconds: float


class Break(ast.NodeTransformer):
    """Visit every place where a fault can be put; put the one of a `number`, and list them all."""

    def __init__(self, file: str, number: int | None = None) -> None:
        self.file, self.number, self.found = file, number, list[Fault]()

    def put(self, node: ast.AST, kind: str, other: ast.AST) -> ast.AST:
        """Note that `other` could stand for `node`, which it does where this is the fault asked for."""
        mine = len(self.found) == self.number
        after = ast.fix_missing_locations(ast.copy_location(other, node))
        line = getattr(node, "lineno", 0)
        self.found.append(
            Fault(self.file, len(self.found), line, kind, ast.unparse(node), ast.unparse(after))
        )
        return after if mine else node

    def left_alone(self, node: ast.AST) -> ast.AST:
        """Sentences of errors and types are no behavior of this kind."""
        return node

    visit_Raise = visit_JoinedStr = visit_Import = visit_ImportFrom = left_alone  # noqa: N815

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Calls hold axes; those that warn or name types hold sentences."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("warn", "TypeVar", "cast", "NewType"):
            return node
        node.func = self.visit(node.func)
        for place, value in enumerate(node.args):
            number = _whole(value)
            if number is not None and place == 0 and name in REDUCTIONS:
                node.args[place] = self.put(
                    value, "axis", _constant(number - 1 if number > 0 else number + 1)
                )
            else:
                node.args[place] = self.visit(value)
        for keyword in node.keywords:
            number = _whole(keyword.value)
            if number is not None and keyword.arg in AXES:
                keyword.value = self.put(
                    keyword.value, "axis", _constant(number - 1 if number > 0 else number + 1)
                )
            else:
                keyword.value = self.visit(keyword.value)
        return node

    def _function(self, node: Any) -> ast.AST:
        """The body and the defaults of a function, no annotation and no decorator."""
        node.args.defaults = [self.visit(value) for value in node.args.defaults]
        node.args.kw_defaults = [value and self.visit(value) for value in node.args.kw_defaults]
        node.body = [self.visit(part) for part in node.body]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """The body of a class."""
        node.body = [self.visit(part) for part in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """The value alone."""
        node.value = node.value and self.visit(node.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Signs and products; types that are joined by | are left alone, as are texts."""
        self.generic_visit(node)
        if any(
            isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)
        ):
            return node
        if type(node.op) in SWAPPED:
            kind, op = SWAPPED[type(node.op)]
            other = copy.copy(node)
            other.op = op()
            return self.put(node, kind, other)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """Signs and products that change a name in place."""
        self.generic_visit(node)
        if type(node.op) in SWAPPED:
            kind, op = SWAPPED[type(node.op)]
            other = copy.copy(node)
            other.op = op()
            return self.put(node, kind, other)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Borders and conditions, each comparison of a chain."""
        self.generic_visit(node)
        for place, op in enumerate(node.ops):
            if type(op) in SWAPPED:
                kind, swapped = SWAPPED[type(op)]
                other = copy.copy(node)
                other.ops = [*node.ops[:place], swapped(), *node.ops[place + 1 :]]
                node = self.put(node, kind, other)  # type: ignore[assignment]
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """And for or."""
        self.generic_visit(node)
        kind, op = SWAPPED[type(node.op)]
        other = copy.copy(node)
        other.op = op()
        return self.put(node, kind, other)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """A minus or a not that is dropped."""
        self.generic_visit(node)
        if isinstance(node.op, ast.USub):
            return self.put(node, "sign", node.operand)
        return self.put(node, "condition", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Whole numbers off by one, other numbers dropped, truths turned over."""
        if isinstance(node.value, bool):
            return self.put(node, "condition", _constant(not node.value))
        if isinstance(node.value, int):
            return self.put(node, "off by one", _constant(node.value + 1))
        if isinstance(node.value, float):
            return self.put(node, "constant", _constant(1.0 if node.value != 1 else 2.0))
        return node


def _whole(node: ast.AST) -> int | None:
    """The whole number that stands in the code, with its sign."""
    with contextlib.suppress(ValueError, SyntaxError, TypeError):
        value = ast.literal_eval(node)  # type: ignore[arg-type]
        return value if type(value) is int else None
    return None


def _constant(value: object) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body


def faults_of(file: str) -> list[Fault]:
    """All faults that can be put into a file.

    >>> {one.kind for one in faults_of("vital/regularizers/norms.py")} <= {*(k for k, _ in SWAPPED.values()), "axis",
    ...     "off by one", "constant"}
    True
    """
    seen = Break(file)
    seen.visit(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    return seen.found


def broken(text: str, number: int) -> ast.Module:
    """The code with a fault in it.

    >>> ast.unparse(broken("x = a + b", 0)), ast.unparse(broken("x.sum(dim=1) < 2", 0))
    ('x = a - b', 'x.sum(dim=0) < 2')
    """
    made: ast.Module = Break("", number).visit(ast.parse(text))
    return made


class Loader(importlib.abc.MetaPathFinder):
    """Import one module with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self.fault, path = fault, Path(fault.file).with_suffix("")
        parts = path.parts[:-1] if path.name == "__init__" else path.parts
        self.name = ".".join(parts)

    def find_spec(self, name: str, _: Any, target: ModuleType | None = None) -> Any:  # noqa: ARG002
        """Find the module with the fault, and no other."""
        if name != self.name:
            return None
        file = str(ROOT / self.fault.file)
        loader = _Source(name, file)
        loader.fault = self.fault
        package = Path(file).name == "__init__.py"
        return importlib.util.spec_from_file_location(
            name,
            file,
            loader=loader,
            submodule_search_locations=[str(Path(file).parent)] if package else None,
        )


class _Source(importlib.machinery.SourceFileLoader):
    fault: Fault

    def get_code(self, _: str) -> Any:
        file = ROOT / self.fault.file
        made = broken(file.read_text(encoding="utf-8"), self.fault.number)
        return compile(made, str(file), "exec")


def suite_of(file: str) -> list[str]:
    """The tests that look at a module: those that mirror it, those of its folder, and the laws."""
    path = Path(file)
    mirror = Path("tests", *path.parts[1:-1])
    own = mirror / f"test_{path.name}"
    rest = sorted(str(one.relative_to(ROOT)) for one in (ROOT / mirror).glob("test_*.py"))
    laws = [f"tests/laws/test_{law}.py" for law in LAWS.get(path.parent.as_posix(), ())]
    first = [str(own)] if (ROOT / own).exists() else []
    return list(dict.fromkeys([*first, *rest, *laws]))


class _First:
    """Remembers the first test that failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or f"import of {report.nodeid}"


def _run(tests: Sequence[str], file: str, fault: Fault | None, told: str) -> None:
    """Run tests and a module's examples in this process, which ends with it; the first failure is written to a file."""
    os.setsid()
    os.chdir(ROOT)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if fault:
        sys.meta_path.insert(0, Loader(fault))
    name = ".".join(Path(file).with_suffix("").parts)
    try:
        examples = doctest.testmod(importlib.import_module(name))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is caught
        Path(told).write_text(f"import: {type(error).__name__}", encoding="utf-8")
        os._exit(0)
    if fault and not isinstance(sys.modules[name].__loader__, _Source):
        os._exit(2)  # the fault is not in what is tested
    if examples.failed:
        Path(told).write_text("its examples", encoding="utf-8")
        os._exit(0)
    import pytest

    first = _First()
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--no-header",
        f"--basetemp={told}-tmp",
    ]
    code = pytest.main([*options, *tests], plugins=[first])
    Path(told).write_text(
        first.failed or ("" if code == 0 else f"pytest ended with {code}"), encoding="utf-8"
    )
    os._exit(0)


def attempt(file: str, fault: Fault | None, limit: float) -> tuple[str, float]:
    """Run the tests of a file in a process of their own: what failed first, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        process = mp.get_context("fork").Process(target=_run, args=(suite_of(file), file, fault, str(told)))
        began = time.monotonic()
        process.start()
        process.join(limit)
        taken = time.monotonic() - began
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
            return "time", taken
        if process.exitcode == 2:
            raise SystemExit(f"the fault could not be put into {file}")
        return told.read_text(encoding="utf-8") if told.exists() else "the process ended", taken


def files_of(rooms: Sequence[str]) -> list[str]:
    """The files of some rooms that hold code."""
    found: list[Path] = []
    for room in rooms:
        for name in ROOMS[room]:
            path = ROOT / name
            found += [path] if path.is_file() else sorted(path.glob("*.py"))
    return [str(one.relative_to(ROOT)) for one in found if one.name != "__init__.py"]


def measured(rooms: Sequence[str], sample: int, seed: int, jobs: int) -> Iterator[Tried]:
    """Try up to `sample` faults of each room, drawn at random."""
    draw, chosen = random.Random(seed), list[Fault]()  # noqa: S311
    for room in rooms:
        faults = [fault for file in files_of([room]) for fault in faults_of(file)]
        chosen += draw.sample(faults, min(sample, len(faults)))
    usual: dict[str, float] = {}
    for file in sorted({fault.file for fault in chosen}):
        failed, usual[file] = attempt(file, None, 1800)
        if failed:
            raise SystemExit(f"the tests of {file} fail without any fault: {failed}")

    def one(fault: Fault) -> Tried:
        limit = max(LEAST_SECONDS, SLOWER * usual[fault.file])
        return Tried(fault, *attempt(fault.file, fault, limit))

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, chosen)


def summary(rooms: Sequence[str], tried: Sequence[Tried]) -> dict[str, Any]:
    """Shares that were caught, by room and by kind, and those that survived."""
    room_of = {file: room for room in rooms for file in files_of([room])}
    share = {
        name: {
            key: [
                sum(bool(one.caught_by) for one in tried if group(one) == key),
                sum(group(one) == key for one in tried),
            ]
            for key in sorted({group(one) for one in tried})
        }
        for name, group in (("rooms", lambda t: room_of[t.fault.file]), ("kinds", lambda t: t.fault.kind))
    }
    caught = sum(bool(one.caught_by) for one in tried)
    by = Counter(one.caught_by.partition("::")[0] for one in tried if one.caught_by)
    return {
        "score": caught / len(tried), "caught": caught, "tried": len(tried), "goal": GOAL, **share,
        "survived": [asdict(one.fault) for one in tried if not one.caught_by],
        "caught_by": dict(by.most_common()), "machine": machine(),
    }  # fmt: skip


def main() -> None:
    """Break, run, and say what survived."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(ROOMS), default=list(ROOMS))
    parser.add_argument(
        "--sample", type=int, default=100, help="faults of each room; all where there are fewer"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch  # noqa: F401 - once, and not by each process

    tried: list[Tried] = []
    for one in measured(given.only, given.sample, given.seed, given.jobs):
        tried.append(one)
        if not one.caught_by:
            fault = one.fault
            print(
                f"survived: {fault.file}:{fault.line} {fault.kind}: {fault.before} -> {fault.after}",
                file=sys.stderr, flush=True,
            )  # fmt: skip
    result = summary(given.only, tried)
    if given.json:
        print(json.dumps(result, indent=1))
        return
    for name in ("rooms", "kinds"):
        for key, (caught, count) in result[name].items():
            print(f"{key:14} {caught:4} of {count:4}  {caught / count:.1%}")
    print(
        f"all            {result['caught']:4} of {result['tried']:4}  {result['score']:.1%}, goal {GOAL:.0%}"
    )


if __name__ == "__main__":
    main()
