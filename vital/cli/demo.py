"""`vital demo`: the whole path on the built-in world, offline, with the truth beside what is found."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
import typer
from PIL import Image
from typer import Option

from vital.cli.common import open_images, open_model, table, watched
from vital.cli.render import carried_out
from vital.files import write
from vital.recipes import method
from vital.recipes.render import default_batch
from vital.runs import Render, Run
from vital.trace import resolve_units
from vital.types import Images
from vital.units import Unit

if TYPE_CHECKING:  # the world is imported when the demo runs
    from vital.world.check import Check

UNITS = (
    "class:striped torus",
    "class:metal star",
    "class:checkered cube",
    "planted:0",
    "planted:1",
    "planted:2",
    "layer3:0",
    "layer4:0",
)
"""Three classes, three units that were taught a concept, and two that were taught nothing."""

HEADER = ("unit", "truth", "AUPRC", "judge sees", "nearest words")

Out = Annotated[Path, Option("--out", metavar="RUN", help="The run folder; a stopped demo goes on.")]


def demo(out: Out = Path("runs/demo")) -> None:
    """Show eight units of a small built-in network, in pictures and in words, beside what is true of them.

    Trains nothing and downloads nothing. The pictures are in RUN/sheet.png, the words in RUN/labels.csv.
    """
    from vital.world.check import checked

    pictures = open_images(Path("world"))
    net = open_model("world")
    chosen = resolve_units(net, UNITS)
    recipe = method("vital")
    found = {"hash": pictures.hash(), "count": len(pictures)}
    names = tuple(map(str, chosen))
    request = Render("vital", recipe.options(), 0, default_batch(net), names, images=found)
    with carried_out(out, net, "world", request, recipe, pictures) as run:
        checks = checked(net, chosen, _saved(run, names), progress=watched())
        write(out / "labels.csv", _csv(names, checks))
    typer.echo(table(HEADER, [_row(unit, check) for unit, check in zip(chosen, checks, strict=True)]))
    right = sum(check.right for check in checks)
    typer.echo(
        f"\nThe judge, another network, sees the truth in {right} of {len(checks)} pictures: {out / 'sheet.png'}"
    )


def _saved(run: Run, units: Sequence[str]) -> Images:
    """The pictures as they were written: (B, 3, H, W)."""
    arrays = []
    for unit in units:
        with Image.open(run.file(unit)) as picture:
            arrays.append(np.asarray(picture.convert("RGB")))
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255


def _row(unit: Unit, check: Check) -> tuple[str, ...]:
    truth = check.truth
    seen = check.seen if check.right else f"({check.seen})"
    return str(unit), truth.concept.name, f"{truth.auprc:.2f}", seen, check.words


def _csv(units: Sequence[str], checks: Sequence[Check]) -> bytes:
    """Lay out all labels, a row per unit and method, with the score that the method gives its label."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["unit", "method", "label", "score"])
    for unit, check in zip(units, checks, strict=True):
        rows.writerow([unit, "truth", check.truth.concept.name, f"{check.truth.auprc:.6f}"])
        rows.writerow([unit, "judge", check.seen, int(check.right)])
        rows.writerow([unit, "nearest words", check.words, f"{check.score:.6f}"])
    return text.getvalue().encode()
