"""The mark of what stands in `vital` itself."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeVar, cast

import torch

from vital.errors import DefectError
from vital.utils.arguments import misfit, prepared
from vital.utils.foreign import PASSING, RAISED, explained

T = TypeVar("T", bound=Callable[..., Any])
K = TypeVar("K", bound=type)


def public(item: T) -> T:
    """Let a class or function say that it is of `vital`, so that help, repr and pickles name it as users do.

    A function, and each method of a class, is a door (see `door` and `with_doors`).

    Python looks for doctests and for the names in annotations by `__module__`, so both are settled before. It looks
    for the source of a class by it too, which is not found (docs/design.md says why); that of a method is.

    >>> from vital.records import Prototype
    >>> Prototype
    <class 'vital.Prototype'>
    """
    doctests: dict[str, Any] = sys.modules[item.__module__].__dict__.setdefault("__test__", {})
    doctests[item.__name__] = item
    if isinstance(item, type):
        item.__annotations__ = inspect.get_annotations(item, eval_str=True)
        item = with_doors(item)
    else:
        item = _with_gradients(_door(item))
    item.__module__ = "vital"
    return item


def with_doors(kind: K) -> K:
    """Make a door of each method of a class."""
    for name, member in list(vars(kind).items()):
        if isinstance(member, classmethod) and not name.startswith("_"):
            setattr(kind, name, classmethod(_door(member.__func__)))
        if (name == "__init__" or not name.startswith("_")) and _is_plain(member):
            setattr(kind, name, _door(member))
    return kind


def door(function: T) -> T:
    """Make a door of a function: no exception but a `VitalError` passes it.

    Where an argument is of another kind than its annotation says, or outside the range there, the error names it (see
    `vital.utils.arguments`).
    """
    sys.modules[function.__module__].__dict__.setdefault("__test__", {})[function.__name__] = function
    return _door(function)


def _is_plain(member: object) -> bool:
    return isinstance(member, FunctionType) and not getattr(member, "__isabstractmethod__", False)


def _door(function: T) -> T:
    """The function, out of which nothing comes that is not explained."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = prepared(function, args, kwargs)
        with _explained(function, args, kwargs):
            return function(*args, **kwargs)

    @functools.wraps(function)
    def several(*args: Any, **kwargs: Any) -> Iterator[Any]:
        args, kwargs = prepared(function, args, kwargs)
        with _explained(function, args, kwargs):
            yield from function(*args, **kwargs)

    return cast("T", several if inspect.isgeneratorfunction(function) else call)


@contextmanager
def _explained(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
    """Let nothing but a `VitalError` out of a call with these arguments."""
    try:
        yield
    except PASSING:
        raise
    except RAISED as error:
        if isinstance(error, TypeError) and not _fits(function, args, kwargs):
            raise
        made = explained(error)
        given = misfit(function, args, kwargs) if isinstance(made, DefectError) else None
        raise given or made from error


def _fits(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a function has these arguments; else Python itself says which it lacks."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _with_gradients(function: T) -> T:
    """The function, in which gradients are there also for callers who have switched them off."""

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(mode=False), torch.enable_grad():
            return function(*args, **kwargs)

    return cast("T", watched)
