"""`vital score`: anybody's labels, judged on images and held against names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from vital.cli import completion
from vital.cli import options as opt
from vital.cli.backends import PlacementOptions, load_named, say_unplaced
from vital.cli.common import names_of, open_images, say_ignored, show_skipped, table, watched
from vital.cli.talk import wrote
from vital.errors import UsageError
from vital.utils.io import as_csv, write

if TYPE_CHECKING:
    from vital.backends import TextEncoder
    from vital.describing.evaluation.class_names import ClassNameMetrics
    from vital.describing.evaluation.table import Row
    from vital.models import Model
    from vital.records import Description

HEADER = (
    "method", "units", "labeled", "distinct", "top-1", "top-5", "MRR", "exact", "word", "cosine", "by",
)  # fmt: skip

FORMATS = "vital, netdissect, milan, clip-dissect, milannotations, dnd, invert, cosy, linear-explanations"
"""The formats that labels are read in, written out, so that the help needs no import of them."""

Files = Annotated[
    list[Path], Argument(metavar="LABELS.csv", help="Files of labels, of this or another tool.")
]
Names = Annotated[
    Path | None, Option(metavar="FILE", help="Names of the units: a line each, synonyms behind commas.")
]
ScoredModel = Annotated[
    str | None,
    Option(
        metavar="MODEL",
        help=f"The network of the units, whose class names are the names: {opt.FORMS}.",
        autocompletion=completion.models,
    ),
]
Format = Annotated[
    str | None,
    Option(
        metavar="FORMAT",
        help=f"How the labels are written: {FORMATS}; by default by the header.",
        autocompletion=completion.of(*FORMATS.split(", ")),
    ),
]
Layer = Annotated[str | None, Option(metavar="LAYER", help="The layer whose units have the names.")]
SplitSeed = Annotated[
    int | None,
    Option(
        min=0,
        metavar="N",
        help="The seed of the halves of the images; by default the one that the labels were made with.",
    ),
]
Out = Annotated[
    Path | None,
    Option("--out", metavar="RUN", help="Keep the tables: RUN/scores.csv, RUN/judged.csv, RUN/names.csv."),
]


@opt.grouped
def score(
    labels: Files,
    *,
    names: Names = None,
    model: ScoredModel = None,
    images: opt.Images = None,
    batch: opt.Batch = None,
    split_seed: SplitSeed = None,
    encoder: opt.TextEncoderName = None,
    placement: PlacementOptions,
    format: Format = None,  # noqa: A002
    layer: Layer = None,
    out: Out = None,
    network: opt.NetworkOptions,
) -> None:
    """Say how good labels are, of this or any other tool.

    With --images, --model and --encoder they are judged on images: do the units respond where the label is seen? With
    --names, or the class names of --model alone, labels of outputs are held against the names: first where the true
    name stands among all, then the cosine, which says nothing without the rows below it.
    """
    from vital.describing.evaluation.class_names import ClassNameMetrics
    from vital.describing.evaluation.importers import import_files
    from vital.describing.evaluation.table import COLUMNS
    from vital.describing.run_folder import COLUMNS as LABEL_COLUMNS
    from vital.describing.run_folder import rows_of

    if images is None:
        say_ignored("labels are judged on images alone; give --images DIR", "batch", "split_seed")
    say_unplaced(encoder)
    if model is None:
        say_ignored("no network is named; give --model MODEL", *names_of(opt.NetworkOptions))
    elif images is None and names is not None:
        say_ignored("the names are those of --names", "model", *names_of(opt.NetworkOptions))
        model = None
    said = import_files(labels, format, layer)
    net = None if model is None else network.open(model)
    if images is not None:
        judged, rows = _judged(said, net, images, batch, encoder, placement, split_seed)
        _keep(out, "scores.csv", COLUMNS, rows)
        _keep(out, "judged.csv", LABEL_COLUMNS, rows_of(judged))
    if images is None or names is not None:
        known = _names(names, net)
        embed = [None, *load_named({"text_encoder": encoder}, net, placement).values()]
        found = list(_rows(said, layer, known, embed))
        typer.echo(table(HEADER, [_shown(row) for row in found]))
        _keep(
            out,
            "names.csv",
            [field.name for field in fields(ClassNameMetrics)],
            [astuple(row) for row in found],
        )


def _judged(
    said: Sequence[list[Description]],
    net: Model | None,
    images: Path,
    batch: int | None,
    encoder: str | None,
    placement: PlacementOptions,
    split_seed: int | None,
) -> tuple[list[Description], list[Row]]:
    """Judge the labels on images, and print the table."""
    from vital.describing.base import Context
    from vital.describing.evaluation.significance import LabelEvaluator
    from vital.describing.evaluation.table import (
        evaluate_external,
        shown_rows,
        split_seed_of,
        verdict_lines,
    )

    if net is None or encoder is None:
        raise UsageError(
            f"--images {images} needs --model MODEL and --encoder open_clip:NAME/PRETRAINED or world"
        )
    every = [one for part in said for one in part]
    seed = split_seed_of(every) if split_seed is None else split_seed
    eyes = load_named({"encoder": encoder}, net, placement)["encoder"]
    pictures = replace(open_images(images), batch=batch)
    context = Context(net, pictures, encoder=eyes, split_seed=seed, progress=watched())
    judged, rows = evaluate_external(LabelEvaluator(context), every)
    head, cells = shown_rows(rows)
    typer.echo(table(head, cells))
    typer.echo(
        "Means over units, on the held-out half of the images; metrics in brackets are blind to missing or to extra "
        "labels."
    )
    for line in verdict_lines(judged):
        typer.echo(line)
    show_skipped(context.images)
    return judged, rows


def _names(names: Path | None, net: Model | None) -> Sequence[str]:
    from vital.utils.class_names import read_names

    if names is not None:
        return read_names(names)
    if net is None:
        raise UsageError(
            "there is nothing to hold the labels against; give --names FILE, or --model MODEL with its class names"
        )
    if not net.classes:
        raise UsageError(f"{net.name} has no class names; give --names FILE")
    return list(net.classes)


def _rows(
    said: Iterable[list[Description]],
    layer: str | None,
    names: Sequence[str],
    encoders: Sequence[TextEncoder | None],
) -> Iterable[ClassNameMetrics]:
    from vital.describing.evaluation.class_names import named, output_labels

    for part in said:
        for group in output_labels(part, layer):
            for encoder in encoders:
                yield from named(group, names, encoder)


def _shown(row: ClassNameMetrics) -> tuple[str, ...]:
    shares = (row.top1, row.top5, row.mrr, row.exact, row.shared, row.cosine)
    what = f"  {row.row}" if row.row else row.method
    by = row.similar if len(row.similar) < 40 else f"{row.similar.partition(':')[0]}:…{row.similar[-20:]}"
    return what, str(row.units), str(row.labeled), str(row.distinct), *(f"{x:.3f}" for x in shares), by


def _keep(out: Path | None, name: str, header: Sequence[str], rows: Iterable[Row | tuple[Any, ...]]) -> None:
    """Write a table into a run folder, where there is one."""
    if out is not None:
        write(out / name, as_csv(header, rows))
        wrote(out / name)
