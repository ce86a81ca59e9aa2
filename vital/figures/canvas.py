"""A sheet of paper of a given width: things are put on it in inches from its upper left corner, and it grows down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vital.errors import InvalidValueError
from vital.figures.paper import (
    BLANK,
    FAINT,
    FONT,
    INK,
    LINE,
    SMALL,
    TALLEST,
    TEXT,
    check_columns,
    fitted,
)
from vital.utils.logs import busy
from vital.utils.text import printable

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

LONG = 30.0
"""A figure that is taller, in inches, is said to be so where it takes more than a second."""
Mark = Callable[["PaperFigure", float], None]
"""Puts one thing on a figure of a height."""


@dataclass
class Canvas:
    """What will be on a figure that takes so many `columns` of a page. `bottom` is where it ends so far.

    Raises `InvalidValueError` for another number of columns, and for more than fits the tallest page.
    """

    columns: int = 2
    bottom: float = 0.0
    _marks: list[Mark] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.width = check_columns(self.columns)

    def picture(
        self,
        shown: Image.Image | str,
        x: float,
        y: float,
        size: tuple[float, float],
        title: Sequence[str] = (),
    ) -> None:
        """Put a picture into a box, with lines of a title above it; a text says why there is none."""
        wide, tall = size
        if isinstance(shown, str):
            self.box(x, y, wide, tall, BLANK)
            self.text(
                x + wide / 2, y + tall / 2 - SMALL * LINE / 2, shown, width=wide, align="center", color=FAINT
            )
            for i, words in enumerate(reversed(title)):
                self.text(
                    x + wide / 2, y - (i + 1) * TEXT * LINE, words, TEXT, wide, align="center", color=INK
                )
            return
        self._reach(y + tall)
        pixels = np.asarray(shown.convert("RGB"))

        def mark(figure: PaperFigure, height: float) -> None:
            axes = figure.add_axes(
                (x / self.width, 1 - (y + tall) / height, wide / self.width, tall / height)
            )
            axes.imshow(pixels)
            axes.set_title("\n".join(title), fontsize=TEXT, family=FONT, color=INK, pad=2, parse_math=False)
            axes.set_axis_off()

        self._marks.append(mark)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = SMALL,
        width: float | None = None,
        *,
        align: str = "left",
        color: str = FAINT,
        weight: str = "normal",
        upright: bool = False,
    ) -> None:
        """Put one line below `y`, cut to a `width`; `upright` from below to above, beside `x` and centered at `y`."""
        shown = printable(words) if width is None else fitted(words, width, size, weight)
        self._reach(y if upright else y + size * LINE)

        def mark(figure: PaperFigure, height: float) -> None:
            base = y if upright else y + 0.95 * size / 72
            how: dict[str, Any] = {"rotation": 90, "va": "center"} if upright else {"va": "baseline"}
            figure.text(
                x / self.width, 1 - base / height, shown, fontsize=size, family=FONT, color=color, weight=weight,
                ha=align, parse_math=False, **how,
            )  # fmt: skip

        self._marks.append(mark)

    def box(self, x: float, y: float, wide: float, tall: float, color: str) -> None:
        """Fill a box."""
        self._reach(y + tall)

        def mark(figure: PaperFigure, height: float) -> None:
            from matplotlib.patches import Rectangle

            corner = x / self.width, 1 - (y + tall) / height
            figure.add_artist(Rectangle(corner, wide / self.width, tall / height, color=color, linewidth=0))

        self._marks.append(mark)

    def line(
        self, start: tuple[float, float], end: tuple[float, float], points: float, color: str = FAINT
    ) -> None:
        """Draw a line behind the pictures, so many points wide."""

        def mark(figure: PaperFigure, height: float) -> None:
            from matplotlib.lines import Line2D

            xs, ys = zip(*((x / self.width, 1 - y / height) for x, y in (start, end)), strict=True)
            figure.add_artist(Line2D(xs, ys, linewidth=points, color=color, solid_capstyle="butt", zorder=-1))

        self._reach(max(start[1], end[1]))
        self._marks.append(mark)

    def plot(self, x: float, y: float, size: tuple[float, float], draw: Callable[[Any], None]) -> None:
        """Put axes into a box, and draw into them."""
        wide, tall = size
        self._reach(y + tall)
        self._marks.append(
            lambda figure, height: draw(
                figure.add_axes((x / self.width, 1 - (y + tall) / height, wide / self.width, tall / height))
            )
        )

    def _reach(self, y: float) -> None:
        if y > TALLEST:
            raise InvalidValueError(
                f"the figure would be more than {TALLEST:.0f} inches tall, more than a PDF can hold; show fewer units"
            )
        self.bottom = max(self.bottom, y)

    def figure(self) -> PaperFigure:
        """All that was put there, as a figure of matplotlib."""
        from matplotlib import rc_context

        from vital.figures.vector import STYLE, PaperFigure

        height = max(0.2, self.bottom + 0.04)
        told = busy(f"drawing a figure {height:.0f} inches tall") if height > LONG else nullcontext()
        with rc_context(STYLE), told:
            made = PaperFigure(figsize=(self.width, height), facecolor="white")
            for mark in self._marks:
                mark(made, height)
        return made
