"""The mark of what stands in `vital` itself."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

import torch

from vital.errors import DefectError
from vital.utils.arguments import misfit
from vital.utils.foreign import PASSING, RAISED, explained

T = TypeVar("T", bound=Callable[..., Any])


def public(item: T) -> T:
    """Let a class or function say that it is of `vital`, so that help, repr and pickles name it as users do.

    A function, and each method of a class, is a door: no exception but a `VitalError` passes it. Where an argument is
    of another kind than its annotation says, the error names it.

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
        for name, member in list(vars(item).items()):
            if isinstance(member, classmethod) and not name.startswith("_"):
                setattr(item, name, classmethod(_door(member.__func__)))
            if (name == "__init__" or not name.startswith("_")) and _is_plain(member):
                setattr(item, name, _door(member))
    else:
        item = _with_gradients(_door(item))
    item.__module__ = "vital"
    return item


def _is_plain(member: object) -> bool:
    """Whether this is a method that does its work when it is called."""
    abstract = getattr(member, "__isabstractmethod__", False)
    return isinstance(member, FunctionType) and not inspect.isgeneratorfunction(member) and not abstract


def _door(function: T) -> T:
    """The function, out of which nothing comes that is not explained."""

    @functools.wraps(function)
    def door(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PASSING:
            raise
        except RAISED as error:
            if isinstance(error, TypeError) and not _fits(function, args, kwargs):
                raise
            made = explained(error)
            given = misfit(function, args, kwargs) if isinstance(made, DefectError) else None
            raise given or made from error

    return cast("T", door)


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
