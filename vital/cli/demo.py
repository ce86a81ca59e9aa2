"""`vital demo`: the whole path on the built-in world, offline, with the truth beside what is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from vital.cli import options as opt
from vital.cli.atlas import show_failed
from vital.cli.common import table, watched
from vital.cli.stopping import stoppable
from vital.cli.talk import log, wrote

if TYPE_CHECKING:
    from vital.records import Description
    from vital.world.networks.check import Check

UNITS = (
    "class:striped torus",
    "class:metal star",
    "class:checkered cube",
    "planted:0",
    "planted:1",
    "planted:2",
    "layer3:32",
    "layer4:52",
)
"""Three classes, three units that were taught a concept, and two that were taught nothing and have a clear truth."""

EXEMPLARS = 10
"""Natural images that are shown of each unit."""

METHOD = "vital"
"""The method of the pictures."""

DESCRIBED = ("clip-dissect", "prototype")
"""The describers that take seconds."""

HEADER = ("unit", "truth", "AUPRC", "judge sees", "nearest words", *DESCRIBED)

IMAGES = 512
"""How many images of the world it looks at: as many as take seconds."""

STEPS = 192
"""How many steps a picture takes: on pictures of 64 pixels these do."""

Out = Annotated[Path, Option("--out", metavar="SITE", help="The folder of the site; a stopped demo goes on.")]


@opt.grouped
def demo(
    out: Out = Path("runs/demo"),
    device: opt.Device = None,
    dtype: opt.Dtype = None,
    batch: opt.Batch = None,
) -> None:
    """Show eight units of a small built-in network, as a small atlas.

    Pictures and words of each stand beside what is true of it. Trains nothing and downloads nothing. SITE/index.html
    grows while it runs, and SITE/report.html shows all of it on one page; SITE/run holds the pictures, with all of them
    in sheet.png, and the words in labels.csv.
    """
    import torch

    from vital.atlases import carry_out, prepare
    from vital.atlases.api import kept
    from vital.atlases.site import write_pages
    from vital.describing.evaluation.importers import import_labels
    from vital.describing.run_folder import write_labels
    from vital.models import load_model
    from vital.rendering.run_folder import write_sheet
    from vital.reporting.api import write_page
    from vital.reporting.sections import page_of
    from vital.world.networks.check import checked
    from vital.world.scenes.dataset import images

    net = load_model("world", device=device, dtype=dtype)
    context = prepare(
        net,
        UNITS,
        images(IMAGES),
        out,
        methods=[METHOD, *DESCRIBED],
        count=EXEMPLARS,
        steps=STEPS,
        batch=batch,
        n_random_models=1,
        n_seeds=1,
    )
    log.info("%s can be looked at from the first pictures on", out / "index.html")
    with stoppable(lambda: kept(context)):
        made = carry_out(context, progress=watched())
        show_failed(made)
        if not made.finished:
            raise typer.Exit(1)
        run, units = context.pictures(METHOD), context.request.units
        checks = checked(
            net, units, torch.stack([run.prototype(unit).image for unit in units]), progress=watched()
        )
        write_sheet(made.run, {str(check.truth.unit): _title(check) for check in checks})
        write_labels(made.run / "labels.csv", _said(checks, net.name))
        page = write_page(page_of([made.run]), out / "report.html")
        write_pages(context)
        wrote(page)
    words = [said for said in import_labels(made.run / "labels.csv", "vital") if said.method in DESCRIBED]
    typer.echo(table(HEADER, [_row(check, words) for check in checks]))
    right = sum(check.right for check in checks)
    typer.echo(f"\nThe judge, another network, sees the truth in {right} of {len(checks)} pictures: {page}")


def _title(check: Check) -> list[str]:
    """What stands below a picture: the unit, a class by its name, and the truth where that says more."""
    unit, truth = check.truth.unit, check.truth.concept.name
    name = f"{unit.layer}:{unit.label}" if unit.is_class and unit.label else str(unit)
    return [name] if unit.label == truth else [name, truth]


def _row(check: Check, words: Sequence[Description]) -> tuple[str, ...]:
    truth = check.truth
    said = [d.label or f"- ({d.candidate})" for d in words if str(d.unit) == str(truth.unit)]
    seen = check.seen if check.right else f"({check.seen})"
    return str(truth.unit), truth.concept.name, f"{truth.auprc:.2f}", seen, check.words, *said


def _said(checks: Sequence[Check], model: str) -> list[Description]:
    """All that is said of the units: the truth, what the judge sees, and the words nearest to the picture."""
    from vital.records import Description
    from vital.reporting.records import TRUTH

    found = []
    for check in checks:
        truth = check.truth
        for by, label, score in (
            (TRUTH, truth.concept.name, truth.auprc),
            ("judge", check.seen, float(check.right)),
            ("nearest words", check.words, check.score),
        ):
            found.append(Description(truth.unit, by, label, score, label, model=model))
    return found
