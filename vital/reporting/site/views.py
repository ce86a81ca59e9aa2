"""What the page of a unit shows: frozen records, made of what run folders hold of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from vital.errors import RunError
from vital.records import Description
from vital.rendering.run_folder import Run, SavedExemplar, kept_exemplars
from vital.reporting.cards import TRUTH, agreement, facts_of, label_row, number_of
from vital.reporting.collect import NOT_YET, Key, Runs, read_drawn
from vital.reporting.records import SOURCES, LabelRow, first_label, headline
from vital.reporting.site.addresses import Address, file_name
from vital.reporting.site.facts import Histogram, Link, read_feeders, read_histogram, read_neighbors
from vital.units import Unit

HEADINGS = {"vital": "The unit alone", "vital-scene": "In its usual surroundings"}
"""What a method's pictures show, where there is a plainer word for it than the method's name."""

EXEMPLARS = 12
"""How many images a unit shows."""

LOST, EVIDENCE = 8, 24
"""How many candidates that lost, and how many names of images, a method's words show."""

T = TypeVar("T")

DONE, WAITING, FAILED = range(3)
"""The states of a unit: all is there, something is not there yet, something did not come out."""


@dataclass(frozen=True)
class PrototypeView:
    """A prototype: what its files are called, how it was made, and how it came out.

    `percentile` and `value` are None where they are not known; `losses` holds the total loss at the logged steps.
    """

    stem: str
    method: str
    heading: str
    seed: int
    run: str
    status: str
    pictured: bool
    masked: bool
    frames: bool
    facts: tuple[str, ...]
    lacking: tuple[str, ...]
    value: float | None
    percentile: float | None
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class ExemplarView:
    """An image that excites the unit: what its files are called, its name, and what it was ranked by."""

    stem: str
    name: str
    value: float
    of: str
    by: str


@dataclass(frozen=True)
class WordsView:
    """What a method says, the candidates that lost with their scores, and the images that it looked at.

    `seen` are the numbers of those images among the exemplars, from 1.
    """

    row: LabelRow
    run: str
    others: tuple[tuple[str, float | None], ...]
    evidence: tuple[str, ...]
    seen: tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """Another unit on a page: where its page and small picture are, "" without one, and its weight here."""

    unit: str
    title: str = ""
    href: str = ""
    picture: str = ""
    weight: float | None = None


@dataclass(frozen=True)
class UnitView:
    """All that the page of a unit shows. `faults` are sentences about what cannot be read."""

    unit: str
    layer: str
    name: str
    network: str
    address: Address
    prototypes: tuple[PrototypeView, ...] = ()
    exemplars: tuple[ExemplarView, ...] = ()
    words: tuple[WordsView, ...] = ()
    truth: str = ""
    agreement: float | None = None
    histogram: Histogram | None = None
    compared_by: str = ""
    neighbors: tuple[Reference, ...] = ()
    feeders: tuple[Reference, ...] = ()
    faults: tuple[str, ...] = ()
    previous: Reference | None = None
    next: Reference | None = None

    @property
    def headline(self) -> str:
        """What the unit is called: the first label, of images before prototypes; empty without one."""
        return headline([said.row for said in self.words])

    @property
    def doubt(self) -> str:
        """Why the headline does not stand; empty where it does."""
        found = first_label(said.row for said in self.words)
        return found.verdict if found else ""

    @property
    def silent(self) -> bool:
        """Whether a method was asked and none has a label."""
        asked = [said.row for said in self.words if said.row.source != TRUTH]
        return bool(asked) and not any(row.label for row in asked)

    @property
    def state(self) -> int:
        """How far the unit is: DONE, WAITING or FAILED."""
        statuses = {made.status for made in self.prototypes} - {"done"}
        if self.faults or statuses - {NOT_YET}:
            return FAILED
        return WAITING if statuses else DONE

    @property
    def best(self) -> PrototypeView | None:
        """The first prototype with a picture."""
        return next((made for made in self.prototypes if made.pictured), None)


@dataclass(frozen=True)
class Around:
    """What the page of a unit needs to know of others: how to refer to one, what stands before and after it.

    `circuits` holds, per run folder, what feeds which unit.
    """

    refer: Callable[[str, float | None], Reference]
    previous: Reference | None = None
    next: Reference | None = None
    circuits: Sequence[Mapping[str, Sequence[Link]]] = field(default=(), repr=False)


def unit_view(runs: Runs, key: Key, address: Address, around: Around) -> UnitView:
    """Gather what the page of a unit shows; what is damaged becomes a fault, and the rest is shown."""
    unit, text, read = runs.units[key], key[1], _Reader()
    folders = runs.folders_of(key)
    circuits = dict(zip(runs.folders, around.circuits, strict=True))
    renders = runs.renders(key)
    made = [read(_prototype, run, text, stem) for run, stem in zip(renders, stems(renders), strict=True)]
    drawn = [one for one in made if one is not None]
    saved = read.first(kept_exemplars, folders, unit) or []
    shown = tuple(_exemplar(i, one) for i, one in enumerate(saved[:EXEMPLARS]))
    said = runs.words(key)
    truth = next((one.label for _, one in said if one.method == TRUTH), "")
    words = [_words(one, run, truth, shown) for run, one in said]
    by, neighbors = read.first(read_neighbors, folders, unit) or ("", [])
    feeders = (read(read_feeders, folder, unit, circuits.get(folder, {})) for folder in folders)
    return UnitView(
        unit=text,
        layer=unit.layer,
        name=unit.label or next((name for _, name in drawn if name), ""),
        network=key[0],
        address=address,
        prototypes=tuple(one for one, _ in drawn),
        exemplars=shown,
        words=tuple(sorted(words, key=lambda one: SOURCES.index(one.row.source))),
        truth=truth,
        agreement=agreement([one.row for one in words]),
        histogram=read.first(read_histogram, folders, unit),
        compared_by=by,
        neighbors=tuple(around.refer(link.unit, link.weight) for link in neighbors),
        feeders=tuple(around.refer(link.unit, link.weight) for link in next(filter(None, feeders), [])),
        faults=tuple(read.faults),
        previous=around.previous,
        next=around.next,
    )


class _Reader:
    """Reads files, and keeps as sentences what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, what: Callable[..., T], *given: Any) -> T | None:
        try:
            return what(*given)
        except RunError as error:
            self.faults.append(by_name(str(error)))
            return None

    def first(self, what: Callable[..., T], folders: Sequence[Path], *given: Any) -> T | None:
        """What the first folder holds that holds anything."""
        found = (self(what, folder, *given) for folder in folders)
        return next((one for one in found if one and one != ("", [])), None)


def by_name(sentence: str) -> str:
    r"""A sentence in which files are called by their names: where they lie is nobody's business on a published page.

    >>> by_name("cannot read '/home/me/run/units/a/b.png': it is damaged")
    "cannot read 'b.png': it is damaged"
    >>> by_name("cannot read \"/home/o'me/run/b.png\": it is damaged")
    'cannot read "b.png": it is damaged'
    """
    return re.sub(r"""(['"])(?:(?!\1).)*/((?:(?!\1|/).)+)\1""", r"\1\2\1", sentence)


def _prototype(run: Run, unit: str, stem: str) -> tuple[PrototypeView, str]:
    """A prototype of a run folder, and the name of its class where it has one."""
    drawn = read_drawn(run, Unit.parse(unit))
    record, render = drawn.record, run.render
    provenance = record.get("provenance") or {}
    made = PrototypeView(
        stem=stem,
        method=render.method,
        heading=HEADINGS.get(render.method, render.method),
        seed=render.seed,
        run=run.path.resolve().name,
        status=str(record.get("status", "done")),
        pictured=drawn.picture is not None,
        masked=drawn.masked is not None,
        frames=run.file(unit, ".gif").is_file(),
        facts=facts_of(record),
        lacking=tuple(map(str, provenance.get("lacking") or ())),
        value=number_of(provenance.get("value")),
        percentile=number_of(provenance.get("percentile")),
        losses=_losses(record.get("losses")),
    )
    return made, str(record.get("label") or "")


def _losses(parts: Any) -> tuple[float, ...]:
    """The total loss at the logged steps: the sum of its parts; none where a part has other steps or no number."""
    rows = (
        [row for row in (parts or {}).values() if isinstance(row, list)] if isinstance(parts, Mapping) else []
    )
    if not rows or len({len(row) for row in rows}) != 1:
        return ()
    steps = [[number_of(value) for value in step] for step in zip(*rows, strict=True)]
    return tuple(float(f"{sum(step):.5g}") for step in steps if None not in step)  # type: ignore[arg-type]


def _exemplar(number: int, saved: SavedExemplar) -> ExemplarView:
    return ExemplarView(f"e{number:02d}", saved.name, saved.value, saved.of, saved.by)


def _words(said: Description, run: str, truth: str, shown: Sequence[ExemplarView]) -> WordsView:
    others = tuple((text, score if math.isfinite(score) else None) for text, score in said.others[:LOST])
    names = set(said.evidence)
    seen = tuple(i for i, one in enumerate(shown, 1) if one.name in names)
    return WordsView(label_row(said, truth), run, others, said.evidence[:EVIDENCE], seen)


def stems(renders: Sequence[Run]) -> list[str]:
    """How the files of a unit's prototypes are called in a site: by method and seed, and by run where two are alike."""
    found: list[str] = []
    for run in renders:
        stem = f"{file_name(run.render.method)}-{run.render.seed}"
        if stem in found:
            stem = f"{stem}.{file_name(run.path.resolve().name)}"
        found.append(stem if stem not in found else f"{stem}.{len(found)}")
    return found
