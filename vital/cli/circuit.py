"""`vital circuit`: a unit, and below it the units of earlier layers that feed it; or the classes that it serves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vital.cli import options as opt
from vital.cli.common import listed, names_of, say_ignored, show_skipped, table
from vital.cli.render import carried_out
from vital.cli.talk import log, wrote
from vital.errors import UsageError
from vital.utils.io import as_json, as_png, write

if TYPE_CHECKING:
    from vital.attribution import AttributionGraph
    from vital.data import ImageSet
    from vital.models import Model
    from vital.rendering.run_folder import Run
    from vital.units import Unit

REFERENCES = 8


@opt.grouped
def circuit(
    model: opt.ModelName,
    unit: opt.OneUnit,
    layers: opt.CircuitLayers,
    out: opt.RunFolder,
    source: opt.ImageOptions,
    *,
    count: opt.Feeders = 4,
    rule: opt.Rule = "zplus",
    for_class: opt.ForClass = None,
    how: opt.MethodOptions,
    network: opt.NetworkOptions,
) -> None:
    """Show which units of earlier layers feed a unit most.

    Of several layers, from later to earlier, each unit has those below it that feed it most. Each has a picture. The
    shares are those of the unit's relevance over the eight images that excite it most. Writes circuit.png and
    circuit.json to the folder RUN, beside what vital render writes there. With --layers class it lists the classes for
    which the unit is most relevant, over all images, and writes classes.json.
    """
    from vital.attribution import attribution_graph
    from vital.records import Prototypes
    from vital.rendering.circuits import circuit_sheet
    from vital.units import OUTPUT, Unit

    names = listed(layers, "--layers")
    net, pictures = network.open(model, source.image_labels), source.needed("images are needed")
    top = net.unit(unit)
    if names == [OUTPUT]:
        say_ignored("with --layers class nothing is rendered", *names_of(opt.MethodOptions))
        _classes(net, top, pictures, out, count, for_class, rule)
        return
    if for_class is not None:
        raise UsageError(f"--for {for_class} goes with --layers class; leave it out")
    method = how.make()
    made = source.make_bank(net, pictures, [top, *map(Unit, names)])
    seen = made.tensor(made.strongest(top, REFERENCES))
    graph = attribution_graph(net, top, names, seen, count, rule=rule)
    references = pictures if method.needs_images else None
    request = how.request(net, graph.units, method, references)
    with carried_out(out, net, model, [request], graph.units, method, references, source) as (run,):
        shown = Prototypes(run.prototype(each) for each in graph.units)
        write(out / "circuit.png", as_png(circuit_sheet(shown, graph)))
        write(out / "circuit.json", as_json(_told(graph, names, rule)))
        wrote(out / "circuit.png")
        _report(run, graph)


def _told(graph: AttributionGraph, layers: Sequence[str], rule: str) -> dict[str, object]:
    """A graph for a file: units with their shares of the whole and their statuses, and edges."""
    found = [feeder for level in graph.levels for feeder in level]
    return {
        "unit": str(graph.unit),
        "layers": list(layers),
        "rule": rule,
        "shares": {str(feeder.unit): feeder.share for feeder in found},
        "statuses": {str(feeder.unit): feeder.status for feeder in found},
        "edges": [
            {"unit": str(edge.unit), "feeder": str(edge.feeder), "share": edge.share} for edge in graph.edges
        ],
    }


def _report(run: Run, graph: AttributionGraph) -> None:
    """Print the units, and of several layers what feeds what; end with exit code 1 when a unit failed."""
    states = {unit: run.to_dict(unit)["status"] for unit in graph.units}
    rows = [(graph.unit, "-", states[graph.unit], run.file(graph.unit))]
    for feeder in (feeder for level in graph.levels for feeder in level):
        state = states[feeder.unit]
        state = feeder.status if state == "done" else state
        rows.append((feeder.unit, percent(feeder.share), state, run.file(feeder.unit)))
    typer.echo(table(["unit", "share", "status", "file"], rows))
    if len(graph.levels) > 1:
        edges = [(edge.unit, edge.feeder, percent(edge.share)) for edge in graph.edges]
        typer.echo("\n" + table(["unit", "feeder", "share"], edges))
    if failed := [str(unit) for unit, state in states.items() if state != "done"]:
        log.error("%d of %d units failed: %s", len(failed), len(states), ", ".join(failed))
        raise typer.Exit(1)


def _classes(
    net: Model, unit: Unit, pictures: ImageSet, out: Path, count: int, target: str | None, rule: str
) -> None:
    """List the classes that a unit serves; end with exit code 1 when no relevance arrives at it for any."""
    from vital.activations.relevances import served_classes
    from vital.activations.targets import find_target

    aim = find_target(net, pictures, target)
    found = served_classes(net, unit, pictures, target=target or str(aim), rule=rule)
    told = {"unit": str(unit), "rule": rule, "target": str(aim), "classes": [one.to_row() for one in found]}
    write(out / "classes.json", as_json(told))
    wrote(out / "classes.json")
    rows = [(one.unit.title, percent(one.share), one.images, one.status) for one in found[:count]]
    typer.echo(table([f"class ({aim})", "mean share", "images", "status"], rows))
    show_skipped(pictures)
    if all(one.status != "done" for one in found):
        log.error("no relevance arrived at %s; choose another unit or other images", unit)
        raise typer.Exit(1)


def percent(share: float) -> str:
    """A share as it is shown.

    >>> percent(0.125)
    '12.5 %'
    """
    return f"{100 * share:.1f} %"
