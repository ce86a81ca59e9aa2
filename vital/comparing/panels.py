"""A comparison as panels of a figure: each metric against the seconds that a picture takes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from vital.comparing.base import COSTS, sign
from vital.comparing.records import REAL
from vital.comparing.table import Table, read_long
from vital.errors import DataError, said, unknown
from vital.figures import Panel, Series
from vital.utils.io import as_csv, parse_csv

LONG = ("point", "method", "metric", "unit", "seed", "value")
"""The columns of curves.csv: those of comparison.csv, and before them the number of the point."""
ALL = "all"
"""In the place of the metrics of a figure: the uninformative ones too."""


def panels(table: Table, curves: Sequence[Table] = (), metrics: Sequence[str] = ()) -> list[Panel]:
    """Make a panel for each metric: by default for all that are no costs and not uninformative, if there are such.

    `curves` are of the same methods at other numbers of steps; `metrics` are names, or `ALL` alone. Raises
    `UnknownNameError`.
    """
    known = [name for name in table.columns if name not in COSTS]
    if list(metrics) == [ALL]:
        metrics = known
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, [*known, ALL])
    chosen = metrics or [name for name in known if not table.uninformative(name)] or known
    return [_panel(table, curves, name) for name in chosen]


def _panel(table: Table, curves: Sequence[Table], metric: str) -> Panel:
    found = [_series(name, (table, *curves), metric) for name in table.methods if table.cell(name, metric)]
    found += [
        Series(name, level=cell.mean, control=True)
        for name in table.controls
        if (cell := table.cell(name, metric))
    ]
    doubt = ["(uninformative)"] if table.uninformative(metric) else []
    return Panel(f"{metric}\N{NO-BREAK SPACE}{sign(metric)}", found, doubt)


def _series(method: str, tables: Sequence[Table], metric: str) -> Series:
    """A method's points, from cheap to dear; its level alone where nobody knows what it cost."""
    points = []
    for table in tables:
        cell, seconds = table.cell(method, metric), table.cell(method, "seconds")
        if cell and seconds and math.isfinite(seconds.mean) and seconds.mean > 0:
            ends = (cell.mean, cell.mean) if table.few(metric) else (cell.low, cell.high)
            points.append((seconds.mean, cell.mean, *ends))
    cell = tables[0].cell(method, metric)
    return Series(method, sorted(points), level=cell.mean if cell and not points else None)


def curves_csv(curves: Sequence[Table]) -> bytes:
    """All scores of the points of curves, one a line."""
    rows = [(i, s.method, s.metric, s.unit, s.seed, s.value) for i, t in enumerate(curves) for s in t.scores]
    return as_csv(LONG, rows)


def read_curves(text: str, like: Table) -> list[Table]:
    """Read what `curves_csv` wrote, with the methods of a table."""
    _, rows = parse_csv(text, "the table of curves", needs=LONG)
    parts: dict[int, list[dict[str, Any]]] = {}
    for line, row in rows:
        if not re.fullmatch("[0-9]{1,9}", row["point"]):
            raise DataError(
                f"the table of curves, line {line}: the point is {said(row['point'])}; allowed are whole numbers"
            )
        parts.setdefault(int(row["point"]), []).append(row)
    return [
        Table(tuple(read_long(as_csv(LONG[1:], part).decode())), like.methods)
        for _, part in sorted(parts.items())
    ]


def table_of(text: str, controls: Sequence[str]) -> Table:
    r"""Read comparison.csv as a table; a row is a control by its name, which ends in one of `controls`.

    >>> text = "method,metric,unit,seed,value\na,percentile,fc:1,0,99\n"
    >>> found = table_of(text + '"a, random weights",percentile,fc:1,0,50\n', ["random weights"])
    >>> found.methods, found.controls, found.main
    (('a',), ('a, random weights',), 'a')
    """
    scores = tuple(read_long(text))
    names = list(dict.fromkeys(score.method for score in scores))
    lesser = {name: end for name in names for end in controls if name == end or name.endswith(f", {end}")}
    main = next((name.removesuffix(f", {end}") for name, end in lesser.items() if name != REAL), "")
    return Table(scores, tuple(n for n in names if n not in lesser), tuple(lesser), main)
