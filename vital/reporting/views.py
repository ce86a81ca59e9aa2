"""What was found of units to the records that pages show, those of the report and those of the site alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vital.backends import TextEncoder
from vital.records import Description
from vital.reporting.addresses import Address
from vital.reporting.cards import Drawn, Seen, UnitData, agreement, facts_of, label_row, number_of
from vital.reporting.facts import Link
from vital.reporting.records import (
    RANDOM,
    SIMILAR,
    SOURCES,
    TRUTH,
    ExemplarView,
    PrototypeView,
    Reference,
    UnitView,
    WordsView,
)

HEADINGS = {"vital": "vital: the unit alone", "vital-scene": "vital-scene: in its usual surroundings"}
"""A method with what its pictures show, where the name alone does not say it."""

EXEMPLARS = 12
"""How many images a unit shows."""

LOST, EVIDENCE, SERVED = 8, 24, 8
"""How many candidates that lost, names of images, and classes that it serves, a unit shows."""


@dataclass(frozen=True)
class Around:
    """What the page of a unit needs to know of others: how to refer to one, what stands before and after it."""

    refer: Callable[[str], Reference]
    previous: Reference | None = None
    next: Reference | None = None


def view_of(
    found: UnitData,
    address: Address,
    around: Around | None = None,
    *,
    examples: int = EXEMPLARS,
    encoder: TextEncoder | None = None,
) -> UnitView:
    """Make the view of a unit from what was found of it; `encoder` is that of `agreement`.

    What could not be read becomes a fault, and the rest is shown.
    """
    unit = found.unit
    near = around or Around(Reference)
    shown = tuple(_exemplar(i, one) for i, one in enumerate(found.seen[:examples]))
    truth = next((one.label for _, one in found.said if one.method == TRUTH), "")
    words = [_words(one, run, truth, shown) for run, one in found.said]
    beside = [replace(_words(one, run, truth, ()), control=RANDOM) for run, one in found.said_of_control]

    def refer(links: Iterable[Link]) -> tuple[Reference, ...]:
        known = ((link, near.refer(link.unit)) for link in links)
        return tuple(replace(one, weight=link.weight, title=one.title or link.label) for link, one in known)

    return UnitView(
        unit=str(unit),
        layer=unit.layer,
        name=found.name,
        network=found.network,
        address=address,
        prototypes=tuple(_prototype(one) for one in found.drawn),
        exemplars=shown,
        words=tuple(sorted([*words, *beside], key=lambda one: SOURCES.index(one.row.source))),
        truth=truth,
        agreement=agreement([one.row for one in words], encoder),
        histogram=found.histogram,
        compared_by=found.compared_by,
        neighbors=refer(link for link in found.neighbors if link.weight >= SIMILAR),
        feeders=refer(found.feeders),
        classes=refer(found.classes[:SERVED]),
        faults=tuple(by_name(str(fault)) for fault in (*found.faults, *found.lacking)),
        previous=near.previous,
        next=near.next,
    )


def key_of(units: Collection[tuple[str, str]], network: str, text: str) -> tuple[str, str] | None:
    """Find the unit that a file refers to; feeders are of all tokens, and pages mostly of patches."""
    texts = [text, f"{text.removesuffix('#all')}#patches"] if text.endswith("#all") else [text]
    return next(((network, one) for one in texts if (network, one) in units), None)


def by_name(sentence: str) -> str:
    r"""A sentence in which files are called by their names: where they lie is nobody's business on a published page.

    >>> by_name("cannot read '/home/me/run/units/a/b.png': it is damaged")
    "cannot read 'b.png': it is damaged"
    >>> by_name("cannot read \"/home/o'me/run/b.png\": it is damaged")
    'cannot read "b.png": it is damaged'
    """
    return re.sub(r"""(['"])(?:(?!\1).)*/((?:(?!\1|/).)+)\1""", r"\1\2\1", sentence)


def _prototype(drawn: Drawn) -> PrototypeView:
    record = drawn.record
    provenance = record.get("provenance") or {}
    method = str(record.get("method", ""))
    return PrototypeView(
        stem=drawn.stem,
        method=method,
        heading=HEADINGS.get(method, method),
        seed=int(record.get("seed") or 0),
        run=drawn.run,
        status=str(record.get("status", "done")),
        pictured=drawn.picture is not None,
        masked=drawn.masked is not None,
        frames=drawn.frames is not None,
        facts=facts_of(record),
        lacking=tuple(map(str, provenance.get("lacking") or ())),
        value=number_of(provenance.get("value")),
        percentile=number_of(provenance.get("percentile")),
        losses=_losses(record.get("losses")),
        control=drawn.control,
    )


def _losses(parts: Any) -> tuple[float, ...]:
    """The total loss at the logged steps: the sum of its parts; none where a part has other steps or no number."""
    rows = (
        [row for row in (parts or {}).values() if isinstance(row, Sequence)]
        if isinstance(parts, Mapping)
        else []
    )
    if not rows or len({len(row) for row in rows}) != 1:
        return ()
    steps = [[number_of(value) for value in step] for step in zip(*rows, strict=True)]
    return tuple(float(f"{sum(step):.5g}") for step in steps if None not in step)  # type: ignore[arg-type]


def _exemplar(number: int, seen: Seen) -> ExemplarView:
    return ExemplarView(f"e{number:02d}", seen.name, seen.value, seen.of, seen.by)


def _words(said: Description, run: str, truth: str, shown: Sequence[ExemplarView]) -> WordsView:
    others = tuple((text, score if math.isfinite(score) else None) for text, score in said.others[:LOST])
    names = set(said.evidence)
    seen = tuple(i for i, one in enumerate(shown, 1) if one.name in names)
    return WordsView(label_row(said, truth), run, others, said.evidence[:EVIDENCE], seen)
