"""The mark of what stands in `vital` itself."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

T = TypeVar("T", bound=Callable[..., Any])


def public(item: T) -> T:
    """Let a class or function say that it is of `vital`, so that help, repr and pickles name it as users do.

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
    else:
        item = _with_gradients(item)
    item.__module__ = "vital"
    return item


def _with_gradients(function: T) -> T:
    """The function, in which gradients are there also for callers who have switched them off."""

    @functools.wraps(function)
    def door(*args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(mode=False), torch.enable_grad():
            return function(*args, **kwargs)

    return cast("T", door)
