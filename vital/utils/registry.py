"""Names that a user may type, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vital.errors import unknown

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered thing: its name, the thing, and a one-line example of its use."""

    name: str
    item: T
    example: str = ""


@dataclass(frozen=True)
class Registry(Generic[T]):
    """A table from names to things; a name is taken once and answers to near misses with a hint.

    >>> colours = Registry("colour")
    >>> _ = colours.register("red")(255)
    >>> colours["red"]
    255
    >>> colours["rad"]
    Traceback (most recent call last):
    ...
    vital.errors.UnknownNameError: unknown colour 'rad'; did you mean 'red'?
    """

    what: str
    entries: dict[str, Entry[T]] = field(default_factory=dict)

    def register(self, name: str, *, example: str = "") -> Callable[[T], T]:
        """Return a decorator that files its argument under `name`; a name taken twice is an error."""

        def add(item: T) -> T:
            if name in self.entries:
                raise ValueError(f"the {self.what} name {name!r} is taken already")
            self.entries[name] = Entry(name, item, example)
            return item

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self.entries:
            raise unknown(self.what, name, self.entries)
        return self.entries[name].item

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def name_of(self, item: object) -> str:
        """The name under which `item` is filed."""
        return next(e.name for e in self.entries.values() if e.item is item)
