from pathlib import Path

import numpy as np
import torch
from matplotlib import axes
from PIL import Image

from vital.comparing import Score, Shown, Table
from vital.comparing.figures import curves, montage
from vital.units import Unit

UNITS = (Unit("fc", 0), Unit("fc", 1), Unit("fc", 2))
COLORS = {"vital": (1.0, 0.0, 0.0), "pixels": (0.0, 0.0, 1.0)}


def shown(method: str, units=UNITS, seeds: int = 2) -> Shown:
    """Pictures of one color, the darker the later the unit; seeds after the first are white."""
    tint = torch.tensor(COLORS[method]).view(3, 1, 1)
    parts = [
        torch.ones(3, 8, 8) if seed else tint.expand(3, 8, 8) / (1 + unit.index)
        for unit in units
        for seed in range(seeds)
    ]
    return Shown(
        method,
        tuple(u for u in units for _ in range(seeds)),
        tuple(range(seeds)) * len(units),
        torch.stack(parts),
    )


def count(sheet: Image.Image, color: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
    """How many pixels have a color, and where the first of them is."""
    pixels = torch.from_numpy(np.array(sheet))
    there = (pixels == torch.tensor(color)).all(2).nonzero()
    return len(there), tuple(there[0].tolist()) if len(there) else (-1, -1)


def test_a_montage_has_a_row_for_each_method_and_a_column_for_each_unit_of_the_first_seed() -> None:
    sheet = montage([shown("vital"), shown("pixels")], size=20)
    places = {}
    for method, at in (("vital", 0), ("pixels", 2)):
        for unit in UNITS:
            color = [0, 0, 0]
            color[at] = (255, 128, 85)[unit.index]
            number, places[method, unit.index] = count(sheet, tuple(color))
            assert number == 400, (method, unit)
    rows = {method: {places[method, i][0] for i in range(3)} for method in COLORS}
    assert all(len(found) == 1 for found in rows.values())
    assert min(rows["vital"]) < min(rows["pixels"])
    for method in COLORS:
        columns = [places[method, i][1] for i in range(3)]
        assert columns == sorted(columns) == [places["vital", i][1] for i in range(3)]


def test_a_montage_leaves_a_gap_where_a_method_lacks_a_unit_and_stops_at_the_most() -> None:
    whole = montage([shown("vital"), shown("pixels", UNITS[:1])], size=20)
    assert count(whole, (0, 0, 128))[0] == 0
    assert count(whole, (0, 0, 255))[0] == 400
    few = montage([shown("vital")], size=20, most=2)
    assert count(few, (128, 0, 0))[0] == 400
    assert count(few, (85, 0, 0))[0] == 0


def tables() -> list[Table]:
    """Two methods at two numbers of steps: the percentile grows with them."""
    found = []
    for steps in (10, 1000):
        scores = [
            Score(method, metric, value + i, f"fc:{i}", 0)
            for method in ("vital", "pixels")
            for i in range(3)
            for metric, value in (("percentile", float(steps) / 20), ("own rank", 100.0 / steps))
        ]
        costs = [
            Score(method, name, value)
            for method, each in (("vital", 0.01), ("pixels", 0.001))
            for name, value in (("steps", float(steps)), ("seconds", steps * each))
        ]
        found.append(Table((*scores, *costs), ("vital", "pixels")))
    return found


def test_curves_are_quality_against_steps_and_seconds_on_logarithmic_axes(
    tmp_path: Path, monkeypatch
) -> None:
    drawn = []
    errorbar = axes.Axes.errorbar

    def listening(self, x, y, spread, **how):
        drawn.append((self, x, y, how["label"]))
        return errorbar(self, x, y, spread, **how)

    monkeypatch.setattr(axes.Axes, "errorbar", listening)
    curves(tables(), tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
    assert {axis.get_xscale() for axis, _, _, _ in drawn} == {"log"}
    lines = {(axis.get_ylabel(), axis.get_xlabel(), label): (x, y) for axis, x, y, label in drawn}
    assert len(lines) == 2 * 2 * 2
    assert lines["percentile", "steps", "vital"] == ([10, 1000], [1.5, 51.0])
    assert lines["percentile", "seconds a picture", "vital"] == ([0.1, 10.0], [1.5, 51.0])
    assert lines["own rank", "seconds a picture", "pixels"][0] == [0.01, 1.0]
