"""Quality against cost: a panel for each metric, a color and a sign for each method, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from vital.figures.canvas import Canvas
from vital.figures.paper import (
    FAINT,
    FONT,
    GAP,
    INK,
    LINE,
    MARKERS,
    PALETTE,
    SMALL,
    TEXT,
    fitted,
    length,
    wrapped,
)

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure

PAGE = {1: 8, 2: 16}
"""Panels that fit a page, by the columns that the figure takes."""
ABREAST = {1: 2, 2: 4}
"""Panels side by side, by columns of the page."""
TALL = 1.15
"""How high a panel is, in inches."""
Point = tuple[float, float, float, float]
"""What it cost, and the mean with the ends of its interval."""


@dataclass(frozen=True)
class Series:
    """One method in one panel: points from cheap to dear, or, where nobody knows its cost, a `level` alone.

    A `control` is a dashed line in grey.
    """

    name: str
    points: Sequence[Point] = ()
    level: float | None = None
    control: bool = False


@dataclass(frozen=True)
class Panel:
    """One metric, the methods by it, and what is said behind its name: which way is good, and what is to be doubted."""

    title: str
    series: Sequence[Series]
    notes: Sequence[str] = ()


def cost_figure(panels: Sequence[Panel], columns: int = 2, cost: str = "seconds per picture") -> PaperFigure:
    """Draw a panel for each metric: its mean with its interval against the cost, which has a logarithmic axis.

    Raises `InvalidValueError`.
    """
    canvas = Canvas(columns)
    many = min(ABREAST[columns], max(1, len(panels)))
    step = canvas.width / many
    wide = min(step - 0.5, 2.4)
    _legend(canvas, panels)
    heads = [[*wrapped(p.title, wide + 0.06, TEXT, 3), *p.notes] for p in panels]
    styles = styled(panels)
    y = head = 0.0
    for i, panel in enumerate(panels):
        x = (i % many) * step + 0.42
        if i % many == 0:
            y = canvas.bottom + (2 * GAP if i else GAP)
            head = max(map(len, heads[i : i + many])) * TEXT * LINE
        start = y + head - len(heads[i]) * TEXT * LINE
        for number, words in enumerate(heads[i]):
            canvas.text(x, start + number * TEXT * LINE, words, TEXT, wide + 0.06, color=INK)
        canvas.plot(x, y + head + GAP, (wide, TALL), partial(_draw, panel, styles))
        canvas.text(x + wide / 2, y + head + GAP + TALL + 0.16, cost, SMALL, wide, align="center")
    return canvas.figure()


def styled(panels: Sequence[Panel]) -> dict[str, tuple[str, str]]:
    """The color and the sign of each method, the same in every panel."""
    names = dict.fromkeys(s.name for panel in panels for s in panel.series if not s.control)
    signs = [(PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]) for i in range(len(names))]
    return dict(zip(names, signs, strict=True))


def _draw(panel: Panel, styles: dict[str, tuple[str, str]], axes: Any) -> None:
    """Draw one panel."""
    how: dict[str, Any] = {"linewidth": 0.9, "elinewidth": 0.7, "capsize": 1.6, "markersize": 3.2}
    for i, one in enumerate(s for s in panel.series if s.control):
        axes.axhline(one.level, color=FAINT, linewidth=0.7, linestyle=dashes(i), zorder=0)
    for one in (s for s in panel.series if not s.control):
        color, sign = styles[one.name]
        if one.level is not None:
            axes.axhline(one.level, color=color, linewidth=0.9, linestyle=":", zorder=0)
        if one.points:
            x, y, low, high = zip(*one.points, strict=True)
            spread = [
                [m - v for m, v in zip(y, low, strict=True)],
                [v - m for m, v in zip(y, high, strict=True)],
            ]
            axes.errorbar(x, y, spread, color=color, marker=sign, **how)
    _axes(axes, [p[0] for s in panel.series for p in s.points])


def _axes(axes: Any, costs: Sequence[float]) -> None:
    """Set the axes: a logarithmic one with a few plain numbers, and no frame above and to the right."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    if costs:
        low, high = min(costs), max(costs)
        axes.set_xscale("log")
        axes.set_xlim(low / 1.6, high * 1.6)
        axes.set_xticks(ticks(low, high))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xticks([])
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_linewidth(0.6)
    axes.tick_params(labelsize=SMALL, labelfontfamily=FONT, width=0.6, length=2.5, pad=1.5, colors=INK)
    axes.tick_params(which="minor", length=1.5, width=0.4)


def ticks(low: float, high: float) -> list[float]:
    """Up to four round numbers that mark a logarithmic axis.

    >>> ticks(0.4, 10.0), ticks(0.02, 30.0), ticks(3.0, 3.5)
    ([1.0, 3.0, 10.0], [0.1, 1.0, 10.0], [3.2])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [n * 10.0**d for d in decades for n in steps if low * 0.85 <= n * 10.0**d <= high * 1.15]
        if 2 <= len(found) <= 4:
            return [float(f"{x:.6g}") for x in found]
    if len(found) > 4:
        return found[:: -(-len(found) // 4)]
    return (
        [float(f"{(low * high) ** 0.5:.2g}")] if high < 2 * low else [float(f"{x:.2g}") for x in (low, high)]
    )


def dashes(number: int) -> tuple[float, tuple[float, ...]]:
    """The pattern of the line of a control, one for each number.

    >>> dashes(0), dashes(1) == dashes(0)
    ((0, (4, 2)), False)
    """
    return 0, ((4, 2), (1, 1.5), (6, 1.5, 1, 1.5), (2, 3), (8, 2))[number % 5]


def _legend(canvas: Canvas, panels: Sequence[Panel]) -> None:
    """Write the methods, and below them the controls, in as many lines as they need."""
    controls = list(dict.fromkeys(s.name for panel in panels for s in panel.series if s.control))
    entries: list[tuple[str, str, str, Any]] = [(n, *style, None) for n, style in styled(panels).items()]
    entries += [(name, FAINT, "", dashes(i)) for i, name in enumerate(controls)]
    x, y, swatch = 0.0, 0.02, 0.24
    for name, color, sign, pattern in entries:
        shown = fitted(name, canvas.width - swatch, TEXT)
        wide = swatch + length(shown, TEXT) + 0.14
        if x and x + wide - 0.14 > canvas.width:
            x, y = 0.0, y + TEXT * LINE + 0.02
        canvas.plot(x, y, (swatch - 0.05, TEXT * LINE), partial(_swatch, color, sign, pattern))
        canvas.text(x + swatch, y, shown, TEXT, color=INK)
        x += wide


def _swatch(color: str, sign: str, pattern: Any, axes: Any) -> None:
    """Draw the line of an entry of the legend."""
    style = {"marker": sign} if sign else {"linestyle": pattern}
    axes.plot([0, 0.5, 1], [0, 0, 0], color=color, linewidth=0.9, markersize=3.2, markevery=[1], **style)
    axes.set_xlim(-0.05, 1.05)
    axes.set_axis_off()
