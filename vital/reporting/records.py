"""What a page shows: frozen records of texts, numbers and pictures, which the template lays out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture inside the page: its data URI, its size in pixels, and what it is for those who do not see it."""

    src: str = field(repr=False)
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class PrototypeImage:
    """A prototype: the picture, the same under its mask, how it was made, whether it came out and what was lacking."""

    method: str
    seed: int
    status: str
    picture: EmbeddedImage | None
    masked: EmbeddedImage | None = None
    facts: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Example:
    """A natural image that shows the unit, with its heat map where there is one."""

    picture: EmbeddedImage
    heat: EmbeddedImage | None
    caption: str


@dataclass(frozen=True)
class LabelRow:
    """What a method says of the unit. `source` is what it looked at: "images", "prototype" or "truth".

    `label` is empty where the method says nothing; `candidate` is what it would say. `truth` is the share of words
    shared with the truth, None where there is none to compare with. `verdict` says why the label does not stand, and is
    empty where it does.
    """

    method: str
    source: str
    label: str
    candidate: str
    score: float | None
    p_value: float | None
    others: tuple[str, ...] = ()
    truth: float | None = None
    seed: int = 0
    verdict: str = ""


SOURCES = ("truth", "images", "prototype")
"""What words are said of, in the order in which they are shown."""


def first_label(rows: Iterable[LabelRow]) -> LabelRow | None:
    """The label that a unit goes by: one that stands before one that was not judged, of images before prototypes."""
    said = (row for row in rows if row.label and row.source != "truth")
    return next(iter(sorted(said, key=lambda row: (bool(row.verdict), SOURCES.index(row.source)))), None)


def headline(rows: Iterable[LabelRow]) -> str:
    """What a unit is called; empty without a label."""
    found = first_label(rows)
    return found.label if found else ""


@dataclass(frozen=True)
class Card:
    """One unit. `agreement` is that of words from images with words from prototypes, in [0, 1], None without both."""

    unit: str
    name: str
    run: str
    prototypes: tuple[PrototypeImage, ...] = ()
    examples: tuple[Example, ...] = ()
    label_rows: tuple[LabelRow, ...] = ()
    truth: str = ""
    agreement: float | None = None

    @property
    def failed(self) -> tuple[str, ...]:
        """What went wrong, a line for each picture that did not come out."""
        return tuple(f"{d.method}, seed {d.seed}: {d.status}" for d in self.prototypes if d.status != "done")

    @property
    def lacking(self) -> tuple[str, ...]:
        """What the images were lacking, a line for each thing and picture."""
        return tuple(f"{d.method}, seed {d.seed}: {line}" for d in self.prototypes for line in d.lacking)

    @property
    def headline(self) -> str:
        """What the unit is called on its card: the first label, of images before prototypes; empty without one.

        Labels that stand come before those that were not judged.
        """
        return headline(self.label_rows)

    @property
    def doubt(self) -> str:
        """Why the headline does not stand; empty where it does."""
        found = first_label(self.label_rows)
        return found.verdict if found else ""

    @property
    def silent(self) -> bool:
        """Whether a method was asked and none has a label."""
        asked = [s for s in self.label_rows if s.source != "truth"]
        return bool(asked) and not any(s.label for s in asked)


@dataclass(frozen=True)
class Run:
    """Where the cards come from: a name, whether it is a control, and facts by heading."""

    name: str
    control: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table of scores: its name, the header, and rows of texts; `controls` are the rows that are to be beaten."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    controls: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Page:
    """All that one page shows."""

    title: str
    runs: tuple[Run, ...] = ()
    cards: tuple[Card, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods whose scores cards can be sorted by."""
        scored = (s.method for card in self.cards for s in card.label_rows if s.score is not None)
        return tuple(dict.fromkeys(scored))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the units, in their order."""
        return tuple(dict.fromkeys(card.unit.rpartition(":")[0] for card in self.cards))

    def plain(self) -> dict[str, Any]:
        """The names that the template knows."""
        return {"page": self, "cards": self.cards, "runs": self.runs, "tables": self.tables}
