"""What tells an object of the user's from others: its code, its options, and what both refer to.

Two classes of one name whose methods, prompts or helpers differ are two makers, and so are two objects of one class
whose attributes differ. What an object counts or collects while it answers is none of its options.
"""

from __future__ import annotations

import dis
import functools
import inspect
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, Protocol

DEEPEST = 12
"""How far what refers to what is followed."""

_ASKED = (
    "describe",
    "summarize",
    "simplify",
    "generate",
    "answer",
    "encode_text",
    "encode_image",
    "encode",
    "__call__",
)
_CHANGING = frozenset(
    ("append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "clear", "remove")
)


_VALUES = frozenset(
    (
        "decimal",
        "fractions",
        "datetime",
        "zoneinfo",
        "string",
        "operator",
        "_operator",
        "types",
        "uuid",
        "ipaddress",
    )
)
"""Modules of Python whose objects are values."""


class Say(Protocol):
    """Says in plain values what a value is, each object once."""

    seen: set[int]

    def __call__(self, value: Any, depth: int) -> object:
        """Say what a value is."""


def code_of(item: Any, say: Say, depth: int = 0) -> object:
    """Say in plain values what code a function or a class has; `say(value, depth)` tells values that it refers to.

    `say.seen` holds what was told already.

    Code of installed libraries is told by its name alone.
    """
    if isinstance(item, functools.partial):
        kept = [list(item.args), dict(item.keywords)]
        return ["partial", code_of(item.func, say, depth), say(kept, depth + 1)]
    if isinstance(item, MethodType):
        return ["method", code_of(item.__func__, say, depth), say(item.__self__, depth + 1)]
    if isinstance(item, type):
        return _class(item, say, depth)
    function = inspect.unwrap(item, stop=_is_own_wrapper) if callable(item) else item
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if not isinstance(function, FunctionType) or is_library(function) or depth > DEEPEST:
        return name
    code = function.__code__
    if id(code) in say.seen:
        return name
    say.seen.add(id(code))
    stored, changed = changes([code])
    inner = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    refers: dict[str, Any] = {key: cell.cell_contents for key, cell in inner.items() if _is_filled(cell)}
    refers |= {key: function.__globals__[key] for key in names_in(code) if key in function.__globals__}
    told = {
        key: say(value, depth + 1)
        for key, value in sorted(refers.items())
        if key not in stored
        and not isinstance(value, ModuleType)
        and not (key in changed and isinstance(value, list | dict | set))
    }
    defaults = say([list(function.__defaults__ or ()), dict(function.__kwdefaults__ or {})], depth + 1)
    return [name, _bytecode(code), defaults, told]


def _class(kind: type, say: Say, depth: int) -> object:
    """Tell a class: the functions and plain values of it and of the classes that it is made from."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if is_library(kind) or depth > DEEPEST or id(kind) in say.seen:
        return name
    say.seen.add(id(kind))
    found: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        if not is_library(base):
            for key, value in vars(base).items():
                if not (key.startswith("__") and key.endswith("__")) or key in _ASKED:
                    found[key] = _member(value, say, depth + 1)
    return [name, dict(sorted(found.items()))]


def _is_own_wrapper(item: Any) -> bool:
    """Whether what wraps a function is no library's, so that it has a say in what comes out."""
    name = getattr(item, "__globals__", {}).get("__name__", "functools")
    return not is_library(SimpleNamespace(__module__=name))


def _member(value: Any, say: Say, depth: int) -> object:
    if isinstance(value, functools.partialmethod):
        return code_of(functools.partial(value.func, *value.args, **value.keywords), say, depth)
    for part in ("fget", "__func__", "func"):
        if not isinstance(value, FunctionType | functools.partial) and hasattr(value, part):
            return code_of(getattr(value, part), say, depth)
    return code_of(value, say, depth) if isinstance(value, FunctionType | type) else say(value, depth)


def attributes(owner: Any) -> Iterator[tuple[str, Any]]:
    """Give the attributes of an object, without those that it sets or fills while it answers."""
    slots = (name for base in type(owner).__mro__ for name in _slots(base))
    found = {name: getattr(owner, name) for name in slots if hasattr(owner, name)} | getattr(
        owner, "__dict__", {}
    )
    stored, changed = changes(_answering_code(type(owner)))
    for name, value in sorted(found.items()):
        if name not in stored and not (name in changed and isinstance(value, list | dict | set)):
            yield name, value


def _slots(base: type) -> tuple[str, ...]:
    slots = vars(base).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _answering_code(kind: type) -> list[CodeType]:
    """The code that runs when an object of a class is asked: the methods of makers, and those that they call."""
    left, found = list(_ASKED), dict[str, CodeType]()
    while left:
        name = left.pop()
        member = inspect.getattr_static(kind, name, None)
        method = inspect.unwrap(member) if callable(member) else None
        if isinstance(method, FunctionType) and name not in found and not is_library(method):
            found[name] = method.__code__
            left += names_in(method.__code__)
    return list(found.values())


def changes(codes: list[CodeType]) -> tuple[set[str], set[str]]:
    """Names that code sets, and names of what it may fill.

    >>> def count(values):
    ...     values.total += 1
    >>> changes([count.__code__])[0]
    {'total'}
    """
    stored, changed = set[str](), set[str]()
    for code in (part for whole in codes for part in _nested(whole)):
        steps = list(dis.get_instructions(code))
        stored |= {str(s.argval) for s in steps if s.opname in ("STORE_ATTR", "STORE_GLOBAL", "STORE_DEREF")}
        if _CHANGING & set(code.co_names) or any(s.opname == "STORE_SUBSCR" for s in steps):
            changed |= {*code.co_names, *code.co_freevars}
    return stored, changed


def names_in(code: CodeType) -> set[str]:
    """Names that code refers to, functions inside it among them."""
    return {name for part in _nested(code) for name in part.co_names}


def is_library(item: Any) -> bool:
    """Whether a function or class comes with Python or an installed package, and so is told by its name.

    >>> is_library(re.compile), is_library(is_library)
    (True, False)
    """
    name = str(getattr(item, "__module__", "") or "")
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return True
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return top != "vital" and bool({"site-packages", "dist-packages"} & set(Path(file).parts))


def told(value: Any) -> object:
    """Say what a pattern, a path, bytes, a range or a set is, and nothing of all else.

    >>> told({2, 1}), told(Path("a"))
    (['1', '2'], 'a')
    """
    if isinstance(value, re.Pattern):
        return [str(value.pattern), value.flags]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes | bytearray | complex | range | slice):
        return repr(value)
    return sorted(map(repr, value)) if isinstance(value, set | frozenset) else None


def parts_of(value: Any) -> list[Any] | None:
    """What a value of the standard library is made of, as a copy would be; None for all else, such as a lock.

    >>> import datetime
    >>> parts_of(datetime.date(2020, 2, 1)) == parts_of(datetime.date(2020, 2, 1)) != parts_of(datetime.date.min)
    True
    """
    if type(value).__module__ not in _VALUES or isinstance(value, type):
        return None
    try:
        _, arguments, *more = value.__reduce_ex__(2)
    except TypeError:
        return None
    return [part for part in (arguments, *more[:1]) if part is not None]


def is_collection(value: object) -> bool:
    """Whether a value holds others in an order or by name."""
    return isinstance(value, list | tuple | deque | Mapping)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _nested(const)


def _bytecode(code: CodeType) -> object:
    consts = [
        _bytecode(c)
        if isinstance(c, CodeType)
        else sorted(map(repr, c))
        if isinstance(c, frozenset)
        else repr(c)
        for c in code.co_consts
    ]
    return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), consts]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
