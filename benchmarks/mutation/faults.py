"""Small faults that can be put into code."""

from __future__ import annotations

import ast
import contextlib
import copy
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

AXES = {"dim", "axis", "dims", "start_dim", "end_dim"}
REDUCTIONS = {
    "amax", "amin", "argmax", "argmin", "argsort", "cumsum", "flatten", "gather", "mean", "norm", "prod", "softmax",
    "sort", "squeeze", "std", "sum", "topk", "unsqueeze", "var",
}  # fmt: skip
"""Calls whose first whole number is an axis."""

GUARDS = {"strict", "repr", "stacklevel", "exist_ok"}
"""Options that change no value: how a thing prints, and what is refused that never comes."""

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
    """One fault: the `number` of its place in the file, and what stands there before and after.

    `function` is the line of the function that holds it, 0 where it runs when the file is imported.
    """

    file: str
    number: int
    function: int
    line: int
    kind: str
    before: str
    after: str


class Break(ast.NodeTransformer):
    """Visit every place where a fault can be put; put the one of a `number`, and list them all."""

    def __init__(self, file: str, number: int | None = None) -> None:
        self.file, self.number, self.found, self.function = file, number, list[Fault](), 0

    def put(self, node: ast.AST, kind: str, other: ast.AST) -> Any:
        """Note that `other` could stand for `node`, which it does where this is the fault asked for."""
        mine = len(self.found) == self.number
        after = ast.fix_missing_locations(ast.copy_location(other, node))
        line = getattr(node, "lineno", 0)
        self.found.append(
            Fault(
                self.file, len(self.found), self.function, line, kind, ast.unparse(node), ast.unparse(after)
            )
        )
        return after if mine else node

    def left_alone(self, node: ast.AST) -> ast.AST:
        """Sentences of errors and types are no behavior of this kind."""
        return node

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """The values that a type allows are a type."""
        return node if getattr(node.value, "id", "") == "Literal" else self.generic_visit(node)

    visit_Raise = visit_JoinedStr = visit_Import = visit_ImportFrom = left_alone  # noqa: N815

    def visit_Call(self, node: ast.Call) -> Any:
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
            if keyword.arg in GUARDS:
                continue
            number = _whole(keyword.value)
            if number is not None and keyword.arg in AXES:
                keyword.value = self.put(
                    keyword.value, "axis", _constant(number - 1 if number > 0 else number + 1)
                )
            else:
                keyword.value = self.visit(keyword.value)
        return node

    def _function(self, node: Any) -> Any:
        """The body and the defaults of a function, no annotation and no decorator."""
        node.args.defaults = [self.visit(value) for value in node.args.defaults]
        node.args.kw_defaults = [value and self.visit(value) for value in node.args.kw_defaults]
        outer, self.function = self.function, node.lineno
        node.body = [self.visit(part) for part in node.body]
        self.function = outer
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """The body of a class."""
        node.body = [self.visit(part) for part in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """The value alone."""
        node.value = node.value and self.visit(node.value)
        return node

    def swap(self, node: Any) -> Any:
        """Put the other operator, where there is one."""
        if type(node.op) not in SWAPPED:
            return node
        kind, op = SWAPPED[type(node.op)]
        other = copy.copy(node)
        other.op = op()
        return self.put(node, kind, other)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Signs and products; types that are joined by | are left alone, as are texts."""
        self.generic_visit(node)
        if any(
            isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)
        ):
            return node
        return self.swap(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Signs and products that change a name in place."""
        self.generic_visit(node)
        return self.swap(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        """Borders and conditions, each comparison of a chain."""
        self.generic_visit(node)
        for place, op in enumerate(node.ops):
            if type(op) in SWAPPED:
                kind, swapped = SWAPPED[type(op)]
                other = copy.copy(node)
                other.ops = [*node.ops[:place], swapped(), *node.ops[place + 1 :]]
                node = self.put(node, kind, other)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        """And for or."""
        self.generic_visit(node)
        return self.swap(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """A minus or a not that is dropped."""
        self.generic_visit(node)
        if isinstance(node.op, ast.USub):
            return self.put(node, "sign", node.operand)
        return self.put(node, "condition", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Constant(self, node: ast.Constant) -> Any:
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
        value = ast.literal_eval(node)
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


def replaced(text: str, path: str, number: int) -> dict[CodeType, CodeType]:
    """What a fault changes of compiled code: that of functions and modules without it, and with it.

    >>> [old.co_name for old in replaced("def f(): return 1\\ndef g(): return 2", "a.py", 1)]
    ['<module>', 'g']
    """
    pairs = [
        tuple(
            compile(code, path, "exec", dont_inherit=True) for code in (ast.parse(text), broken(text, number))
        )
    ]
    found: dict[CodeType, CodeType] = {}
    while pairs:
        old, new = pairs.pop()
        if old == new:
            continue
        found[old] = new
        inner = [[one for one in code.co_consts if isinstance(one, CodeType)] for code in (old, new)]
        if len(inner[0]) == len(inner[1]):
            pairs += zip(*inner, strict=True)
    return found
