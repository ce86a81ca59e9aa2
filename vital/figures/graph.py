"""A circuit: a unit, and below it, layer by layer, the units that feed it, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vital.figures.canvas import Canvas
from vital.figures.paper import FAINT, GAP, INK, LINE, PALETTE, SMALL, TEXT
from vital.figures.pictures import Picture, title_lines

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

WIDEST, NARROWEST = 1.0, 0.62
"""The widths that a picture may have, in inches."""
THICKEST = 7.0
"""The points of the line of a whole share."""


@dataclass(frozen=True)
class Node:
    """A unit of a circuit: its title, its picture or why there is none, and its share of the unit at the top."""

    name: str
    title: Sequence[str]
    picture: Picture
    share: float | None = None


def circuit_figure(
    levels: Sequence[Sequence[Node]], edges: Sequence[tuple[str, str, float]], columns: int = 2
) -> PaperFigure:
    """Draw the levels from above to below, joined by lines that are the thicker the larger the share.

    An edge is (unit, feeder, share). Of a level that is too wide the first units are shown, and how many more there
    are.
    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    most = int((canvas.width + 2 * GAP) / (NARROWEST + 2 * GAP))
    shown = [list(level)[:most] for level in levels]
    widest = max(map(len, shown))
    side = min(WIDEST, (canvas.width - (widest - 1) * 2 * GAP) / widest)
    step = min(side * 1.45, (canvas.width - side) / max(1, widest - 1)) if widest > 1 else side
    places: dict[str, tuple[float, float, float]] = {}
    for depth, level in enumerate(shown):
        top = canvas.bottom + (0.3 * side + 0.1 if depth else 0.02)
        _level(canvas, level, (top, side, step), places)
        if hidden := len(levels[depth]) - len(level):
            canvas.text(canvas.width, canvas.bottom, f"and {hidden} more", SMALL, align="right")
    strongest = max((share for _, _, share in edges), default=1.0) or 1.0
    for unit, feeder, share in edges:
        if unit in places and feeder in places:
            x, _, below = places[unit]
            other, above, _ = places[feeder]
            points = max(0.4, THICKEST * max(0.0, share) / max(strongest, 0.25))
            canvas.line((x, below), (other, above), points, PALETTE[5] if share > 0 else FAINT)
    return canvas.figure()


def _level(
    canvas: Canvas,
    level: Sequence[Node],
    at: tuple[float, float, float],
    places: dict[str, tuple[float, float, float]],
) -> None:
    """Draw the units of one level, and note where their lines begin and end."""
    top, side, step = at
    room = min(step - GAP, canvas.width - (len(level) - 1) * step) if len(level) > 1 else canvas.width
    heads = [title_lines(node.title, room) for node in level]
    lines = max(map(len, heads))
    for i, (node, head) in enumerate(zip(level, heads, strict=True)):
        middle = canvas.width / 2 + (i - (len(level) - 1) / 2) * step
        canvas.picture(node.picture, middle - side / 2, top, (side, side))
        y = top + side + 0.02
        for words in head:
            canvas.text(middle, y, words, TEXT, align="center", color=INK)
            y += TEXT * LINE
        if node.share is not None:
            canvas.text(middle, y, f"{100 * node.share:.1f} %", SMALL, align="center")
            y += SMALL * LINE
        below = top + side + 0.04 + lines * TEXT * LINE + (SMALL * LINE if node.share is not None else 0)
        places[node.name] = (middle, top, below)
