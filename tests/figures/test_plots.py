from __future__ import annotations

import pytest

from tests.figures.test_pictures import boxes
from vital.figures import PALETTE, Panel, Series, cost_figure
from vital.figures.plots import dashes, styled

POINTS = [(0.5, 0.2, 0.1, 0.4), (5.0, 0.8, 0.7, 0.9)]


def panels(metrics: int, methods: int) -> list[Panel]:
    series = [Series(f"method {i}", POINTS) for i in range(methods)]
    series += [Series("published elsewhere", level=0.6), Series("real images", level=1.0, control=True)]
    return [
        Panel(f"a metric with quite a long name, number {i} ↑", series, ["(uninformative)"])
        for i in range(metrics)
    ]


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize(("metrics", "methods"), [(1, 1), (3, 3), (9, 12)])
def test_names_and_numbers_never_overlap(columns: int, metrics: int, methods: int) -> None:
    found = boxes(cost_figure(panels(metrics, methods), columns))
    for i, (a, one) in enumerate(found):
        for b, other in found[i + 1 :]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            along = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 1 or along <= 1, f"{a} lies on {b}"


def test_points_have_intervals_and_methods_their_color_in_every_panel() -> None:
    figure = cost_figure(panels(2, 2))
    plots = [axes for axes in figure.axes if axes.get_xscale() == "log"]
    assert len(plots) == 2
    for axes in plots:
        lines = {tuple(line.get_xdata()): line.get_color() for line in axes.lines}
        assert PALETTE[1] in lines.values()
        assert any(tuple(line.get_ydata()) == (0.2, 0.8) for line in axes.lines)
        assert len(axes.containers) == 2


def test_signs_and_dashes_tell_apart_what_colors_do_not() -> None:
    names = styled(panels(1, 7))
    assert len({color for color, _ in names.values()}) == len({sign for _, sign in names.values()}) == 8
    assert len({dashes(i) for i in range(5)}) == 5


def test_a_method_of_unknown_cost_is_a_level() -> None:
    figure = cost_figure([Panel("rank", [Series("elsewhere", level=3.0)])], 1)
    assert any(set(line.get_ydata()) == {3.0} for axes in figure.axes for line in axes.lines)
