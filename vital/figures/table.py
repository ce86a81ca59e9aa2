"""Words: a row for each unit, a column for each method, and whether a label stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vital.figures.canvas import Canvas
from vital.figures.paper import FAINT, GAP, INK, LINE, PALETTE, SMALL, TEXT

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

NOTE = "In parentheses and grey: a label that was taken back, or would be said if one had to."


@dataclass(frozen=True)
class Word:
    """What a method says of a unit. One that does not `hold` is shown in parentheses."""

    text: str
    holds: bool = True
    p_value: float | None = None

    def __str__(self) -> str:
        if not self.text:
            return "–"
        odds = "" if self.p_value is None else f", p = {self.p_value:.3g}"
        return f"{self.text if self.holds else f'({self.text})'}{odds}"


def words_figure(
    units: Sequence[Sequence[str]],
    methods: Sequence[str],
    words: Mapping[tuple[int, int], Word],
    columns: int = 2,
) -> PaperFigure:
    """Draw a table: the lines of a unit's title on the left, and what each method says of it.

    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    first = canvas.width * (0.3 if len(methods) < 4 else 0.22)
    step = (canvas.width - first) / max(1, len(methods))
    y = 0.02
    for i, name in enumerate(("unit", *methods)):
        x = first + (i - 1) * step if i else 0.0
        canvas.text(x, y, name, TEXT, (step if i else first) - GAP, color=INK, weight="bold")
    y += TEXT * LINE + 0.02
    canvas.box(0, y, canvas.width, 0.008, INK)
    y += 0.03
    for row, title in enumerate(units):
        for i, line in enumerate(title[:2]):
            canvas.text(0, y + i * TEXT * LINE, line, TEXT, first - GAP, color=FAINT if i else INK)
        for column in range(len(methods)):
            said = words.get((row, column), Word(""))
            color = INK if said.holds and said.text else FAINT
            canvas.text(first + column * step, y, str(said), TEXT, step - GAP, color=color)
        y += min(2, len(title)) * TEXT * LINE + 0.02
    canvas.box(0, y, canvas.width, 0.008, PALETTE[6])
    if any(not said.holds and said.text for said in words.values()):
        canvas.text(0, y + 0.03, NOTE, SMALL, canvas.width)
    return canvas.figure()
