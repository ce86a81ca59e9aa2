"""What a caller gave in the place of something else, by the annotations of the function.

Most of it is found when a call has failed, so that whatever behaves as it should may be given. Before a call iterators
become lists, which can be gone through twice, numbers of numpy Python's own, and numbers are held against the ranges in
annotations, such as `vital.utils.options.Share`.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from vital.errors import InvalidValueError, said
from vital.utils.options import MOST, Option, Range, parts_of_hint

PLAIN = (str, bytes, int, float, complex, list, tuple, dict, set, NoneType, Path)
"""What is data alone, and stands for no object with methods of its own."""
WORDS = {
    int: "whole numbers",
    float: "numbers",
    bool: "true and false",
    str: "texts",
    NoneType: "none",
    Path: "paths",
}


ODD = (np.generic, range, Iterator)
"""What is looked at before a call, whatever the annotation."""


def prepared(
    function: Callable[..., Any], args: tuple[Any, ...], given: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, ready for it.

    Raises `InvalidValueError` for a number outside its range, an iterator that gives nothing, and one without an end.

    >>> def blur(pictures: Iterable[str], width: int) -> None: ...
    >>> prepared(blur, (iter(["a.png"]), np.int64(3)), {})
    ((['a.png'], 3), {})
    """
    ranged, found = _ranged(function), dict(given)
    if not ranged and not any(isinstance(value, ODD) for value in (*args, *given.values())):
        return args, found
    names = _positional(function, len(args))
    settled = tuple(_settled(function, *pair) for pair in zip(names, args, strict=True))
    found = {name: _settled(function, name, value) for name, value in given.items()}
    for name, value in (*zip(names, settled, strict=True), *found.items()):
        if name in ranged:
            ranged[name].check(value)
    return settled, found


def _settled(function: Callable[..., Any], name: str, value: Any) -> Any:
    """One argument, ready for a call."""
    if isinstance(value, np.number | np.bool_):
        return value.item()
    if isinstance(value, range):
        if _is_long(value):
            raise InvalidValueError(f"{_of(name, function)} is {value}; allowed are up to {MOST} at once")
        return value
    if not isinstance(value, Iterator) or hasattr(value, "read") or not _takes_list(function, name):
        return value
    found, what = list(islice(value, MOST + 1)), f"{_of(name, function)} is a {type(value).__name__}"
    if not found:
        raise InvalidValueError(f"{what} that gives nothing, as one does that was used before; give a list")
    if len(found) > MOST:
        raise InvalidValueError(f"{what} that gives more than {MOST}; allowed are as many at once")
    return found


def _is_long(value: range) -> bool:
    try:
        return len(value) > MOST
    except OverflowError:
        return True


def _of(name: str, function: Callable[..., Any]) -> str:
    return f"{name} of {function.__qualname__.removesuffix('.__init__')}"


@functools.cache
def _ranged(function: Callable[..., Any]) -> dict[str, Option]:
    """The arguments whose annotations hold a range."""
    found = {}
    for name, hint in _known_hints(function).items():
        kind, allowed, optional = parts_of_hint(hint)
        if isinstance(allowed, Range):
            found[name] = Option(name, kind, allowed, optional, None, "")
    return found


@functools.cache
def _known_hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return _hints(function)
    except TypeError:
        return {}


@functools.cache
def _positional(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the first arguments; those that a function takes many of have one name."""
    kinds = inspect.signature(function).parameters.values()
    names = [one.name for one in kinds if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    more = next((one.name for one in kinds if one.kind is one.VAR_POSITIONAL), "")
    return (names + [more] * count)[:count]


@functools.cache
def _takes_list(function: Callable[..., Any], name: str) -> bool:
    return _is_list(_known_hints(function).get(name))


def _is_list(hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Annotated, Union, UnionType):
        return any(map(_is_list, inner[:1] if origin is Annotated else inner))
    return origin in (Iterable, Sequence, list, tuple)


def misfit(
    function: Callable[..., Any], args: tuple[Any, ...], given: Mapping[str, Any]
) -> InvalidValueError | None:
    """The error for the first argument that is of another kind than the function says; None where all fit.

    >>> def blur(picture: list[float], *, width: int = 1) -> None: ...
    >>> misfit(blur, ("a.png",), {})
    InvalidValueError("picture of blur is 'a.png'; allowed are lists of numbers")
    """
    try:
        hints = _hints(function)
        bound = inspect.signature(function).bind(*args, **given)
    except TypeError:
        return None
    kinds = {name: one.kind for name, one in bound.signature.parameters.items()}
    for name, value in bound.arguments.items():
        several = kinds[name] in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if not several and name in hints and not fits(value, hints[name]):
            return InvalidValueError(
                f"{_of(name, function)} is {said(value)}; allowed are {worded(hints[name])}"
            )
    return None


class _Names(dict[str, Any]):
    """The names that annotations hold; one that is imported for type checkers alone stands for anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    return get_type_hints(inner, localns=_Names(inner.__globals__), include_extras=True)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value may be what an annotation says; doubts speak for it.

    >>> fits(["a"], list[str]), fits([3], list[str]), fits("a.png", list[float]), fits(3, float | None)
    (True, False, False, True)
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Annotated, Union, UnionType):
        return any(fits(value, part) for part in (inner[:1] if origin is Annotated else inner))
    if origin is Literal:
        return isinstance(value, PLAIN) and value in inner
    if origin is type:
        return isinstance(value, type)
    if origin is tuple:
        stranger = not isinstance(value, PLAIN) and hasattr(value, "__getitem__") and not _is_single(value)
        return stranger or _is_tuple(value, inner)
    if isinstance(origin, type):
        return _is_container(value, origin) and _holds(value, inner)
    return not isinstance(hint, type) or _is(value, hint)


def _is_single(value: Any) -> bool:
    """Whether this is an array of one number, with no axis to go along."""
    return getattr(value, "ndim", None) == 0


def _is_tuple(value: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(value, list | tuple):
        return False
    kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
    return len(value) == len(kinds) and all(map(fits, value, kinds))


def _is_container(value: Any, kind: type) -> bool:
    if issubclass(kind, Callable):  # type: ignore[arg-type]
        return callable(value)
    if _is_single(value):
        return False
    asked = "keys" if issubclass(kind, Mapping) else "__getitem__"
    return isinstance(value, kind) or (not isinstance(value, PLAIN) and hasattr(value, asked))


def _holds(value: Any, inner: tuple[Any, ...]) -> bool:
    """Whether what a container holds is of the kinds that are wanted."""
    if not inner or callable(value):
        return True
    if isinstance(value, Mapping):
        if len(inner) == 1:
            return all(fits(key, inner[0]) for key in value)
        return all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    if isinstance(value, list | tuple | set):
        return all(fits(part, inner[0]) for part in value)
    with suppress(Exception):  # a stranger; one that cannot be asked may be right
        return len(value) > 0 and fits(value[0], inner[0])
    return True


def _is(value: Any, kind: type) -> bool:
    if kind in (object, Any):
        return True
    try:
        if kind is bool:
            return bool(bool(value) == value)
        if kind in (int, float):
            kind(value) if kind is float else operator.index(value)
            return not isinstance(value, str | bytes)
        return isinstance(value, os.PathLike if kind is Path else kind)
    except Exception:  # noqa: BLE001  a protocol that cannot be asked, or a number that a stranger does not give
        return kind not in (bool, int, float) and not isinstance(value, PLAIN)


def worded(hint: Any) -> str:
    """An annotation in words.

    >>> from collections.abc import Iterable
    >>> worded(str | Path | None), worded(Iterable[Mapping[str, int]])
    ('texts, paths or none', 'lists of dictionaries')
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Annotated, Union, UnionType):
        inner = inner[:1] if origin is Annotated else inner
        *first, last = dict.fromkeys(map(worded, inner))
        return f"{', '.join(first)} or {last}" if first else last
    if origin is Literal:
        return " or ".join(map(repr, inner))
    kind = origin or hint
    if kind in WORDS or not isinstance(kind, type):
        return WORDS.get(kind, str(kind))
    if issubclass(kind, Iterable) and kind.__module__ in ("builtins", "collections.abc"):
        lists = f"lists of {worded(inner[0])}" if inner else "lists"
        return "dictionaries" if issubclass(kind, Mapping) else lists
    return "functions" if issubclass(kind, Callable) else kind.__name__  # type: ignore[arg-type]
