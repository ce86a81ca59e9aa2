"""`vital agree` and `vital classes`: labels beside labels, and descriptions beside the names of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vital.cli import completion
from vital.cli import options as opt
from vital.cli.backends import PlacementOptions, load_named
from vital.cli.common import table
from vital.cli.talk import wrote
from vital.errors import UsageError
from vital.utils.io import as_csv, write

TwoFiles = Annotated[
    list[Path], Argument(metavar="LABELS.csv", help="Files of labels: two methods or more in one or several.")
]
Format = Annotated[
    str | None, Option(metavar="FORMAT", help="The format of the files; by default by the header.")
]
Layer = Annotated[str | None, Option(metavar="LAYER", help="The layer of files that do not say it.")]
Out = Annotated[Path | None, Option("--out", metavar="CSV", help="Write what agrees unit by unit.")]
Text = Annotated[str, Argument(metavar="TEXT", help="A description, in quotes.")]
Names = Annotated[Path | None, Option(metavar="FILE", help="Names of classes, a line each.")]
NamedModel = Annotated[
    str | None,
    Option(
        metavar="MODEL",
        help=f"The network whose classes they are: {opt.FORMS}.",
        autocompletion=completion.models,
    ),
]


@opt.grouped
def agree(
    labels: TwoFiles,
    *,
    encoder: opt.TextEncoderName = None,
    placement: PlacementOptions,
    format: Format = None,  # noqa: A002
    layer: Layer = None,
    out: Out = None,
) -> None:
    """Say how far ways of naming the same units agree.

    Every two methods are compared on the units that both have a label for: by the words in common, or with --encoder
    by the cosine of the texts, so that puppy and dog agree. The floor is what labels of other units and a text that
    says nothing reach.
    """
    from vital.describing.evaluation.agreement import agreement, by_method, pairs_of
    from vital.describing.evaluation.importers import import_files

    said = by_method([one for part in import_files(labels, format, layer) for one in part])
    if len(said) < 2:
        raise UsageError(f"the files hold labels of {len(said)} method; give labels of two or more")
    eyes = load_named({"text_encoder": encoder}, None, placement).get("text_encoder")
    rows, single = [], []
    for (one, ours), (two, theirs) in pairs_of(said):
        units = [unit for unit in ours if unit in theirs]
        if not units:
            rows.append([one, two, "0", "-", "-", "-", "-"])
            continue
        found = agreement([ours[unit] for unit in units], [theirs[unit] for unit in units], eyes)
        above = [x for x in found.above if x is not None]
        numbers = (found.mean, found.floor, sum(above) / len(above), sum(found.same) / len(units))
        rows.append([one, two, str(len(units)), *(f"{x:.3f}" for x in numbers)])
        single += [
            (str(unit), one, two, ours[unit], theirs[unit], *pair)
            for unit, *pair in zip(units, found.cosines, found.above, strict=True)
        ]
    typer.echo(table(["method", "and", "units", "likeness", "floor", "above", "same words"], rows))
    if out is not None:
        write(out, as_csv(["unit", "method", "and", "label", "other", "likeness", "above"], single))
        wrote(out)


@opt.grouped
def classes(
    text: Text,
    *,
    encoder: opt.TextEncoderName = None,
    placement: PlacementOptions,
    names: Names = None,
    model: NamedModel = None,
    count: Annotated[int, Option(min=1, metavar="K", help="How many classes to list.")] = 5,
    network: opt.NetworkOptions,
) -> None:
    """Find the classes that a description speaks of.

    They are ordered by the cosine of the texts, nearest first.
    """
    from vital.describing import class_of_description
    from vital.utils.class_names import read_names

    if encoder is None:
        raise UsageError(
            "texts are compared by an encoder; give --encoder sentence-transformers:NAME or another"
        )
    known = read_names(names) if names else ()
    if not names:
        if model is None:
            raise UsageError(
                "there are no class names; give --names FILE, or --model MODEL with its class names"
            )
        known = list(network.open(model).classes)
    eyes = load_named({"text_encoder": encoder}, None, placement)["text_encoder"]
    found = class_of_description(eyes, text, known, count)
    typer.echo(table(["class", "cosine"], [(name, f"{cosine:.3f}") for name, cosine in found]))
