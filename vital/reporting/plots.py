"""Small figures inside the page of a unit, as shapes that its template draws: a histogram, and a curve of losses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vital.reporting.facts import Histogram
from vital.reporting.records import PrototypeView, UnitView

WIDTH, HEIGHT = 640, 150


@dataclass(frozen=True)
class Bar:
    """A bar, in the coordinates of the figure."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Mark:
    """A vertical line: where a prototype lies among the images. `number` tells several apart."""

    x: float
    number: int
    text: str


@dataclass(frozen=True)
class Bars:
    """A histogram as a figure: bars, the marks of prototypes, and the numbers at both ends of its axis."""

    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    low: float
    high: float
    images: int


@dataclass(frozen=True)
class Figures:
    """The figures of a unit: its histogram, and the curve of losses of each prototype by its files' name."""

    histogram: Bars | None
    curves: Mapping[str, str]


def figures_of(view: UnitView) -> Figures:
    """Draw the figures of a unit."""
    bars = histogram_figure(view.histogram, view.own) if view.histogram else None
    return Figures(bars, {made.stem: curve(made.losses) for made in view.prototypes})


def histogram_figure(found: Histogram, made: Sequence[PrototypeView]) -> Bars:
    """Lay out a histogram, wide enough for the values of the prototypes.

    Heights go by the square root of the counts, so that the few strongest images can be seen beside the many others.
    """
    runs = {one.run for one in made if one.value is not None}
    values = [(i, one) for i, one in enumerate(made, 1) if one.value is not None]
    low = min([found.edges[0], *(one.value for _, one in values if one.value is not None)])
    high = max([found.edges[-1], *(one.value for _, one in values if one.value is not None)])
    span = high - low or 1.0

    def x(value: float) -> float:
        return round(8 + (WIDTH - 16) * (value - low) / span, 1)

    most = max(found.counts) or 1.0
    bars = []
    for left, right, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        tall = round((HEIGHT - 24) * (max(0.0, count) / most) ** 0.5, 1)
        bars.append(Bar(x(left), round(HEIGHT - tall, 1), max(1.0, round(x(right) - x(left) - 1, 1)), tall))
    marks = tuple(
        Mark(x(one.value or 0.0), i, _place(one, found, one.run if len(runs) > 1 else ""))
        for i, one in values
    )
    return Bars(tuple(bars), marks, low, high, found.images)


def _place(made: PrototypeView, found: Histogram, run: str) -> str:
    """Where a prototype lies among the images, in words."""
    value = made.value or 0.0
    name = f"{made.method}, seed {made.seed}" if made.seed else made.method
    name = f"{name}, run {run}" if run else name
    share = made.percentile
    if share is None:
        full = sum(found.counts) or 1.0
        share = 100 * sum(found.counts[: max(0, bisect_right(found.edges, value) - 1)]) / full
    above = "above all images" if share >= 100 else f"above {share:.4g} % of the images"
    return f"{name}: {value:.4g}, {above}"


def curve(losses: Sequence[float], width: int = 240, height: int = 56) -> str:
    """The points of a polyline through the losses; "" for fewer than two.

    >>> curve([1.0, 0.5, 0.0], 20, 10)
    '2,2 10,5 18,8'
    """
    if len(losses) < 2:
        return ""
    low, high = min(losses), max(losses)
    span = high - low or 1.0
    step = (width - 4) / (len(losses) - 1)
    points = ((2 + i * step, 2 + (height - 4) * (high - value) / span) for i, value in enumerate(losses))
    return " ".join(f"{x:.4g},{y:.4g}" for x, y in points)
