"""Lists of what is known of units: prototypes, exemplars, descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, SupportsIndex, TypeVar, overload

from vital.errors import InvalidValueError, UnknownNameError, unknown
from vital.units.unit import OUTPUT, Unit
from vital.utils.class_names import class_matches
from vital.utils.public import with_doors
from vital.utils.text import shortened

if TYPE_CHECKING:
    from pandas import DataFrame


class Record(Protocol):
    """What a `RecordList` holds."""

    @property
    def unit(self) -> Unit:
        """The unit that it tells of."""

    def to_row(self) -> dict[str, Any]:
        """One row of a table: names and scalars."""


R = TypeVar("R", bound=Record)


@with_doors
class RecordList(list[R]):
    """A list of records that keeps its type when sliced or added to, and finds records by their unit.

    `records["layer4:3"]` is the record of that unit. A class is found by number or by name, as in `class:tabby`, and
    by its name alone. Where several records are of the unit, by other methods or seeds, `of` gives all of them.
    """

    @overload
    def __getitem__(self, index: SupportsIndex | str | Unit) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: SupportsIndex | str | Unit | slice) -> R | Self:
        """A record by number or unit, or a part of the list.

        Raises `UnknownNameError` with the nearest units, and `InvalidValueError` for a unit with several records.
        """
        if isinstance(index, slice):
            return type(self)(list.__getitem__(self, index))
        if not isinstance(index, str | Unit):
            return list.__getitem__(self, index)
        found = self.of(index)
        if len(found) > 1:
            raise InvalidValueError(
                f"{len(found)} records are of {str(index)!r}; of({str(index)!r}) gives all of them"
            )
        return found[0]

    def __contains__(self, one: object) -> bool:
        """Whether a record, or a record of a unit, is in the list."""
        if not isinstance(one, str | Unit):
            return list.__contains__(self, one)
        try:
            return bool(self.of(one))
        except UnknownNameError:
            return False

    def of(self, unit: str | Unit) -> Self:
        """All records of a unit; raises `UnknownNameError` with the nearest units where there is none."""
        text = str(unit)
        found = [record for record in self if str(record.unit) == text]
        if not found:
            matches = class_matches(text.removeprefix(f"{OUTPUT}:"), [record.unit.label for record in self])
            found = [self[i] for i in matches if self[i].unit.label]
        if not found:
            named = [
                f"{r.unit.layer}:{part.strip()}" for r in self for part in r.unit.label.split(",") if part
            ]
            raise unknown("unit", text, dict.fromkeys([*(str(r.unit) for r in self), *named]))
        return type(self)(found)

    def to_pandas(self) -> DataFrame:
        """A data frame with one row per record."""
        import pandas as pd

        return pd.DataFrame([record.to_row() for record in self])

    def copy(self) -> Self:
        """Another list of the same records."""
        return type(self)(self)

    def __add__(self, other: list[R]) -> Self:  # type: ignore[override]
        return type(self)([*self, *other])

    def __repr__(self) -> str:
        units = [record.unit.title for record in self]
        return f"{type(self).__name__}({len(self)}{': ' if units else ''}{shortened(units)})"
