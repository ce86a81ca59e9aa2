"""Prototypes beside natural exemplars: people tell what a unit responds to best from both."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from vital.errors import InvalidValueError
from vital.records import Prototype
from vital.rendering.natural_exemplars import Exemplar
from vital.utils.drawing import GAP, INK, PAPER, fitted, font, scaled


def plot_with_exemplars(
    prototypes: Sequence[Prototype], exemplars: Sequence[Sequence[Exemplar]], size: int = 96
) -> Image.Image:
    """One picture with a row for each unit: its prototype, then its exemplars, and below these the same with heat.

    `exemplars` holds those of each prototype, in the same order; `size` is the width of an exemplar, and the
    prototype is as high as the two lines. The line above says the unit and how the heat was worked out.
    Raises `InvalidValueError` where the two do not fit: prototypes and exemplars of different units or numbers.
    """
    _check(prototypes, exemplars)
    rows = [_row(p, list(some), size) for p, some in zip(prototypes, exemplars, strict=True)]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def _check(prototypes: Sequence[Prototype], exemplars: Sequence[Sequence[Exemplar]]) -> None:
    if not prototypes or len(prototypes) != len(exemplars):
        raise InvalidValueError(
            f"there are {len(prototypes)} prototypes and {len(exemplars)} lists of exemplars; "
            f"give one list for each prototype, and at least one"
        )
    for prototype, some in zip(prototypes, exemplars, strict=True):
        if other := next((str(e.unit) for e in some if str(e.unit) != str(prototype.unit)), ""):
            raise InvalidValueError(
                f"exemplars of {other} are given beside the prototype of {prototype.unit}"
            )


def _row(prototype: Prototype, some: list[Exemplar], size: int) -> Image.Image:
    """One unit."""
    lines = [[scaled(e.to_pil(heat=heat), size) for e in some] for heat in (False, True)]
    tall = max((p.height for p in lines[0]), default=size)
    shown = prototype.to_pil()
    high = 2 * tall + GAP // 2
    shown = scaled(shown, max(1, round(high * shown.width / shown.height)))
    text = max(10, size // 7)
    left, top = 2 * GAP + shown.width, GAP // 2 + text + GAP
    width = max(left + len(some) * (size + GAP // 2) + GAP, left + size)
    row = Image.new("RGB", (width, top + high + GAP), PAPER)
    line = fitted(_title(prototype, some), width - 2 * GAP, text)
    ImageDraw.Draw(row).text((GAP, GAP // 2), line, fill=INK, font=font(text))
    row.paste(shown, (GAP, top))
    for j, pictures in enumerate(lines):
        for i, picture in enumerate(pictures):
            row.paste(picture, (left + i * (size + GAP // 2), top + j * (tall + GAP // 2)))
    return row


def _title(prototype: Prototype, some: list[Exemplar]) -> str:
    """The unit, what its exemplars are ranked by and how their heat was worked out."""
    said = dict.fromkeys(f"by {e.of}, heat: {e.by}" for e in some)
    return "; ".join([prototype.unit.title, *said])
