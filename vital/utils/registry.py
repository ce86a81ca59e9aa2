"""Names that a user may type, and what they stand for."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from vital.errors import InvalidValueError, MissingDependencyError, unknown
from vital.utils.foreign import RAISED, described

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered thing: its name, the thing or where it is imported from, and a one-line example of its use."""

    name: str
    item: T | EntryPoint
    example: str = ""


@dataclass(frozen=True)
class Registry(Generic[T]):
    """A table from names to things; a name is taken once and answers to near misses with a hint.

    `package` is imported to fill the table when it is listed or asked for a name that it lacks. Then the entry points
    of the group `group` are found too: an installed package adds a name with `my-name = "my_package:MyThing"` below
    `[project.entry-points."vital.methods"]`. A thing is imported when its name is asked for; it must be a `kind`,
    and pass `check`, which raises `InvalidValueError` for what does not.

    >>> colors = Registry("color")
    >>> _ = colors.register("red")(255)
    >>> colors["red"]
    255
    >>> colors["rad"]
    Traceback (most recent call last):
    ...
    vital.errors.UnknownNameError: unknown color 'rad'; did you mean 'red'?
    """

    what: str
    entries: dict[str, Entry[T]] = field(default_factory=dict)
    group: str = ""
    package: str = ""
    kind: type | None = None
    check: Callable[[type], None] | None = None

    def register(self, name: str, *, example: str = "") -> Callable[[T], T]:
        """Return a decorator that files its argument under `name`; a name taken twice is an error."""

        def add(item: T) -> T:
            self._check(f"the {self.what} {name!r}", item)
            self._add(Entry(name, item, example))
            return item

        return add

    def register_lazy(self, name: str, place: str, *, example: str = "") -> None:
        """File what is at `place`, "module:name", to be imported when it is asked for."""
        self._add(Entry(name, EntryPoint(name, place, self.group), example))

    def items(self) -> Iterator[tuple[str, T]]:
        """All names with what they stand for; what cannot be imported is left out with a warning."""
        for name in self:
            try:
                yield name, self[name]
            except MissingDependencyError as error:
                warnings.warn(str(error), stacklevel=2)

    def name_of(self, item: object) -> str:
        """The name under which `item` is filed, or "" where it is not filed."""
        return next((name for name, found in self.items() if found is item), "")

    def __getitem__(self, name: str) -> T:
        if name not in self:
            raise unknown(self.what, name, self)
        item = self.entries[name].item
        return self._imported(item) if isinstance(item, EntryPoint) else item

    def __iter__(self) -> Iterator[str]:
        return iter(self._filled)

    def __contains__(self, name: object) -> bool:
        return name in self.entries or name in self._filled

    def __len__(self) -> int:
        return len(self._filled)

    def _check(self, what: str, item: Any) -> None:
        """Raise `InvalidValueError` unless a thing is of the kind and passes the check."""
        if self.kind and not (isinstance(item, type) and issubclass(item, self.kind)):
            allowed = f"allowed are subclasses of {self.kind.__module__}.{self.kind.__name__}"
            raise InvalidValueError(f"{what} is {item!r}; {allowed}")
        if self.check:
            self.check(item)

    def _add(self, entry: Entry[T]) -> None:
        if entry.name in self.entries:
            raise ValueError(f"the {self.what} name {entry.name!r} is taken already")
        self.entries[entry.name] = entry

    @cached_property
    def _filled(self) -> dict[str, Entry[T]]:
        """The entries, among them those of `package` and of installed packages."""
        if self.package:
            importlib.import_module(self.package)
        for point in entry_points(group=self.group) if self.group else ():
            if self.entries.setdefault(point.name, Entry(point.name, point)).item is not point:
                warnings.warn(
                    f"the {self.what} {point.name!r} of {_source(point)} is left out: the name is taken",
                    stacklevel=2,
                )
        return self.entries

    def _imported(self, point: EntryPoint) -> T:
        """Import what an entry point names. Raises `MissingDependencyError` where that fails."""
        try:
            found: T = point.load()
        except RAISED as error:  # whatever a foreign package raises is what the user must see
            raise MissingDependencyError(
                f"the {self.what} {point.name!r} of {_source(point)} cannot be imported: {described(error)}"
            ) from error
        what = f"the {self.what} {point.name!r} of {_source(point)}"
        try:
            self._check(what, found)
        except InvalidValueError as error:
            said = str(error) if str(error).startswith(what) else f"{what} cannot be used: {error}"
            raise MissingDependencyError(said) from error
        return found


def _source(point: EntryPoint) -> str:
    """Where an entry point comes from: its package, or its module where it has none."""
    return f"the package {point.dist.name}" if point.dist else point.module
