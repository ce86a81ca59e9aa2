"""The mark of what stands in `vital` itself."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar

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
    item.__module__ = "vital"
    return item
