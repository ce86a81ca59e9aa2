"""`vital circuit`: a unit, and below it the units of an earlier layer that feed it most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from vital.cli.common import bank_of, open_model, read_settings, table
from vital.cli.options import (
    BankFile,
    Batch,
    Device,
    Feeders,
    Images,
    InputSize,
    Labels,
    MethodName,
    ModelName,
    OneLayer,
    OneUnit,
    Rule,
    RunFolder,
    Seed,
    Settings,
    Size,
    Steps,
    Weights,
)
from vital.cli.render import carried_out, recipe_of
from vital.utils.io import as_json, as_png, write

if TYPE_CHECKING:
    from vital.attribution import Feeder
    from vital.rendering.run_folder import Run
    from vital.units import Unit

REFERENCES = 8


def circuit(
    model: ModelName,
    unit: OneUnit,
    layer: OneLayer,
    out: RunFolder,
    images: Images = None,
    bank: BankFile = None,
    labels: Labels = None,
    count: Feeders = 4,
    rule: Rule = "zplus",
    method: MethodName = "vital",
    steps: Steps = None,
    size: Size = None,
    seed: Seed = 0,
    batch: Batch = 0,
    settings: Settings = None,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
) -> None:
    """Show which units of an earlier layer feed a unit most, with a picture of each.

    The shares are those of the unit's relevance over the eight images that excite it most. Writes circuit.png and
    circuit.json to the folder RUN, beside what vital render writes there.
    """
    from vital.attribution import feeders
    from vital.records import Prototypes
    from vital.rendering.api import default_batch
    from vital.rendering.circuit import circuit_sheet
    from vital.rendering.run_folder import Render
    from vital.tracing import digests
    from vital.units import Unit

    recipe = recipe_of(method, {"steps": steps, "size": size}, read_settings(settings or []))
    net = open_model(model, weights, device, input_size)
    top = net.unit(unit)
    made = bank_of(net, [top, Unit(layer)], images, bank, labels)
    found = feeders(net, top, layer, made.tensor(made.strongest(top, REFERENCES)), count, rule=rule)
    chosen = [top, *(feeder.unit for feeder in found)]
    pictures = made.images if recipe.needs_images else None
    facts = {"hash": pictures.hash(), "count": len(pictures)} if pictures else None
    names, at_once = tuple(map(str, chosen)), batch or default_batch(net)
    request = Render(method, recipe.options(), seed, at_once, names, 0, facts, digests(chosen))
    with carried_out(out, net, model, request, chosen, recipe, pictures, bank) as run:
        shown = Prototypes(run.prototype(each) for each in chosen)
        write(out / "circuit.png", as_png(circuit_sheet(shown, found)))
        shares = {str(feeder.unit): feeder.share for feeder in found}
        write(
            out / "circuit.json", as_json({"unit": str(top), "layer": layer, "rule": rule, "shares": shares})
        )
        _report(run, found, chosen)


def _report(run: Run, found: Sequence[Feeder], chosen: Sequence[Unit]) -> None:
    """Print the table; end with exit code 1 when a unit failed."""
    states = [run.to_dict(unit)["status"] for unit in chosen]
    shares = ["-", *(f"{100 * feeder.share:.1f} %" for feeder in found)]
    rows = [(unit, *row, run.file(unit)) for unit, *row in zip(chosen, shares, states, strict=True)]
    typer.echo(table(["unit", "share", "status", "file"], rows))
    if failed := [str(unit) for unit, state in zip(chosen, states, strict=True) if state != "done"]:
        typer.echo(f"vital: {len(failed)} of {len(chosen)} units failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)
