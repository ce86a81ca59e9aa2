"""`vital exemplars`: the images that show units best, with heat maps, beside prototypes where there are some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli import options as opt
from vital.cli.common import show_skipped, table, watched
from vital.cli.talk import log, wrote
from vital.errors import UsageError
from vital.utils.io import as_png, write

if TYPE_CHECKING:
    from vital.models import Model
    from vital.rendering.natural_exemplars import Exemplars
    from vital.units import Unit


@opt.grouped
def exemplars(
    model: opt.ModelName,
    units: opt.UnitNames,
    out: opt.RunFolder,
    source: opt.BatchedImageOptions,
    *,
    count: opt.HowMany = 8,
    by: opt.ExemplarsBy = "activation",
    for_unit: opt.ForUnit = None,
    rule: opt.Rule = "zplus",
    conditions: opt.Conditions = None,
    network: opt.NetworkOptions,
) -> None:
    """Show the images that excite each unit most.

    With --by relevance they are those in which it is most relevant for another unit, or for their class. Heat shows
    where in them it looked; with --condition, what of that passes through the units named alone. Writes
    units/UNIT/exemplars.png (the images, below each the same with heat), exemplars.json and single pictures to the
    folder RUN, where vital report finds them. Where vital render has left prototypes of the units there, exemplars.png
    shows both side by side. The exit code is 1 where no relevance arrives.
    """
    from vital.activations.targets import find_target
    from vital.rendering.natural_exemplars import exemplars as find

    if by == "relevance" and not for_unit:
        raise UsageError(
            "--by relevance needs --for UNIT, a class or unit that reads this one, label or predicted"
        )
    net, pictures = network.open(model, source.image_labels), source.needed("images are needed")
    chosen = list(dict.fromkeys(net.units(units)))
    aim = find_target(net, pictures, for_unit) if for_unit else None
    reader = aim.unit if aim else None
    passed = net.units(conditions or [])
    made = source.make_bank(net, pictures, [*chosen, *([reader] if reader else [])])
    made.rank(chosen, progress=watched())
    how: dict[str, Any] = {"by": by, "for_unit": for_unit, "rule": rule, "conditions": passed}
    found = {unit: find(made, unit, count, **how) for unit in chosen}
    for unit, some in found.items():
        wrote(_keep(out, unit, some))
    beside = _show_beside(out, net, found)
    rows = [(unit, e.name, f"{e.value:.4g}", e.by, e.status) for unit, some in found.items() for e in some]
    typer.echo(table(["unit", "image", some_by(found), "heat", "status"], rows))
    typer.echo(f"\n{out / 'units'}: exemplars.png of each unit, the images and below each the same with heat")
    if beside:
        typer.echo(f"{beside}: the prototypes beside them")
    show_skipped(made.images)
    if conditions or by == "relevance":
        _check_arrived(found)


def _check_arrived(found: dict[Unit, Exemplars]) -> None:
    """End with exit code 1 where no relevance arrived in any image of a unit."""
    if dead := [str(unit) for unit, some in found.items() if all(e.status != "done" for e in some)]:
        why = "choose other units, conditions or images"
        log.error("no relevance arrived for %s; %s", ", ".join(dead), why)
        raise typer.Exit(1)


def some_by(found: dict[Unit, Exemplars]) -> str:
    """What the exemplars are ranked by."""
    return next((e.of for some in found.values() for e in some), "value")


def _keep(out: Path, unit: Unit, some: Exemplars) -> Path:
    from vital.rendering.run_folder import folder_name, save_exemplars

    save_exemplars(out, some)
    file = out / "units" / folder_name(unit) / "exemplars.png"
    write(file, as_png(some.to_grid()))
    return file


def _show_beside(out: Path, model: Model, found: dict[Unit, Exemplars]) -> Path | None:
    """Draw the prototypes that the folder holds with the exemplars; None where it holds none."""
    from vital.rendering.run_folder import prototypes_in
    from vital.rendering.sheets import plot_with_exemplars

    prototypes = prototypes_in(out, model.weights_hash(), list(found))
    if not prototypes:
        return None
    file = out / "exemplars.png"
    write(file, as_png(plot_with_exemplars(prototypes, [found[p.unit] for p in prototypes])))
    return file
