"""`vital demo`: the whole path on the built-in world, offline, with the truth beside what is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from vital.cli.common import open_images, table, watched
from vital.cli.options import NetworkOptions
from vital.cli.render import carried_out

if TYPE_CHECKING:
    from vital.activations import ReferenceBank
    from vital.models import Model
    from vital.records import Description
    from vital.units import Unit
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

DESCRIBED = ("clip-dissect",)
"""The describers that take seconds."""

HEADER = ("unit", "truth", "AUPRC", "judge sees", "nearest words", *DESCRIBED)

Out = Annotated[Path, Option("--out", metavar="RUN", help="The run folder; a stopped demo goes on.")]


def demo(out: Out = Path("runs/demo")) -> None:
    """Show eight units of a small built-in network.

    Pictures and words of each stand beside what is true of it. Trains nothing and downloads nothing. RUN/report.html
    shows all of it on one page; the pictures are in RUN/sheet.png, the words in RUN/labels.csv.
    """
    import torch

    from vital.describing.run_folder import write_labels
    from vital.rendering import exemplars, make_method, save_exemplars
    from vital.rendering.api import bank_for
    from vital.rendering.resume import request_for
    from vital.rendering.run_folder import write_sheet
    from vital.reporting import report
    from vital.world.networks.check import checked

    pictures = open_images(Path("world"))
    net = NetworkOptions().open("world")
    chosen = net.units(UNITS)
    method = make_method("vital")
    request = request_for(net, chosen, method, images=pictures)
    with carried_out(out, net, "world", [request], chosen, method, pictures) as (run,):
        made = torch.stack([run.prototype(unit).image for unit in chosen])
        checks = checked(net, chosen, made, progress=watched())
        write_sheet(out, {str(check.truth.unit): _title(check) for check in checks})
        bank = bank_for(net, pictures, chosen)
        words = _words(net, chosen, bank)
        write_labels(out / "labels.csv", [*_said(checks, net.name), *words])
        for unit in chosen:
            save_exemplars(out, exemplars(bank, unit, EXEMPLARS))
        page = report(out)
    typer.echo(table(HEADER, [_row(check, words) for check in checks]))
    right = sum(check.right for check in checks)
    typer.echo(f"\nThe judge, another network, sees the truth in {right} of {len(checks)} pictures: {page}")


def _title(check: Check) -> list[str]:
    """What stands below a picture: the unit, a class by its name, and the truth where that says more."""
    unit, truth = check.truth.unit, check.truth.concept.name
    name = f"{unit.layer}:{unit.label}" if unit.is_class and unit.label else str(unit)
    return [name] if unit.label == truth else [name, truth]


def _words(net: Model, units: Sequence[Unit], bank: ReferenceBank) -> list[Description]:
    """What CLIP-Dissect says of the units, from the images, and whether it stands."""
    from vital.describing.api import describers_of, prepared

    backends: dict[str, str] = {}
    asked = describers_of(DESCRIBED, {"n_random_models": 1})
    words = prepared(net, units, asked, bank=bank, images=None, concepts=None, backends=backends)
    return words.describe(units)


def _row(check: Check, words: Sequence[Description]) -> tuple[str, ...]:
    truth = check.truth
    said = [d.label or f"- ({d.candidate})" for d in words if d.unit == truth.unit]
    seen = check.seen if check.right else f"({check.seen})"
    return str(truth.unit), truth.concept.name, f"{truth.auprc:.2f}", seen, check.words, *said


def _said(checks: Sequence[Check], model: str) -> list[Description]:
    """All that is said of the units: the truth, what the judge sees, and the words nearest to the picture."""
    from vital.records import Description
    from vital.reporting.cards import TRUTH

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
