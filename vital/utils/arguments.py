"""What a caller gave in the place of something else: found when a call has failed, by the annotations of the function.

Nothing is looked at before, so that whatever behaves as it should may be given.
"""

from __future__ import annotations

import builtins
import inspect
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from vital.errors import InvalidValueError, said

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
            what = function.__qualname__.removesuffix(".__init__")
            return InvalidValueError(f"{name} of {what} is {said(value)}; allowed are {worded(hints[name])}")
    return None


class _Names(dict[str, Any]):
    """The names that annotations hold; one that is imported for type checkers alone stands for anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    return get_type_hints(inner, localns=_Names(inner.__globals__))


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
        stranger = not isinstance(value, PLAIN) and hasattr(value, "__getitem__")
        return stranger or _is_tuple(value, inner)
    if isinstance(origin, type):
        return _is_container(value, origin) and _holds(value, inner)
    return not isinstance(hint, type) or _is(value, hint)


def _is_tuple(value: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(value, list | tuple):
        return False
    kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
    return len(value) == len(kinds) and all(map(fits, value, kinds))


def _is_container(value: Any, kind: type) -> bool:
    if issubclass(kind, Callable):  # type: ignore[arg-type]
        return callable(value)
    return isinstance(value, kind) or (not isinstance(value, PLAIN) and hasattr(value, "__getitem__"))


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
        return fits(value[0], inner[0])
    return True


def _is(value: Any, kind: type) -> bool:
    if kind in (object, Any):
        return True
    try:
        if kind is bool:
            truth = bool(value)
            return not isinstance(value, PLAIN) or truth == value
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
