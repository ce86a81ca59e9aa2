"""What was found of a unit, from anywhere, before it is on a page; and what is said of it in the words of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vital.backends import TextEncoder
from vital.describing.evaluation.significance import JudgeOptions
from vital.errors import RunError
from vital.records import STANDS, Description
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.run_folder import SavedExemplar
from vital.reporting.facts import Histogram, Link
from vital.reporting.records import TRUTH, LabelRow, Opener
from vital.units import Unit
from vital.utils.text import jaccard

FROM_PROTOTYPES = ("prototype", "judge", "nearest words")
"""How methods that look at prototypes are called, or how their names begin; others look at images."""


@dataclass(frozen=True)
class Drawn:
    """A prototype before it is on a page; pictures are opened when the page is made, one at a time."""

    record: Mapping[str, Any]
    picture: Opener | None = None
    masked: Opener | None = None
    run: str = ""
    stem: str = ""
    frames: Path | None = None
    control: str = ""


@dataclass(frozen=True)
class Seen:
    """A natural image before it is on a page, with its heat map where there is one."""

    name: str
    value: float
    of: str
    by: str
    picture: Opener
    heat: Opener | None = None


@dataclass
class UnitData:
    """All that was found of one unit.

    It grows while a run is read. `said_of_control` is what is said of the unit with random weights, `faults` are what
    could not be read, and `lacking` says what did not come about.
    """

    unit: Unit
    network: str = ""
    drawn: list[Drawn] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    said: list[tuple[str, Description]] = field(default_factory=list)
    said_of_control: list[tuple[str, Description]] = field(default_factory=list)
    histogram: Histogram | None = None
    compared_by: str = ""
    neighbors: Sequence[Link] = ()
    feeders: Sequence[Link] = ()
    classes: Sequence[Link] = ()
    faults: list[RunError] = field(default_factory=list)
    lacking: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The name of its class; empty where it is none."""
        labels = (str(one.record.get("label") or "") for one in self.drawn)
        return self.unit.label or next(filter(None, labels), "")


def seen(exemplar: Exemplar | SavedExemplar) -> Seen:
    """An exemplar of this session, or of a run folder, before it is on a page."""
    opened = exemplar.to_pil, partial(exemplar.to_pil, heat=True)
    return Seen(exemplar.name, exemplar.value, exemplar.of, exemplar.by, *opened)


def label_row(said: Description, truth: str = "") -> LabelRow:
    """Make the line of a description: what it says, and how many words it shares with the truth where that is known."""
    own = said.method == TRUTH
    from_prototype = any(said.method.startswith(name) for name in FROM_PROTOTYPES)
    return LabelRow(
        method=said.method,
        source=TRUTH if own else "prototype" if from_prototype else "images",
        label=said.label,
        candidate=said.candidate or said.label,
        score=said.score if math.isfinite(said.score) else None,
        p_value=said.p_value,
        truth=jaccard(said.label, truth) if truth and said.label and not own else None,
        seed=said.seed,
        verdict="" if own or said.status == STANDS else said.verdict,
        judged=_least(said),
    )


def _least(said: Description) -> int:
    """How many units were judged, where a label stands though p is high: it is the least that so few allow.

    >>> _least(Description(Unit("fc", 3), "dnd", "a cat", 0.5, p_value=0.125, status=STANDS))
    8
    """
    high = said.p_value is not None and said.p_value > JudgeOptions.alpha
    return round(1 / said.p_value) if high and said.p_value and said.status == STANDS else 0


def agreement(label_rows: Sequence[LabelRow], encoder: TextEncoder | None = None) -> float | None:
    """How far a label from images and one from prototypes agree, the best of all pairs, in [0, 1].

    None where one side has no label. It is that of `vital.describing.agreement`: without an encoder the share of words
    in common, without plural and filler, and with one what the cosine has over the floor, so that "dog" and "puppy"
    agree.
    """
    from vital.describing.evaluation.agreement import agreement as compare

    sides = [
        [s.label for s in label_rows if s.label and s.source == source] for source in ("images", "prototype")
    ]
    pairs = (compare([a], [b], encoder) for a in sides[0] for b in sides[1])
    found = (pair.cosines[0] if encoder is None else pair.above[0] for pair in pairs)
    return max((min(1.0, max(0.0, x)) for x in found if x is not None), default=None)


def facts_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What a prototype's record says of how far it excites its unit, and of which channels it shows."""
    provenance = record.get("provenance") or {}
    names = ("value", "value_at_network_size", "probability", "percentile")
    value, fitted, probability, percentile = (number_of(provenance.get(name)) for name in names)
    found = []
    if value is not None:
        found.append(
            f"activation {value:.4g}"
            + (f" ({fitted:.4g} at the network's size)" if fitted is not None else "")
        )
    if probability is not None:
        found.append(f"probability {100 * probability:.1f} %")
    if percentile is not None:
        found.append("above all images" if percentile >= 100 else f"above {percentile:.4g} % of images")
    return (*found, *_bands(record))


def _bands(record: Mapping[str, Any]) -> list[str]:
    """Which channels a picture shows, where there are more."""
    bands = record.get("bands")
    return (
        [f"bands {', '.join(map(str, bands))} of {record.get('channels')}"] if isinstance(bands, list) else []
    )


def number_of(value: Any) -> float | None:
    """A number of a record; None for what is no finite number."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
