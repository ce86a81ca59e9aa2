"""`vital score`: anybody's labels, held against names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vital.cli.common import open_model, table
from vital.cli.options import FORMS, Device
from vital.describe.importers import IMPORTERS, import_labels
from vital.describe.naming import Naming, named, output_labels, read_names
from vital.errors import UsageError
from vital.files import write
from vital.makers import TextEncoder, load_text_encoder

HEADER = (
    "method", "units", "labelled", "distinct", "top-1", "top-5", "MRR", "exact", "word", "cosine", "by",
)  # fmt: skip

Files = Annotated[
    list[Path], Argument(metavar="LABELS.csv", help="Files of labels, of this or another tool.")
]
Names = Annotated[
    Path | None, Option(metavar="FILE", help="Names of the units: a line each, synonyms behind commas.")
]
ScoredModel = Annotated[
    str | None, Option(metavar="MODEL", help=f"A network whose class names are the names: {FORMS}.")
]
Encoder = Annotated[
    str | None, Option(metavar="SPEC", help="sentence-transformers:NAME, open_clip:NAME/PRETRAINED or world.")
]
Format = Annotated[str | None, Option(metavar="FORMAT", help=f"One of {', '.join(IMPORTERS)}.")]
Layer = Annotated[str | None, Option(metavar="LAYER", help="The layer whose units have the names.")]
Out = Annotated[Path | None, Option("--out", metavar="RUN", help="Write RUN/scores.csv too.")]


def score(
    labels: Files,
    names: Names = None,
    model: ScoredModel = None,
    encoder: Encoder = None,
    format: Format = None,  # noqa: A002
    layer: Layer = None,
    device: Device = None,
    out: Out = None,
) -> None:
    """Hold labels of output units, of any tool, against the names of the classes.

    First where the true name stands among all, then the cosine, which says nothing without the rows below it: what
    one word for every unit, the labels of other units, and the name of the next class get. Likeness is that of the
    letters, and with --encoder that of the meaning too.
    """
    known = _names(names, model, device)
    embed = [None] if encoder is None else [None, load_text_encoder(encoder, device=device)]
    rows = list(_rows(labels, format, layer, known, embed))
    typer.echo(table(HEADER, [_shown(row) for row in rows]))
    if out is not None:
        write(out / "scores.csv", _csv(rows))


def _names(names: Path | None, model: str | None, device: str | None) -> Sequence[str]:
    if names is not None:
        return read_names(names)
    if model is None:
        raise UsageError("there is nothing to hold the labels against; give --names FILE or --model MODEL")
    net = open_model(model, device=device)
    if not net.classes:
        raise UsageError(f"{model} has no class names; give --names FILE")
    return list(net.classes)


def _rows(
    files: Iterable[Path],
    form: str | None,
    layer: str | None,
    names: Sequence[str],
    encoders: Sequence[TextEncoder | None],
) -> Iterable[Naming]:
    for file in files:
        for said in output_labels(import_labels(file, form, layer), layer):
            for encoder in encoders:
                yield from named(said, names, encoder)


def _shown(row: Naming) -> tuple[str, ...]:
    shares = (row.top1, row.top5, row.mrr, row.exact, row.shared, row.cosine)
    what = f"  {row.row}" if row.row else row.method
    by = row.similar if len(row.similar) < 40 else f"{row.similar.partition(':')[0]}:…{row.similar[-20:]}"
    return what, str(row.units), str(row.labelled), str(row.distinct), *(f"{x:.3f}" for x in shares), by


def _csv(rows: Sequence[Naming]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Naming)])
    writer.writerows([f"{x:.6g}" if isinstance(x, float) else x for x in astuple(row)] for row in rows)
    return text.getvalue().encode()
