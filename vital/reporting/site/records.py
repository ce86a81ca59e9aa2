"""What a site keeps of a unit in files: its record, a row of the index that pages search, and a row of a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vital.reporting.cards import number_of
from vital.reporting.page import visible
from vital.reporting.records import FAILED, PrototypeView, Reference, UnitView, WordsView
from vital.reporting.site.pictures import Written
from vital.utils.io import csv_cell

Record = dict[str, Any]

COLUMNS = (
    "unit", "layer", "class", "label", "candidate", "method", "score", "p_value", "others", "truth", "agreement",
    "status", "value", "percentile", "page", "picture",
)  # fmt: skip
"""The columns of units.csv; a unit has one row for each method that says something of it, and at least one."""


def record_of(view: UnitView, written: Written) -> Record:
    """All that a site knows of a unit, in the form of its unit.json; paths are from the folder of the site."""
    at = view.address.folder

    def path(name: str, ending: str = ".webp") -> str | None:
        return f"{at}/{name}{ending}" if f"{name}{ending}" in written.files else None

    return {
        "unit": view.unit,
        "layer": view.layer,
        "class": view.name,
        "label": view.headline,
        "silent": view.silent,
        "page": f"{at}/index.html",
        "state": FAILED if written.faults else view.state,
        "faults": [*view.faults, *written.faults],
        "truth": view.truth,
        "agreement": view.agreement,
        "prototypes": [
            _prototype(made) | {"picture": path(made.stem), "png": path(made.stem, ".png"), "stem": made.stem}
            for made in view.prototypes
        ],
        "exemplars": [
            {
                "name": one.name,
                "value": number_of(one.value),
                "of": one.of,
                "heat": one.by,
                "picture": path(one.stem),
            }
            for one in view.exemplars
        ],
        "words": [_words(said) for said in view.words],
        "histogram": None
        if view.histogram is None
        else {
            "images": view.histogram.images,
            "edges": view.histogram.edges,
            "counts": view.histogram.counts,
        },
        "neighbors": {"by": view.compared_by, "units": _references(view.neighbors)},
        "feeders": _references(view.feeders),
        "classes": _references(view.classes),
    }


def _prototype(made: PrototypeView) -> Record:
    names = ("method", "seed", "run", "control", "status", "value", "percentile", "lacking")
    return {name: getattr(made, name) for name in names}


def _words(said: WordsView) -> Record:
    names = ("method", "label", "candidate", "score", "p_value", "seed")
    return {name: getattr(said.row, name) for name in names} | {
        "run": said.run,
        "control": said.control,
        "others": said.others,
        "evidence": said.evidence,
    }


def _references(found: Iterable[Reference]) -> list[Record]:
    return [{"unit": one.unit, "weight": one.weight} for one in found]


def row_of(record: Record, pictures: Sequence[str]) -> list[Any]:
    """A unit in the index that pages search, as site.js reads it.

    What it says are: unit, class, label, other words, state (and 4 more where nothing has a label), value, percentile,
    agreement, name of the page, which of `pictures` there are, as a sum of powers of two, and the truth.
    """
    drawn = {made["stem"] for made in record["prototypes"] if made["picture"]}
    if any(one["picture"] for one in record["exemplars"]):
        drawn.add("e00")
    first: Record = next((made for made in _own(record["prototypes"]) if made["picture"]), {})
    said = dict.fromkeys(
        text for word in _own(record["words"]) for text in (word["label"], word["candidate"]) if text
    )
    said.pop(record["label"], None)
    page = record["page"].split("/")[-2]
    own = record["unit"].removeprefix(f"{record['layer']}:")
    return [
        visible(record["unit"]),
        visible(record["class"]),
        visible(record["label"]),
        visible("\n".join(said)),
        record["state"] + 4 * record["silent"],
        _digits(first.get("value")),
        _digits(first.get("percentile")),
        _digits(record["agreement"]),
        0 if page == own else page,
        sum(1 << i for i, stem in enumerate(pictures) if stem in drawn),
        visible(record["truth"]),
    ]


def _own(found: Sequence[Record]) -> Sequence[Record]:
    """The prototypes or words of a unit without those of its controls; these where it has no others."""
    return [one for one in found if not one.get("control")] or found


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def script(name: str, value: Any) -> bytes:
    """A file of data that a page loads as a script, which works from a folder too: `name(value)`.

    >>> script("units", ["a", 1]).decode().strip()
    'units(["a",1]);'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"{name}({text.replace(chr(0x2028), '').replace(chr(0x2029), '')});\n".encode()


def csv_lines_of(record: Record) -> bytes:
    """The rows of a unit in units.csv."""
    drawn = _own(record["prototypes"])
    first: Mapping[str, Any] = next(iter(drawn), {})
    status = "; ".join(dict.fromkeys(made["status"] for made in drawn))
    common = {
        **{name: record[name] for name in ("unit", "layer", "class", "truth", "agreement", "page")},
        **{name: first.get(name) for name in ("value", "percentile", "picture")},
        "status": "; ".join([status, *record["faults"]]) if record["faults"] else status,
    }
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for word in _own(record["words"]) or [{}]:
        others = " | ".join(other for other, _ in word.get("others", ()))
        row = word | common | {"others": others}
        table.writerow([csv_cell(visible(row.get(name))) for name in COLUMNS])
    return text.getvalue().encode()
