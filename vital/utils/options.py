"""Options: the fields of a dataclass read from text as their own types, and whole numbers checked."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vital.errors import InvalidValueError, unknown
from vital.utils.registry import Registry

T = TypeVar("T")


def made_with(registry: Registry[type[T]], name: str, options: dict[str, Any]) -> T:
    """Make the recipe that a registry holds under a name; texts are read as the option's own type.

    Raises `UnknownNameError` for options that it does not have, `InvalidValueError` for values of another type.
    """
    kind = registry[name]
    kinds = {k: h for k, h in get_type_hints(kind).items() if k in {f.name for f in fields(kind)}}  # type: ignore[arg-type]
    for option, value in options.items():
        if option not in kinds:
            raise unknown(f"option of {name}", option, kinds)
        if kinds[option] is int and not isinstance(value, str):
            check_whole(f"option {option}", value)
    return kind(**{k: read_option(k, v, kinds[k]) if isinstance(v, str) else v for k, v in options.items()})


def read_option(name: str, text: str, kind: Any) -> Any:
    """Turn a text into a number, a truth value, a text, or a comma-separated tuple of these.

    >>> read_option("weights", "1,2.5", tuple[float, ...])
    (1.0, 2.5)
    """
    try:
        if get_origin(kind) is tuple:
            return tuple(get_args(kind)[0](part) for part in text.split(",") if part)
        if get_origin(kind) is Literal:
            return {choice: choice for choice in get_args(kind)}[text]
        return TRUTH[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        kinds = {int: "a whole number", float: "a number", bool: "true or false"}
        choices = (
            ", ".join(map(str, get_args(kind))) if get_origin(kind) is Literal else "numbers with commas"
        )
        allowed = kinds.get(kind, choices)
        raise InvalidValueError(f"option {name} is {text!r}; allowed is {allowed}") from None


def check_whole(name: str, value: Any, least: int | None = None) -> None:
    """Raise `InvalidValueError` unless the value is a whole number, and none below `least`.

    >>> check_whole("steps", 2.5, 1)
    Traceback (most recent call last):
    ...
    vital.errors.InvalidValueError: steps is 2.5; allowed are whole numbers from 1
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or (least is not None and value < least):
        since = "" if least is None else f" from {least}"
        raise InvalidValueError(f"{name} is {value!r}; allowed are whole numbers{since}")


TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
