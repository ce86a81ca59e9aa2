"""What a run folder holds beyond single units: scores, a comparison, a circuit, served classes, an explanation.

    scores.csv, names.csv                             tables of scores, as `vital score` and `vital describe` write them
    table.csv, comparison.csv, montage.png, ...       a comparison, as `vital compare` writes it
    circuit.json, circuit.png, classes.json           a circuit or served classes, as `vital circuit` writes them
    explanation.json, explanation.png                 the explanation of an image, as `vital explain` writes it

None is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vital.comparing.panels import table_of as read_scores
from vital.comparing.table import INFORMATIVE
from vital.errors import RunError
from vital.metrics import untrusted
from vital.reporting.facts import CIRCUIT, CLASSES, read_circuit
from vital.reporting.records import Finding, Sheet, Table
from vital.utils.io import csv_lines, read_json, read_picture, read_text

CONTROLS = frozenset(
    (
        "constant word", "shuffled units", "random weights", "next name", "control", "real images",
        "shuffled references", "other references", "shortcut twins",
    )
)  # fmt: skip
"""What rows of tables are called that know nothing of the units, or are there to be compared with."""

SCORES = ("scores.csv", "names.csv")
"""The tables of scores of a run folder that a page shows."""

COMPARISON, EXPLANATION = "table.csv", "explanation.json"
FINDINGS = (COMPARISON, EXPLANATION, CLASSES)
"""Files that make a folder one to show, also without pictures or words of units."""

TABLE_ROWS = 200
"""How many rows of a table of scores a page shows."""

FIRST = 5
"""How many winners of a layer, and how many served classes, a page shows."""


def tables_of(folder: Path, name: str) -> list[Table]:
    """The tables of scores that a folder holds. Raises `DataError`."""
    return [
        table
        for file in SCORES
        if (folder / file).is_file()
        for table in _table(folder / file, f"{name}/{file}")
    ]


def _bracketed(header: Sequence[str]) -> list[str]:
    """The columns, those of metrics that are not to be trusted in brackets, as `vital describe` shows them.

    >>> _bracketed(["row", "auprc", "auc"])
    ['row', 'auprc', '(auc)']
    """
    blind = set(untrusted())
    return [f"({column})" if column in blind else column for column in header]


def findings_of(folder: Path, name: str) -> list[Finding]:
    """What a folder holds beyond single units. Raises `RunError` and `DataError` for what is damaged."""
    kinds = (
        (COMPARISON, _comparison),
        (CIRCUIT, _circuit),
        (CLASSES, _classes),
        (EXPLANATION, _explanation),
    )
    return [made(folder, name) for file, made in kinds if (folder / file).is_file()]


def table_of(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts; rows that name a control (`CONTROLS`) are marked. Long ones are cut."""
    controls = frozenset(i for i, row in enumerate(rows) if any(map(_is_control, row)))
    shown = name if len(rows) <= TABLE_ROWS else f"{name}: the first {TABLE_ROWS} of {len(rows)} rows"
    return Table(shown, tuple(header), tuple(map(tuple, rows[:TABLE_ROWS])), controls)


def _is_control(cell: str) -> bool:
    """Whether a cell names a control, by itself or as one of a method.

    >>> _is_control("real images"), _is_control("vital, random weights"), _is_control("vital")
    (True, True, False)
    """
    return cell in CONTROLS or cell.rpartition(", ")[2] in CONTROLS


def in_parts(table: Table) -> tuple[Table, ...]:
    """The table of a comparison without its uninformative columns, and these folded in one of their own."""
    verdict = next((row for row in table.rows if row[:1] == (INFORMATIVE,)), ())
    mute = [i for i, cell in enumerate(verdict) if cell.startswith("no")]
    if not mute:
        return (table,)

    def kept(columns: Sequence[int], name: str, *, folded: bool) -> Table:
        header, *rows = (tuple(row[i] for i in columns) for row in (table.header, *table.rows))
        return Table(name, header, tuple(rows), table.controls, folded)

    told = [i for i in range(len(verdict)) if i not in mute]
    more = f"{len(mute)} more, uninformative: a control scores as well, or real images do worse"
    parts = [kept(told, table.name, folded=False)] if len(told) > 1 else []
    return (*parts, kept([0, *mute], more, folded=True))


def _table(file: Path, name: str) -> list[Table]:
    """The table that a file holds; none where it is empty."""
    rows = [row for _, row in csv_lines(read_text(file), repr(str(file)))]
    return [table_of(name, _bracketed(rows[0]), rows[1:])] if rows else []


def _sheets(folder: Path, captions: Mapping[str, str]) -> tuple[Sheet, ...]:
    """The pictures that are there, with what they show."""
    return tuple(
        Sheet(name, caption, partial(read_picture, folder / name))
        for name, caption in captions.items()
        if (folder / name).is_file()
    )


def _comparison(folder: Path, name: str) -> Finding:
    sheets = {"montage.png": "The units by all methods and controls", "curves.png": "Quality against cost"}
    scores = folder / "comparison.csv"
    said = read_scores(read_text(scores), tuple(CONTROLS)).conclusion() if scores.is_file() else ""
    return Finding(
        "Methods compared",
        name,
        tuple(said.splitlines()),
        tuple(part for one in _table(folder / COMPARISON, f"{name}/{COMPARISON}") for part in in_parts(one)),
        _sheets(folder, sheets),
    )


def _circuit(folder: Path, name: str) -> Finding:
    unit = str(read_json(folder / CIRCUIT).get("unit", ""))
    edges = [
        (link.unit, of, f"{100 * link.weight:.1f} %")
        for of, links in read_circuit(folder / CIRCUIT).items()
        for link in links
    ]
    return Finding(
        f"What feeds {unit}" if unit else "What feeds what",
        name,
        tables=(table_of("Shares of the relevance", ("feeder", "unit", "share"), edges),),
        sheets=_sheets(folder, {"circuit.png": "Each unit above those that feed it"}),
    )


def _classes(folder: Path, name: str) -> Finding:
    told = read_json(folder / CLASSES)
    rows = [
        (str(row.get("label") or row.get("class")), _share(row.get("share")), str(row.get("images", "")))
        for row in _rows(told.get("classes"), folder / CLASSES)[: 2 * FIRST]
    ]
    header = ("class", "mean share of the relevance", "images")
    return Finding(
        f"Classes that {told.get('unit', '')} serves", name, tables=(table_of("Most first", header, rows),)
    )


def _explanation(folder: Path, name: str) -> Finding:
    told = read_json(folder / EXPLANATION)
    decision = str(told.get("class") or told.get("decision", ""))
    odds = [f"probability {_share(told['probability'])}"] if told.get("probability") is not None else []
    score = [f"score {_short(told.get('score'))}"]
    by_layer: dict[str, list[tuple[str, ...]]] = {}
    for row in _rows(told.get("winners"), folder / EXPLANATION):
        layer = str(row.get("unit", "")).rpartition(":")[0]
        cells = [_share(row.get("share")), _short(row.get("strength")), _short(row.get("contribution"))]
        by_layer.setdefault(layer, []).append((str(row.get("unit", "")), str(row.get("label") or ""), *cells))
    rows = [row for own in by_layer.values() for row in own[:FIRST]]
    header = ("unit", "label", "places won", "strength", "contribution")
    return Finding(
        f"Why {decision}",
        name,
        (", ".join((*odds, *score)) + f"; contributions by {told.get('by', '')}",),
        (table_of("The units that won, the largest contributions of each layer", header, rows),),
        _sheets(folder, {"explanation.png": "The image, and where the units won"}),
    )


def _rows(value: Any, file: Path) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RunError(f"{str(file)!r} is damaged: it lists no rows; remove it, and make it again")
    return value


def _share(value: Any) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else ""


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else ""
