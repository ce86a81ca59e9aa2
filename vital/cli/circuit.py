"""`vital circuit`: a unit, and below it the units of an earlier layer that feed it most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from vital.cli import options as opt
from vital.cli.common import table
from vital.cli.render import carried_out
from vital.utils.io import as_json, as_png, write

if TYPE_CHECKING:
    from vital.attribution import Feeder
    from vital.rendering.run_folder import Run
    from vital.units import Unit

REFERENCES = 8


@opt.grouped
def circuit(
    model: opt.ModelName,
    unit: opt.OneUnit,
    layer: opt.OneLayer,
    out: opt.RunFolder,
    source: opt.ImageOptions,
    *,
    count: opt.Feeders = 4,
    rule: opt.Rule = "zplus",
    how: opt.MethodOptions,
    network: opt.NetworkOptions,
) -> None:
    """Show which units of an earlier layer feed a unit most.

    Each has a picture. The shares are those of the unit's relevance over the eight images that excite it most. Writes
    circuit.png and circuit.json to the folder RUN, beside what vital render writes there.
    """
    from vital.attribution import feeders
    from vital.records import Prototypes
    from vital.rendering.circuits import circuit_sheet
    from vital.units import Unit

    method = how.make()
    net, pictures = network.open(model, source.image_labels), source.needed("images are needed")
    top = net.unit(unit)
    made = source.make_bank(net, pictures, [top, Unit(layer)])
    found = feeders(net, top, layer, made.tensor(made.strongest(top, REFERENCES)), count, rule=rule)
    chosen = [top, *(feeder.unit for feeder in found)]
    references = pictures if method.needs_images else None
    request = how.request(net, chosen, method, references)
    with carried_out(out, net, model, [request], chosen, method, references, source) as (run,):
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
