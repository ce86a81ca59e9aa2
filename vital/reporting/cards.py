"""What was found of units, from anywhere, to the cards of a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from PIL import Image

from vital.backends import TextEncoder
from vital.records import STANDS, Description
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.run_folder import SavedExemplar
from vital.reporting.images import Sizes, embed_image
from vital.reporting.records import SOURCES, Card, EmbeddedImage, Example, LabelRow, PrototypeImage
from vital.units import Unit
from vital.utils.text import jaccard

TRUTH = "truth"
"""The method that says what is true, where that is known."""

FROM_PROTOTYPES = ("prototype", "judge", "nearest words")
"""How methods that look at prototypes are called, or how their names begin; others look at images."""

Opener = Callable[[], Image.Image]


@dataclass(frozen=True)
class Drawn:
    """A prototype before it is in a page; pictures are opened when the page is made, one at a time."""

    record: Mapping[str, Any]
    picture: Opener | None = None
    masked: Opener | None = None


@dataclass(frozen=True)
class Seen:
    """A natural image before it is in a page, with its heat map where there is one."""

    caption: str
    picture: Opener
    heat: Opener | None = None


@dataclass
class UnitData:
    """All that was found of one unit. It grows while a run is read."""

    unit: Unit
    run: str = ""
    drawn: list[Drawn] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    said: list[Description] = field(default_factory=list)


def seen(exemplar: Exemplar | SavedExemplar) -> Seen:
    """An exemplar of this session, or of a run folder, before it is in a page."""
    caption = f"{exemplar.name}, {exemplar.of} {exemplar.value:.4g}, heat: {exemplar.by}"
    return Seen(caption, exemplar.to_pil, partial(exemplar.to_pil, heat=True))


def card(found: UnitData, sizes: Sizes, encoder: TextEncoder | None = None) -> Card:
    """Make the card of a unit, with pictures of the given sizes; `encoder` is that of `agreement`."""
    unit = str(found.unit)
    truth = next((said.label for said in found.said if said.method == TRUTH), "")
    label_rows = tuple(label_row(said, truth) for said in found.said)
    return Card(
        unit=unit,
        name=found.unit.label or next((str(d.record.get("label") or "") for d in found.drawn), ""),
        run=found.run,
        prototypes=tuple(_prototype_image(drawn, unit, sizes) for drawn in found.drawn),
        examples=tuple(_example(seen, unit, sizes) for seen in found.seen[: sizes.examples]),
        label_rows=tuple(sorted(label_rows, key=lambda s: SOURCES.index(s.source))),
        truth=truth,
        agreement=agreement(label_rows, encoder),
    )


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
        others=tuple(text for text, _ in said.others[:5]),
        truth=jaccard(said.label, truth) if truth and said.label and not own else None,
        seed=said.seed,
        verdict="" if own or said.status == STANDS else said.verdict,
    )


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


def _prototype_image(drawn: Drawn, unit: str, sizes: Sizes) -> PrototypeImage:
    record = drawn.record
    method, seed = str(record.get("method", "")), int(record.get("seed") or 0)
    what = f"prototype of {unit} by {method}"
    provenance = record.get("provenance") or {}
    return PrototypeImage(
        method=method,
        seed=seed,
        status=str(record.get("status", "done")),
        picture=_embed_image(drawn.picture, sizes.prototype, what, sizes.quality),
        masked=_embed_image(drawn.masked, sizes.prototype, f"{what}, where the loss looked", sizes.quality),
        facts=facts_of(record),
        lacking=tuple(map(str, provenance.get("lacking") or ())),
    )


def facts_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What a prototype's record says of how far it excites its unit, and of which channels it shows."""
    provenance = record.get("provenance") or {}
    names = ("value", "value_at_network_size", "probability", "percentile")
    value, fitted, probability, percentile = (number_of(provenance.get(name)) for name in names)
    found = []
    if value is not None:
        found.append(
            f"value {value:.4g}" + (f" ({fitted:.4g} at the network's size)" if fitted is not None else "")
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


def _example(seen: Seen, unit: str, sizes: Sizes) -> Example:
    picture = embed_image(
        seen.picture(), sizes.example, f"image that excites {unit}: {seen.caption}", sizes.quality
    )
    heat = _embed_image(seen.heat, sizes.example, f"where {unit} looked in it", sizes.quality)
    return Example(picture, heat, seen.caption)


def _embed_image(opened: Opener | None, side: int, alt: str, quality: int) -> EmbeddedImage | None:
    return None if opened is None else embed_image(opened(), side, alt, quality)
