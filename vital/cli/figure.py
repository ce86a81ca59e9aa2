"""`vital figure`: run folders as a figure for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vital.cli import options as opt
from vital.cli.common import listed, megabytes
from vital.cli.talk import wrote
from vital.errors import UsageError

Runs = Annotated[
    list[Path], Argument(metavar="RUN", help="Run folders; units of one network stand together.")
]
Out = Annotated[
    Path | None,
    Option("--out", metavar="FILE", help="A .pdf, .svg or .png; of one RUN its figure.pdf unless given."),
]
KindName = Annotated[
    str | None,
    Option("--kind", metavar="KIND", help="grid, exemplars, words, compare, circuit or explain."),
]
Columns = Annotated[
    int, Option(min=1, max=2, metavar="N", help="Columns of the page: 1 is 3.25 inches wide, 2 are 6.75.")
]
SomeUnits = Annotated[
    list[str] | None, Option("--unit", metavar="UNIT", help="Show this unit alone; may be given again.")
]
SomeMethods = Annotated[
    str | None, Option("--methods", metavar="METHOD,METHOD", help="Methods to show, in this order.")
]
SomeMetrics = Annotated[
    str | None,
    Option(
        "--metrics",
        metavar="METRIC,METRIC",
        help="Metrics of a comparison; by default those not uninformative, all with --metrics all.",
    ),
]
LayersOf = Annotated[
    str | None,
    Option("--layers", metavar="LAYER,LAYER", help="Layers of an explanation; by default the last four."),
]
Count = Annotated[
    int | None,
    Option(
        min=1, metavar="N", help="Units, metrics or winners of a layer, up to 6; by default what fits a page."
    ),
]


@opt.grouped
def figure(
    runs: Runs,
    out: Out = None,
    kind: KindName = None,
    columns: Columns = 2,
    unit: SomeUnits = None,
    methods: SomeMethods = None,
    metrics: SomeMetrics = None,
    layers: LayersOf = None,
    count: Count = None,
) -> None:
    """Make a figure for a paper of what run folders hold.

    Text stays text, colors are told apart by everyone, and the same folders give the same file. The kinds: grid (units
    by methods), exemplars (units with the images that excite them and their words), words (a table of labels), compare
    (quality against seconds), circuit and explain. Without --kind it is the most special one that the folders have
    something for.
    """
    from vital.reporting.figures import make_figure
    from vital.reporting.holdings import Choice

    if out is None and len(runs) > 1:
        raise UsageError(
            f"a figure of {len(runs)} runs needs a name; give --out FILE, such as --out figure.pdf"
        )
    chosen = Choice(
        unit or (),
        listed(methods, "--methods") if methods else (),
        listed(metrics, "--metrics") if metrics else (),
        listed(layers, "--layers") if layers else (),
        count,
    )
    made = make_figure(*runs, kind=kind, columns=columns, choice=chosen)
    file = made.figure.save(out or runs[0] / "figure.pdf")
    wrote(file)
    wide, tall = made.figure.get_size_inches()
    size = megabytes(file.stat().st_size)
    typer.echo(f"{file}: {made.kind}, {made.shows}; {wide:.2f} x {tall:.2f} inches, {size}")
    if made.others:
        typer.echo(f"The runs hold these too: {', '.join(made.others)} (--kind).")
