"""One image explained: the image, and a row for each layer with the places at which its winners won."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vital.errors import InvalidValueError
from vital.figures.canvas import Canvas
from vital.figures.paper import AGAINST, FOR, GAP, INK, LINE, SMALL, TEXT, check_columns, wrapped
from vital.utils.options import check_whole

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

ABREAST = {1: 4, 2: 6}
"""The most winners side by side, by columns of the page."""
USUAL = 5
"""How many are shown where nobody says."""
BAR = 0.05
"""The height of the bar of a contribution."""
DIM = 4
"""By how much places are darkened at which others won."""


@dataclass(frozen=True)
class Place:
    """A winner: its name or words, what it contributes, its share of places, and the places at which it won.

    `won` is an array (H, W) of what is true there, None where the layer has no places in the image; `kind` says what
    its tokens are, "" in other layers.
    """

    name: str
    contribution: float
    share: float
    won: np.ndarray | None = None
    kind: str = ""


def winners_shown(columns: int, count: int | None = None) -> int:
    """How many winners of each layer a figure shows: `count`, or what is usual. Raises `InvalidValueError` for more.

    >>> winners_shown(2), winners_shown(1), winners_shown(2, 6)
    (5, 4, 6)
    """
    check_columns(columns)
    if count is None:
        return min(USUAL, ABREAST[columns])
    if check_whole("count", count, 1) > ABREAST[columns]:
        wide = "one column" if columns == 1 else "two columns"
        raise InvalidValueError(
            f"count is {count}; allowed are whole numbers from 1 to {ABREAST[columns]}, the winners side by side that "
            f"{wide} of a page have room for"
        )
    return count


def explanation_figure(
    image: Image.Image,
    decision: Sequence[str],
    layers: Sequence[tuple[str, Sequence[Place]]],
    columns: int = 2,
    by: str = "gradient",
) -> PaperFigure:
    """Draw the image with its decision, a legend, and for each layer its first winners with bars of contributions.

    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    many = min(ABREAST[columns], max((len(places) for _, places in layers), default=1))
    left = 1.3 if columns == 2 else 0.0
    side = min(1.1, (canvas.width - left - (many - 1) * GAP) / max(1, many))
    _head(canvas, image, decision, layers, by)
    y = GAP if left else canvas.bottom + 2 * GAP
    most = max((abs(p.contribution) for _, places in layers for p in places), default=0.0)
    for layer, places in layers:
        canvas.text(left, y, layer, TEXT, canvas.width - left, color=INK, weight="bold")
        y += TEXT * LINE + 0.02
        for i, place in enumerate(places[:many]):
            _place(canvas, image, place, (left + i * (side + GAP), y, side), most)
        y += side * image.height / image.width + TEXT * LINE + SMALL * LINE + BAR + 3 * GAP
    return canvas.figure()


def _head(
    canvas: Canvas,
    image: Image.Image,
    decision: Sequence[str],
    layers: Sequence[tuple[str, Sequence[Place]]],
    by: str,
) -> None:
    """Draw the image, the decision and the legend: beside the layers on two columns, above them on one."""
    wide = 1.1
    tall = wide * image.height / image.width
    canvas.picture(image, 0, GAP, (wide, tall))
    x, y, room = (
        (0.0, GAP + tall + 0.03, wide)
        if canvas.columns == 2
        else (wide + 2 * GAP, GAP, canvas.width - wide - 2 * GAP)
    )
    for i, words in enumerate(decision):
        for line in wrapped(words, room, TEXT):
            canvas.text(x, y, line, TEXT, color=INK, weight="normal" if i else "bold", width=room)
            y += TEXT * LINE
    y += GAP
    for color, words in ((FOR, "for the decision"), (AGAINST, "against it")):
        canvas.box(x, y + 0.03, 0.12, BAR, color)
        canvas.text(x + 0.17, y, words, SMALL, room - 0.17)
        y += SMALL * LINE
    for note in _notes([place for _, places in layers for place in places], by):
        for line in wrapped(note, room, SMALL, 4):
            canvas.text(x, y, line, SMALL)
            y += SMALL * LINE


def _notes(places: Sequence[Place], by: str) -> list[str]:
    """What has to be known to read the pictures: what bright and dark mean, and what tokens are."""
    found = [f"bars: contribution ({by})"]
    if any(place.won is not None for place in places):
        found.append("bright: where the unit won its block")
    kinds = dict.fromkeys(place.kind for place in places)
    if "cls" in kinds:
        found.append("class token: read at the token that stands for the whole image")
    if {"patches", "all"} & set(kinds):
        found.append("a square is a patch token")
    return found


def _place(
    canvas: Canvas, image: Image.Image, place: Place, at: tuple[float, float, float], most: float
) -> None:
    """Draw one winner: where it won, its name, its contribution as a number and as a bar."""
    x, y, side = at
    tall = side * image.height / image.width
    canvas.picture(image if place.won is None else lit(image, place.won), x, y, (side, tall))
    y += tall + 0.02
    canvas.text(x, y, place.name, TEXT, side, color=INK)
    where = {"cls": "class token"}.get(place.kind) or f"{place.share:.0%}"
    canvas.text(x, y + TEXT * LINE, f"{place.contribution:+.2g}, {where}", SMALL, side)
    long = side * abs(place.contribution) / most if most else 0.0
    color = FOR if place.contribution >= 0 else AGAINST
    canvas.box(x, y + TEXT * LINE + SMALL * LINE + 0.02, max(0.01, long), BAR, color)


def lit(image: Image.Image, won: np.ndarray) -> Image.Image:
    """Darken an image where a unit did not win; `won` (H, W) says where it did.

    >>> dark = lit(Image.new("RGB", (4, 4), "white"), np.array([[True, False]]))
    >>> dark.getpixel((0, 0)), dark.getpixel((3, 0))
    ((255, 255, 255), (63, 63, 63))
    """
    mask = Image.fromarray(np.asarray(won, np.uint8) * 255).resize(image.size, Image.Resampling.NEAREST)
    return Image.composite(image, image.point(lambda v: v // DIM), mask)
