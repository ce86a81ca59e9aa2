"""Options: the fields of a dataclass with their ranges and meanings, set by values or read from text.

A dataclass documents each of its fields in one line of a section `Options:` of its docstring. The type of a field says
what is allowed: `size: Count | None` is a whole number from 1, or None where the choice is left to the method.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from importlib.metadata import EntryPoint
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from vital.errors import InvalidValueError, UnknownNameError, UsageError, VitalError, said, unknown
from vital.utils.registry import Registry

T = TypeVar("T")
P = ParamSpec("P")
_KNOWN: WeakKeyDictionary[type, dict[str, Option]] = WeakKeyDictionary()
MOST = 1_000_000
"""The most of anything that is counted: what is above it is a slip, and would take days, or all memory."""
FACTOR = 1000
"""The most by which the work of each step, unit or candidate is multiplied, such as the pictures of a unit."""
LARGEST = 3.4e38
"""The most of any number: what is above it has no room in 32 bits."""
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Range:
    """The numbers that are allowed, from `least` to `most`; without the first where `open`, the last where `below`.

    The bound `MOST`, which keeps slips out, is told to those alone who went above it.
    """

    least: float
    most: float | None = None
    open: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        if (self.open and value == self.least) or (self.below and value == self.most):
            return False
        return value >= self.least and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        start = f"{'above' if self.open else 'from'} {self.least}"
        end = (
            ""
            if self.most in (None, MOST)
            else f"{'and up ' if self.open else ''}to {'below ' if self.below else ''}{self.most}"
        )
        return f"{start} {end}".strip()


@dataclass(frozen=True, eq=False)
class Names:
    """The names that are allowed: those in a registry, which may grow, and some others."""

    registry: Registry[Any]
    others: tuple[str, ...] = ()

    def __contains__(self, value: object) -> bool:
        return value in self.others or value in self.registry

    def __iter__(self) -> Iterator[str]:
        yield from self.registry
        yield from self.others

    def __str__(self) -> str:
        return f"out of {', '.join(self)}"


Count = Annotated[int, Range(1, MOST)]
"""A whole number from 1."""
CountOrZero = Annotated[int, Range(0, MOST)]
"""A whole number from 0."""
Factor = Annotated[int, Range(1, FACTOR)]
"""A whole number from 1 by which the work of each step, unit or candidate is multiplied."""
FactorOrZero = Annotated[int, Range(0, FACTOR)]
"""The same from 0."""
Side = Annotated[int, Range(1, 8192)]
"""Pixels along a side of a picture."""
Share = Annotated[float, Range(0, 1)]
"""A share of the whole, from 0 to 1."""
NonNegative = Annotated[float, Range(0)]
"""A number from 0, such as a weight."""
Positive = Annotated[float, Range(0, open=True)]
"""A number above 0."""


@dataclass(frozen=True)
class Option:
    """One field of a dataclass: its type, its range, whether None is allowed, its default and its meaning."""

    name: str
    kind: Any
    allowed: Range | Names | None
    optional: bool
    default: Any
    meaning: str

    def read(self, text: str) -> Any:
        """Turn a text into the option's value; "none" and an empty text are None where None is allowed."""
        if self.optional and text.strip().lower() in ("none", ""):
            return None
        try:
            value = _read(text.strip(), self.kind)
        except (ValueError, KeyError):
            raise self._error(text) from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """Return a value that is allowed. Raises `InvalidValueError`, and `UnknownNameError` for a name unknown."""
        if value is None:
            fits = self.optional
        elif get_origin(self.kind) is tuple:
            inner = parts_of_hint(get_args(self.kind)[0])[:2]
            fits = isinstance(value, list | tuple) and len(value) > 0
            fits = fits and all(_fits(part, *inner) for part in value)
        else:
            fits = _fits(value, self.kind, self.allowed)
        if not fits:
            raise self._error(value)
        return tuple(map(_plain, value)) if isinstance(value, list | tuple) else _plain(value)

    def _error(self, value: Any) -> UsageError:
        if isinstance(self.allowed, Names) and isinstance(value, str):
            return unknown(self.allowed.registry.what, value, self.allowed)
        allowed = f"{_allowed(self.kind, self.allowed)}{', or none' if self.optional else ''}"
        most = self.allowed.most if isinstance(self.allowed, Range) else None
        whole = self.kind is int and isinstance(value, Integral)
        if isinstance(value, Real) and not whole and not _finite(value) and most in (None, MOST):
            allowed = (
                f"finite {allowed}" if _is_endless(value) else f"{allowed}, and none above {LARGEST} in size"
            )
        elif isinstance(value, int | float) and most == MOST and value > MOST:
            allowed += f", and none above {MOST}"
        return InvalidValueError(f"{self.name} is {said(value)}; allowed are {allowed}")


def options_of(kind: type[Any]) -> Mapping[str, Option]:
    """The options of a dataclass by name, in the order of its fields."""
    if kind not in _KNOWN:
        _KNOWN[kind] = _options(kind)
    return _KNOWN[kind]


def _options(kind: type[Any]) -> dict[str, Option]:
    hints, told = get_type_hints(kind, include_extras=True), meanings(kind)
    return {
        field.name: Option(
            field.name, *parts_of_hint(hints[field.name]), _default(field), " ".join(told.get(field.name, ()))
        )
        for field in fields(kind)
    }


def meanings(kind: type) -> dict[str, list[str]]:
    """What the docstrings of a class and its bases say of each option: the lines of their sections `Options:`.

    >>> class Blur:
    ...     '''Smooth a picture.
    ...
    ...     Options:
    ...         width: The width in pixels.
    ...     '''
    >>> meanings(Blur)
    {'width': ['The width in pixels.']}
    """
    found: dict[str, list[str]] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(vars(base).get("__doc__") or "")
        section = re.search(r"^Options:\n((?: +.+\n?)+)", text, re.MULTILINE)
        for line in section[1].splitlines() if section else ():
            name, _, meaning = line.strip().partition(": ")
            found.setdefault(name, []).append(meaning)
    return found


def summary(kind: Any) -> str:
    """The first sentence of a docstring, which says what a thing does."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def without_options(kind: Any) -> str:
    """A docstring but for its section `Options:`."""
    text = inspect.cleandoc(kind.__doc__ or "")
    return re.sub(r"^Options:\n(?: +.+\n?)+\n*", "", text, flags=re.MULTILINE).strip()


def shown(value: Any) -> str:
    """A value as it is written on the command line.

    >>> shown((0.1, 0.5)), shown(None), shown(True)
    ('0.1,0.5', 'none', 'true')
    """
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def overview(registry: Registry[Any], what: str) -> str:
    """What vital files in a registry, a line each, and where the options are listed: a part of a docstring."""
    # what other packages add is imported when it is asked for, since they import vital
    own = {e.name: e.item for e in registry.entries.values() if not isinstance(e.item, EntryPoint)}
    width = max(map(len, own), default=0)
    lines = [f"{name:<{width}}  {summary(item)}" for name, item in own.items()]
    where = f"`vital methods NAME` lists the options of each, as does `help({what}[NAME])`."
    return "\n".join(["Methods", "-------", *lines, "", where])


def with_overview(function: Callable[..., Any], registry: Registry[Any], what: str) -> None:
    """Let the docstring of a function end with what its registry holds: what `help` shows."""
    function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{overview(registry, what)}\n"


def check_options(made: Any) -> None:
    """Hold the fields of a dataclass against what they allow, and make lists tuples. Raises as `Option.check`."""
    for name, option in options_of(type(made)).items():
        object.__setattr__(made, name, option.check(getattr(made, name)))


def check_whole(name: str, value: Any, least: int | None = None, most: int = MOST) -> int:
    """Return a whole number as an int. Raises `InvalidValueError` for another value, and for one below `least`.

    What has a least number is a count, and none is above `most`.

    >>> check_whole("steps", 2.5, 1)
    Traceback (most recent call last):
    ...
    vital.errors.InvalidValueError: steps is 2.5; allowed are whole numbers from 1
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    since = "" if least is None else f" from {least}"
    if not whole or (least is not None and value < least):
        raise InvalidValueError(f"{name} is {said(value)}; allowed are whole numbers{since}")
    if least is not None and value > most:
        raise InvalidValueError(
            f"{name} is {said(value)}; allowed are whole numbers{since}, and none above {most}"
        )
    return int(value)


def check_seed(value: Any, name: str = "seed") -> int:
    """Return a seed as an int. Raises `InvalidValueError` for what no generator of random numbers takes.

    >>> check_seed(10**20)
    Traceback (most recent call last):
    ...
    vital.errors.InvalidValueError: seed is 100000000000000000000; allowed are whole numbers below 2**63 in size
    """
    seed = check_whole(name, value)
    if abs(seed) >= 2**63:
        raise InvalidValueError(f"{name} is {said(value)}; allowed are whole numbers below 2**63 in size")
    return seed


def made_with(
    registry: Registry[type[T]], name: str, options: Mapping[str, Any], others: Iterable[str] = ()
) -> T:
    """Make what a registry holds under a name; texts are read as the option's own type.

    Raises `UnknownNameError` for an option that there is not, with the nearest of them and of the names in `others`.
    """
    kind = registry[name]
    known = options_of(kind)
    for option in options:
        if option in known:
            continue
        if having := _having(registry, option):
            raise UnknownNameError(f"{name} has no option {option!r}; it is one of {', '.join(having)}")
        raise unknown(f"option of {name}", option, [*known, *others])
    return kind(**{k: known[k].read(v) if isinstance(v, str) else v for k, v in options.items()})


def _having(registry: Registry[type[T]], option: str) -> list[str]:
    """The names of what has an option; what cannot be imported has none."""
    found = []
    for name in registry:
        with suppress(VitalError):
            found += [name] if option in options_of(registry[name]) else []
    return found


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """The names under which a function takes arguments."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def checked_keywords(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function refuse an argument that it does not have with the nearest name, before it does anything.

    >>> @checked_keywords
    ... def blur(picture, *, width=1): ...
    >>> blur(0, widht=2)
    Traceback (most recent call last):
    ...
    vital.errors.UnknownNameError: unknown argument of blur 'widht'; did you mean 'width'?
    """
    known = parameters_of(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in kwargs:
            if name not in known:
                raise unknown(f"argument of {function.__name__}", name, known)
        return function(*args, **kwargs)

    return call


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def parts_of_hint(hint: Any) -> tuple[Any, Range | Names | None, bool]:
    """The type that a hint stands for, its range, and whether None is allowed."""
    allowed, optional = None, False
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        optional, hint = len(kinds) < len(get_args(hint)), kinds[0]
    if get_origin(hint) is Annotated:
        hint, allowed = get_args(hint)[:2]
    return hint, allowed, optional


def _read(text: str, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        part = parts_of_hint(get_args(kind)[0])[0]
        return tuple(_read(piece.strip(), part) for piece in text.split(",") if piece.strip())
    if get_origin(kind) is Literal:
        return {str(choice): choice for choice in get_args(kind)}[text]
    if kind in (int, float) and (not text.isascii() or "_" in text):  # Python takes digits of any script
        raise ValueError(text)
    return TRUTH[text.lower()] if kind is bool else kind(text)


def _fits(value: Any, kind: Any, allowed: Range | Names | None) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    types: Any = {int: Integral, float: Real, bool: bool, str: str}.get(kind, object)
    if not isinstance(value, types) or (isinstance(value, bool) and kind in (int, float)):
        return False
    if kind is float and not _finite(value):
        return False
    return allowed is None or value in allowed


def _finite(value: Any) -> bool:
    """Whether a number is finite in 32 bits."""
    return bool(-LARGEST <= value <= LARGEST)


def _is_endless(value: Any) -> bool:
    """Whether this is no number, or larger than any."""
    try:
        return not math.isfinite(value)
    except OverflowError:
        return False


def _plain(value: Any) -> Any:
    """A number of numpy as Python's own, so that records can hold it; others as they are."""
    if isinstance(value, bool | int | float) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _allowed(kind: Any, allowed: Range | Names | None) -> str:
    """What is allowed, in words.

    >>> _allowed(int, Range(1)), _allowed(tuple[str, ...], None)
    ('whole numbers from 1', 'texts with commas between them')
    """
    if get_origin(kind) is tuple:
        inner, limits, _ = parts_of_hint(get_args(kind)[0])
        return f"{_allowed(inner, limits)} with commas between them"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    words = {int: "whole numbers", float: "numbers", bool: "true and false", str: "texts"}
    return f"{words.get(kind, kind)}{'' if allowed is None else f' {allowed}'}"
