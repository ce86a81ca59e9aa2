from __future__ import annotations

import pytest

from tests.comparing.test_figures import tables
from vital.comparing import Score, Table
from vital.comparing.api import Comparison
from vital.comparing.panels import curves_csv, panels, read_curves, table_of
from vital.errors import UnknownNameError


def test_a_panel_has_the_points_of_every_method_from_cheap_to_dear() -> None:
    found = panels(tables()[1], tables()[:1], ["percentile"])
    assert [panel.title for panel in found] == ["percentile\N{NO-BREAK SPACE}↑"]
    costs = {one.name: [point[:2] for point in one.points] for one in found[0].series}
    assert costs["vital"] == [(0.1, 1.5), (10.0, 51.0)]
    with pytest.raises(UnknownNameError, match="metric 'percentil'"):
        panels(tables()[0], metrics=["percentil"])


def test_uninformative_metrics_are_shown_when_all_are_asked_for() -> None:
    told = [Score(m, "judge a", v, f"fc:{i}") for m, v in (("vital", 1.0), ("dim", 0.0)) for i in range(3)]
    mute = [Score(m, "judge b", 1.0, f"fc:{i}") for m in ("vital", "dim") for i in range(3)]
    table = Table((*mute, *told), ("vital",), ("dim",), "vital")
    assert [(panel.title[:7], panel.notes) for panel in panels(table)] == [("judge a", [])]
    every = [(panel.title[:7], panel.notes) for panel in panels(table, metrics=["all"])]
    assert every == [("judge a", []), ("judge b", ["(uninformative)"])]
    alone = Table(tuple(mute), ("vital",), ("dim",), "vital")
    assert [panel.title[:7] for panel in panels(alone)] == ["judge b"]


def test_few_units_have_no_interval() -> None:
    rows = [Score("vital", "percentile", value, f"fc:{value}") for value in (90.0, 98.0)]
    (panel,) = panels(Table((*rows, Score("vital", "seconds", 2.0)), ("vital",)))
    assert panel.series[0].points == [(2.0, 94.0, 94.0, 94.0)]


def test_what_files_hold_makes_the_same_panels() -> None:
    table, *curves = tables()
    again = table_of(table.long_csv().decode(), ["random weights"])
    assert again.methods == table.methods
    read = read_curves(curves_csv(curves).decode(), again)
    assert panels(again, read) == panels(table, curves)


def test_a_comparison_is_a_figure() -> None:
    pytest.importorskip("matplotlib")
    figure = Comparison(tables()[0], (), tuple(tables())).figure(1, ["percentile"])
    assert figure.get_size_inches()[0] == 3.25
    assert "percentile ↑" in [text.get_text() for text in figure.texts]
