"""Labels of other tools, read from the files that they publish.

| format | header | units start at | label |
|---|---|---|---|
| vital | layer,unit,method,label,candidate,score,... | as named | what labels.csv says |
| netdissect | unit,category,label,score,... | 1 | the category's mark (-s, -c) taken off |
| clip-dissect | layer,unit,description,similarity | 0 | one concept |
| milan | layer,unit,description | 0 | a sentence |
| milannotations | layer,unit,summary | 0 | one sentence of each person |
| dnd | Neuron ID,label or Neuron ID,Label 1,Label 2,... | 0 | the first; the others follow |
| invert | neuron,concept,concept_id,metric | 0 | a concept with its AUC |
| cosy | neuron,concept,AUC,U1,p,MAD | 0 | the concept that was evaluated |
| linear-explanations | unit,...,weight0,concept0,...,sim correlation | 0 | the concept of the largest positive weight |
|  | unit,description,sim correlation | 0 | what was simulated |
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vital.errors import DataError, UsageError, VitalError, nearest
from vital.records import NOT_JUDGED, STANDS, TAKEN_BACK, Description
from vital.units import Unit
from vital.utils.io import parse_json, path_of, read_csv, resolved
from vital.utils.registry import Registry

Row = Mapping[str, str]


@dataclass(frozen=True)
class Importer:
    """How one format is read: the columns that it is known by, and what a row of it says.

    `needs` are the columns that must be there, `lacks` those that would make it another format. `read` gets a row and
    the layer that the file's name tells of, for formats that have no column for it.
    """

    needs: tuple[str, ...]
    read: Callable[[Row, str], Description]
    lacks: tuple[str, ...] = ()

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a file with this header can be of this format."""
        have = {name.lower() for name in header}
        return have.issuperset(self.needs) and not have & set(self.lacks)


IMPORTERS: Registry[Importer] = Registry("format of labels")


def import_labels(path: str | Path, format: str | None = None, layer: str | None = None) -> list[Description]:  # noqa: A002
    """Read a file of labels as descriptions, one for each row.

    The format is known by the header; `format` forces one of `IMPORTERS`. Files without a column for it get their
    layer from the end of their name (`resnet50_imagenet_fc.csv` tells of fc) or from `layer`. Raises `DataError` for
    a file that is of no format or has a row that cannot be read, and `RunError` for one that cannot be opened.
    """
    path = path_of(path)
    header, rows = read_csv(path)
    header = [column.lower() for column in header]
    name = format or detected(path, header)
    importer = IMPORTERS[name]
    if format and not importer.fits(header):
        raise DataError(f"{str(path)!r} is no {name} file: {_known_by(importer)} (it has {_shown(header)})")
    found = []
    for number, row in rows:
        cells = {column.lower(): cell.strip() for column, cell in row.items()}
        try:
            said = importer.read(cells, layer or layer_of(path))
        except (ValueError, KeyError, VitalError) as error:
            why = f"the column {error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{str(path)!r}, line {number}: {why}") from error
        found.append(replace(said, method=said.method or name))
    if not found:
        raise DataError(f"{str(path)!r} holds a header and no labels")
    return _numbered(found) if name == "milannotations" else found


def import_files(
    paths: Sequence[str | Path],
    format: str | None = None,  # noqa: A002
    layer: str | None = None,
) -> list[list[Description]]:
    """Read several files of labels: what each says, with a method's name that tells the sources apart.

    A method that several files have gets the file's name behind its own, with as many folders as it takes. Raises
    `UsageError` for a file that is given twice, and what `import_labels` raises.
    """
    files = [path_of(path) for path in paths]
    if twice := [
        str(file) for i, file in enumerate(files) if resolved(file) in {resolved(f) for f in files[:i]}
    ]:
        raise UsageError(f"the file {twice[0]!r} is given twice; give each file once")
    said = [import_labels(file, format, layer) for file in files]
    count = Counter(method for part in said for method in {one.method for one in part})
    names = _told_apart(files)
    return [
        [replace(one, method=f"{one.method}, {name}") if count[one.method] > 1 else one for one in part]
        for part, name in zip(said, names, strict=True)
    ]


def _told_apart(files: Sequence[Path]) -> list[str]:
    """The names of files, with as few of their folders as tell them apart.

    >>> _told_apart([Path("one/labels.csv"), Path("two/labels.csv"), Path("two/dnd.csv")])
    ['one/labels', 'two/labels', 'dnd']
    """
    parts = [resolved(file).with_suffix("").parts for file in files]
    wholes = [resolved(file).parts for file in files]
    names = []
    for own, whole in zip(parts, wholes, strict=True):
        same = [other for other in parts if other[-1] == own[-1]]
        depth = next((d for d in range(1, len(own)) if sum(o[-d:] == own[-d:] for o in same) == 1), 0)
        names.append("/".join(own[-depth:]) if depth else "/".join(whole[1:]))
    return names


def detected(path: Path, header: Sequence[str]) -> str:
    """The format of a file: that with the most of its columns; of equals, the one that its name or folder tells of.

    >>> detected(Path("fc.csv"), ["layer", "unit", "description", "similarity"])
    'clip-dissect'
    """
    fitting = [name for name in IMPORTERS if IMPORTERS[name].fits(header)]
    if not fitting:
        formats = "; ".join(f"{name}: {','.join(IMPORTERS[name].needs)}" for name in IMPORTERS)
        raise DataError(
            f"{str(path)!r} is of no format that is known by its header, {_shown(header)}; known are {formats}"
        )
    told = _letters(path.parent.name + path.name)
    return max(fitting, key=lambda name: (len(IMPORTERS[name].needs), _letters(name) in told))


def layer_of(path: Path) -> str:
    """The layer that a file's name ends in, such as fc in resnet50_imagenet_fc.csv or resnet18-fc.csv.

    >>> layer_of(Path("BLIP2-Layer3.csv")), layer_of(Path("vit_encoder_layer_10.csv"))
    ('layer3', 'layer_10')
    """
    found = re.search(r"(?:^|[-_])([A-Za-z][^-_]*(?:[-_]\d+)*)$", path.stem)
    name = found[1] if found else path.stem
    return name.lower() if re.fullmatch(r"Layer\d+", name) else name


def _numbered(said: list[Description]) -> list[Description]:
    """Several sentences for one unit are of several people: human-1, human-2 and so on."""
    count: dict[Unit, int] = {}
    found = []
    for one in said:
        count[one.unit] = count.get(one.unit, 0) + 1
        found.append(replace(one, method=f"human-{count[one.unit]}"))
    return found


def _known_by(importer: Importer) -> str:
    lacks = f" and not {', '.join(importer.lacks)}" if importer.lacks else ""
    return f"its header must have {', '.join(importer.needs)}{lacks}"


def _shown(header: Sequence[str]) -> str:
    shown = ", ".join(header[:8]) + (f", … ({len(header)} in all)" if len(header) > 8 else "")
    wanted = {name for entry in IMPORTERS for name in IMPORTERS[entry].needs}
    close = next((near for h in header if h not in wanted for near in nearest(h, wanted, 1)), "")
    return repr(shown) + (f" (did you mean {close!r}?)" if close and close not in header else "")


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _unit(row: Row, column: str, layer: str, first: int = 0) -> Unit:
    text = row[column]
    index = _index(text)
    if index is None or index < first:
        raise ValueError(f"the {column} is {text[:40]!r}; allowed are whole numbers from {first}")
    return Unit(row.get("layer") or layer, index - first)


def _index(text: str) -> int | None:
    """A whole number from 0, which tables may have written as 3.0; None for anything else.

    >>> _index("3.0"), _index("²"), _index("9" * 400)
    (3, None, None)
    """
    match = re.fullmatch(r"(\d{1,18})(?:\.0+)?", text)
    return int(match[1]) if match else None


def _number(row: Row, column: str) -> float:
    """A number; what is empty or infinite is none, and NaN."""
    text = row.get(column, "")
    if not text:
        return math.nan
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"the {column} is {text!r}; allowed are numbers") from None
    return found if math.isfinite(found) else math.nan


def _finite(value: Any) -> float:
    found = math.nan if value is None else float(value)
    return found if math.isfinite(found) else math.nan


def _said(text: str) -> str:
    """A label without the quotation marks around it that language models like to write.

    >>> _said('"Buffalo in Paddy Fields"')
    'Buffalo in Paddy Fields'
    """
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] == '"' else text


def _vital(row: Row, layer: str) -> Description:
    unit = Unit.parse(row["unit"]) if ":" in row["unit"] else _unit(row, "unit", layer)
    p, status = _number(row, "p_value"), row.get("status", "") or NOT_JUDGED
    if not (math.isnan(p) or 0 <= p <= 1):
        raise ValueError(f"the p_value is {p:g}; allowed are numbers from 0 to 1")
    if status not in (STANDS, TAKEN_BACK, NOT_JUDGED):
        raise ValueError(f"the status is {status!r}; allowed are {STANDS}, {TAKEN_BACK} and {NOT_JUDGED}")
    return Description(
        unit=unit,
        method=row["method"],
        label="" if status == TAKEN_BACK else row["label"],
        score=_number(row, "score"),
        candidate=row.get("candidate", "") or row["label"],
        others=_others(row),
        p_value=None if math.isnan(p) else p,
        evidence=tuple(map(str, _json(row, "evidence"))),
        seed=_whole(row, "seed") or 0,
        model=row.get("model", ""),
        status=status,
        reason=row.get("reason", ""),
        split_seed=_whole(row, "split_seed"),
    )


def _whole(row: Row, column: str) -> int | None:
    """A whole number from 0, which tables may have written as 3.0; None for nothing."""
    text = row.get(column, "")
    index = _index(text)
    if text and index is None:
        raise ValueError(f"the {column} is {text[:40]!r}; allowed are whole numbers from 0")
    return index


def _others(row: Row) -> tuple[tuple[str, float], ...]:
    """The next best: texts, each with its score or without one."""
    found = list[tuple[str, float]]()
    for each in _json(row, "others"):
        pairs = each.items() if isinstance(each, dict) else [each if isinstance(each, list) else (each, None)]
        found += [(str(text), _finite(score)) for text, score in pairs]
    return tuple(found)


def _json(row: Row, column: str) -> list[Any]:
    """A list written as JSON, or as texts with semicolons between them."""
    text = row.get(column, "")
    with suppress(ValueError):
        found = parse_json(text or "[]")
        return found if isinstance(found, list) else [found]
    return [part.strip() for part in text.split(";") if part.strip()]


def _netdissect(row: Row, layer: str) -> Description:
    mark = {"scene": "-s", "color": "-c"}.get(row["category"], "")
    label = row["label"].removesuffix(mark) if mark else row["label"]
    details = {"category": row["category"], "published": row["label"]}
    return Description(_unit(row, "unit", layer, first=1), "", label, _number(row, "score"), details=details)


def _described(row: Row, layer: str) -> Description:
    return Description(_unit(row, "unit", layer), "", _said(row["description"]), _number(row, "similarity"))


def _annotated(row: Row, layer: str) -> Description:
    return Description(_unit(row, "unit", layer), "", _said(row["summary"]), math.nan)


def _dnd(row: Row, layer: str) -> Description:
    columns = sorted(
        (c for c in row if re.fullmatch(r"label(?: \d+)?", c)), key=lambda c: int(c[len("label ") :] or 0)
    )
    if not columns:
        raise KeyError("label")
    texts = [text for c in columns if (text := _said(row[c]))]
    others = tuple((text, math.nan) for text in texts[1:])
    return Description(_unit(row, "neuron id", layer), "", texts[0] if texts else "", math.nan, others=others)


def _invert(row: Row, layer: str) -> Description:
    details = {"concept_id": row["concept_id"]}
    return Description(
        _unit(row, "neuron", layer), "", row["concept"], _number(row, "metric"), details=details
    )


def _cosy(row: Row, layer: str) -> Description:
    details = {name: _number(row, name.lower()) for name in ("U1", "p", "MAD")}
    return Description(_unit(row, "neuron", layer), "", row["concept"], _number(row, "auc"), details=details)


def _linear(row: Row, layer: str) -> Description:
    score = _number(row, "sim correlation")
    if "description" in row:
        return Description(_unit(row, "unit", layer), "", _said(row["description"]), score)
    pairs = [
        (row[f"concept{i}"], _number(row, f"weight{i}")) for i in range(len(row)) if f"concept{i}" in row
    ]
    for i, (text, weight) in enumerate(pairs):
        if text and math.isnan(weight) and (cell := row.get(f"weight{i}")):
            raise ValueError(f"the weight of {text!r} is {cell!r}; allowed are finite numbers")
    used = sorted(
        ((text, x) for text, x in pairs if text and x and math.isfinite(x)), key=lambda pair: -pair[1]
    )
    label = used[0][0] if used and used[0][1] > 0 else ""
    details = {"terms": [list(pair) for pair in used], "bias": _number(row, "bias")}
    others = tuple(used[1:] if label else used)
    reason = "" if label else "no weight of the sum is positive"
    return Description(
        _unit(row, "unit", layer), "", label, score, others=others, details=details, reason=reason
    )


IMPORTERS.register("vital")(Importer(("unit", "method", "label"), _vital))
IMPORTERS.register("netdissect")(Importer(("unit", "category", "label", "score"), _netdissect))
IMPORTERS.register("milan")(
    Importer(("layer", "unit", "description"), _described, ("similarity", "sim correlation"))
)
IMPORTERS.register("clip-dissect")(
    Importer(("layer", "unit", "description"), _described, ("sim correlation",))
)
IMPORTERS.register("milannotations")(Importer(("layer", "unit", "summary"), _annotated))
IMPORTERS.register("dnd")(Importer(("neuron id",), _dnd))
IMPORTERS.register("invert")(Importer(("neuron", "concept", "concept_id", "metric"), _invert))
IMPORTERS.register("cosy")(Importer(("neuron", "concept", "auc"), _cosy))
IMPORTERS.register("linear-explanations")(Importer(("unit", "sim correlation"), _linear))
