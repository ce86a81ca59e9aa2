"""Options from text: the fields of a dataclass read as their own types."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vital.errors import InvalidValueError, unknown
from vital.utils.registry import Registry

T = TypeVar("T")


def made_with(registry: Registry[type[T]], name: str, options: dict[str, Any]) -> T:
    """Make the recipe that a registry holds under a name; texts are read as the option's own type."""
    kind = registry[name]
    kinds = {k: h for k, h in get_type_hints(kind).items() if k in {f.name for f in fields(kind)}}  # type: ignore[arg-type]
    for option in options:
        if option not in kinds:
            raise unknown(f"option of {name}", option, kinds)
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


TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
