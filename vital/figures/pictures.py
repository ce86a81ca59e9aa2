"""Pictures in rows: each with a title, units by methods, and units beside the images and words that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from vital.figures.canvas import Canvas
from vital.figures.paper import GAP, INK, LINE, SMALL, TEXT, WIDTHS, wrapped

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

MOST = {1: 4, 2: 8}
"""Pictures side by side, by columns of the page."""
WIDEST = 1.3
"""A picture is no wider, in inches."""
MISSING = "no picture"
Picture = Image.Image | str
"""A picture, or why there is none."""
T = TypeVar("T")


def tiles_figure(
    pictures: Sequence[Image.Image],
    titles: Sequence[Sequence[str]],
    columns: int = 2,
    per_row: int | None = None,
) -> PaperFigure:
    """Draw pictures row by row, each with the lines of its title above it, as many in each row as nearly as possible.

    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    many = per_row or _even(len(pictures), MOST[columns])
    side = _side(canvas.width, many)
    for row in _rows(list(zip(pictures, titles, strict=True)), many):
        heads = [title_lines(title, side) for _, title in row]
        top = canvas.bottom + GAP + max(map(len, heads)) * TEXT * LINE
        left = (canvas.width - many * (side + GAP) + GAP) / 2
        for i, ((picture, _), head) in enumerate(zip(row, heads, strict=True)):
            canvas.picture(picture, left + i * (side + GAP), top, _size(picture, side), head)
    return canvas.figure()


def grid_figure(
    rows: Sequence[str],
    titles: Sequence[Sequence[str]],
    cells: Mapping[tuple[int, int], Picture],
    columns: int = 2,
) -> PaperFigure:
    """Draw units as columns with their titles and methods as rows, in as many bands as the units need.

    A row that is alone is not named. `cells` holds the picture of a row and a column, or a text that says why there is
    none.
    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    left, many = (TEXT * LINE + GAP if len(rows) > 1 else 0.0), _even(len(titles), MOST[columns])
    side = _side(canvas.width - left, many)
    tall = max((_size(p, side)[1] for p in cells.values() if not isinstance(p, str)), default=side)
    start = (canvas.width - left - many * (side + GAP) + GAP) / 2 + left
    for band in _rows(list(enumerate(titles)), many):
        heads = [title_lines(title, side) for _, title in band]
        top = canvas.bottom + (2 * GAP if canvas.bottom else GAP) + max(map(len, heads)) * TEXT * LINE
        for row, name in enumerate(rows):
            y = top + row * (tall + GAP)
            if left:
                canvas.text(
                    start - GAP, y + tall / 2, name, TEXT, tall, align="right", color=INK, upright=True
                )
            for place, (column, _) in enumerate(band):
                shown = cells.get((row, column), MISSING)
                head = () if row else heads[place]
                canvas.picture(shown, start + place * (side + GAP), y, (side, tall), head)
    return canvas.figure()


@dataclass(frozen=True)
class Shown:
    """A unit: its title, pictures with the methods that made them, exemplars with their heat, and lines of words."""

    title: Sequence[str]
    prototypes: Sequence[tuple[Picture, str]] = ()
    exemplars: Sequence[tuple[Image.Image, Image.Image | None]] = ()
    words: Sequence[str] = field(default=())


def exemplars_figure(units: Sequence[Shown], columns: int = 2) -> PaperFigure:
    """Draw each unit as a band: title and words, its prototypes, and beside them its exemplars above their heat.

    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    made = max((len(unit.prototypes) for unit in units), default=0)
    most = max((len(unit.exemplars) for unit in units), default=0)
    heat = any(pair[1] for unit in units for pair in unit.exemplars)
    side, count = _exemplar_side(canvas.width, made, most, 2 if heat else 1)
    for unit in units:
        _band(canvas, unit, side, count, 2 if heat else 1)
    return canvas.figure()


def _exemplar_side(width: float, made: int, most: int, rows: int) -> tuple[float, int]:
    """How wide an exemplar is and how many there are, so that prototypes beside them are as high as their rows."""
    least = 0.42 if width > WIDTHS[1] else 0.32
    for count in range(most, 0, -1):
        side = (width - (made + count) * GAP - (rows - 1) * made * GAP) / (made * rows + count)
        if side >= least or count == 1:
            return min(side, 0.8), count
    return min(0.8, (width - made * GAP) / max(1, 2 * made)), 0


def _band(canvas: Canvas, unit: Shown, side: float, count: int, rows: int) -> None:
    """Draw one unit below what is there."""
    y = canvas.bottom + (3 * GAP if canvas.bottom else 0.02)
    head = "  ".join(unit.title)
    canvas.text(0, y, head, TEXT, canvas.width, color=INK, weight="bold")
    y += TEXT * LINE
    for line in unit.words:
        canvas.text(0, y, line, SMALL, canvas.width, color=INK)
        y += SMALL * LINE
    several = len(unit.prototypes) > 1
    y += GAP + (SMALL * LINE if several else 0)
    high, x = rows * side + (rows - 1) * GAP, 0.0
    for picture, method in unit.prototypes:
        if several:
            canvas.text(x + high / 2, y - SMALL * LINE - 0.01, method, SMALL, high, align="center")
        canvas.picture(picture, x, y, (high, high))
        x += high + GAP
    for i, (picture, heat) in enumerate(unit.exemplars[:count]):
        for row, shown in enumerate((picture, heat)[:rows]):
            if shown is not None:
                canvas.picture(shown, x + i * (side + GAP), y + row * (side + GAP), (side, side))


def _rows(things: Sequence[T], many: int) -> list[Sequence[T]]:
    return [things[i : i + many] for i in range(0, len(things), max(1, many))]


def _even(count: int, most: int) -> int:
    """How many stand in a row, so that rows are filled evenly.

    >>> _even(20, 8), _even(3, 8), _even(0, 8)
    (7, 3, 0)
    """
    rows = -(-count // most)
    return -(-count // rows) if rows else 0


def _side(width: float, many: int) -> float:
    return min(WIDEST, (width - (many - 1) * GAP) / many) if many else WIDEST


def _size(picture: Picture, side: float) -> tuple[float, float]:
    return (side, side) if isinstance(picture, str) else (side, side * picture.height / picture.width)


def title_lines(title: Sequence[str], side: float) -> list[str]:
    """A title in lines that fit a picture, each of its own lines in at most two."""
    return [line for words in title for line in wrapped(words, side, TEXT)]
