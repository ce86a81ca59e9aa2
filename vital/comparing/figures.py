"""Pictures of a comparison: a montage with methods as rows and units as columns, and curves of quality against cost."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from vital.comparing.api import Comparison
from vital.comparing.base import COSTS
from vital.comparing.panels import curves_csv
from vital.comparing.records import Shown
from vital.comparing.table import Table, steps_and_seconds
from vital.utils.drawing import GAP, INK, PAPER, fitted, font, scaled, to_pil, write_centered
from vital.utils.io import as_csv, as_png, write


def montage(shown: Sequence[Shown], size: int = 96, most: int = 16) -> Image.Image:
    """Methods as rows and up to `most` units as columns, the first seed of each; controls below the methods."""
    units = list(dict.fromkeys(shown[0].units))[:most]
    text = max(11, size // 8)
    left = max(round(font(text).getlength(one.method)) for one in shown) + 2 * GAP
    left, top = min(left, 3 * size), text + 2 * GAP
    width, height = left + len(units) * (size + GAP // 2) + GAP, top + len(shown) * (size + GAP // 2) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, unit in enumerate(units):
        write_centered(
            draw, unit.label or str(unit), left + column * (size + GAP // 2) + size // 2, GAP, size, text
        )
    for row, one in enumerate(shown):
        y = top + row * (size + GAP // 2)
        draw.text(
            (GAP, y + size // 2 - text // 2),
            fitted(one.method, left - 2 * GAP, text),
            fill=INK,
            font=font(text),
        )
        for column, unit in enumerate(units):
            pictures = one.of(unit)
            if len(pictures):
                sheet.paste(scaled(to_pil(pictures[0]), size), (left + column * (size + GAP // 2), y))
    return sheet


def curves(tables: Sequence[Table], path: Path) -> None:
    """Draw every metric against steps and against seconds, on logarithmic axes, a line per method, as PNG.

    `tables` are of equal methods at growing numbers of steps.
    """
    from matplotlib.figure import Figure

    metrics = [name for name in tables[0].metrics if name not in COSTS]
    figure = Figure(figsize=(9, 2.6 * len(metrics)), layout="constrained")
    axes = figure.subplots(len(metrics), 2, squeeze=False)
    for row, metric in zip(axes, metrics, strict=True):
        _curve(row, tables, metric)
    axes[0][0].legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": "vital"})
    write(path, buffer.getvalue())


def _curve(row: Any, tables: Sequence[Table], metric: str) -> None:
    """Two axes: one metric of all methods against steps, and against seconds."""
    for method in tables[0].methods:
        points = []
        for table in tables:
            cell = table.cell(method, metric)
            cost = next(((n, s) for name, n, s in steps_and_seconds(table) if name == method), None)
            if cell and cost:
                points.append((*cost, cell))
        for axis, place in zip(row, (0, 1), strict=True):
            x, y = [p[place] for p in points], [p[2].mean for p in points]
            spread = [[p[2].mean - p[2].low for p in points], [p[2].high - p[2].mean for p in points]]
            axis.errorbar(x, y, spread, marker="o", markersize=3, capsize=2, linewidth=1, label=method)
    for axis, name in zip(row, ("steps", "seconds a picture"), strict=True):
        axis.set_xscale("log")
        axis.set_xlabel(name, fontsize="small")
        axis.set_ylabel(metric, fontsize="small")
        axis.tick_params(labelsize="small")


def write_comparison(found: Comparison, path: Path) -> list[Path]:
    """Write all files of a comparison into a folder, each whole or not at all, and name them. Raises `RunError`."""
    header, *rows = found.table.wide()
    files = {
        "comparison.csv": found.table.long_csv(),
        "table.csv": as_csv(header, rows),
        "table.md": found.table.markdown().encode(),
        "table.tex": found.table.latex().encode(),
        "montage.png": as_png(montage(found.shown)),
    }
    for name, content in files.items():
        write(path / name, content)
    names = list(files)
    if found.curves:
        write(path / "curves.csv", curves_csv(found.curves))
        curves(found.curves, path / "curves.png")
        names += ["curves.csv", "curves.png"]
    return [path / name for name in names]
