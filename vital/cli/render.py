"""`vital render`: pictures of units, into a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli import options as opt
from vital.cli.common import StoppedError, show_skipped, table, watched
from vital.errors import UsageError

if TYPE_CHECKING:
    from vital.activations import ReferenceBank
    from vital.data import ImageSet
    from vital.models import Model
    from vital.rendering import Method
    from vital.rendering.run_folder import Render, Run
    from vital.units import Unit


@opt.grouped
def render(
    model: opt.ModelName,
    units: opt.UnitNames,
    out: opt.RunFolder,
    source: opt.ImageOptions,
    how: opt.MethodOptions,
    network: opt.NetworkOptions,
    frames: opt.Frames = 0,
) -> None:
    """Render a picture of what each unit responds to.

    Writes to the folder RUN: run.json, units/UNIT/METHOD-SEED.png, -mask.png and .json for each unit, and sheet.png.
    The same command again goes on where it stopped. The exit code is 1 when a unit failed, or its picture is flat,
    clipped or never moved; what the images were lacking for a picture is said below the table.
    """
    if frames == 1:
        raise UsageError("--frames is 1; give 0 for none, or at least 2, the start and the end")
    method = how.make()
    pictures = references_of(method, how.method, source)
    net = network.open(model, source.image_labels)
    chosen = list(dict.fromkeys(net.units(units)))
    _warn_of_size(method, net)
    _warn_of_outputs(net, chosen)
    request = how.request(net, chosen, method, pictures, frames)
    with carried_out(out, net, model, request, chosen, method, pictures, source) as run:
        _report(run, chosen)


@contextmanager
def carried_out(
    out: Path,
    net: Model,
    spec: str,
    request: Render,
    units: Sequence[Unit],
    method: Method,
    pictures: ImageSet | None,
    source: opt.ImageOptions | None = None,
) -> Iterator[Run]:
    """Do a request for units in a run folder, which stays held until the caller has reported."""
    from vital.models.identity import identity
    from vital.models.weights_hash import hashed_once
    from vital.rendering.run_folder import entered, write_sheet

    with hashed_once(), entered(out, identity(net, spec), request) as run:
        _resume(run, net, units, method, pictures, source or opt.ImageOptions())
        write_sheet(out)
        show_skipped(pictures)
        yield run


def references_of(method: Method, name: str, source: opt.ImageOptions) -> ImageSet | None:
    """The reference images that a command's options name; None for a method that needs none."""
    from vital.rendering import METHODS

    pictures = source.open()
    if not method.needs_images:
        if pictures is not None:
            given = "--images" if source.images is not None else "--bank"
            typer.echo(f"vital: {given} does not apply: the method {name} takes no images", err=True)
        return None
    if pictures is None:
        without = ", ".join(name for name, kind in METHODS.items() if not kind.needs_images)
        raise UsageError(
            f"the method {name} needs reference images; give --images DIR or --bank FILE (without images: {without})"
        )
    return pictures


def _resume(
    run: Run,
    model: Model,
    units: Sequence[Unit],
    method: Method,
    pictures: ImageSet | None,
    source: opt.ImageOptions,
) -> None:
    """Render what is not complete."""
    from vital.rendering.resume import resume_run

    def bank() -> ReferenceBank | None:
        return None if pictures is None else source.make_bank(model, pictures, units)

    try:
        resume_run(run, model, units, method, bank, progress=watched())
    except KeyboardInterrupt:
        done = sum(run.complete([unit]) for unit in units)
        kept = f"{done} of {len(units)} units are kept in {str(run.path)!r}"
        raise StoppedError(f"stopped; {kept}, and the same command goes on with the others") from None


def _warn_of_size(method: Method, model: Model) -> None:
    """Say what it means that a picture is smaller than what the network takes."""
    side = method.options().get("size")
    if side is not None and side < max(model.size):
        own = " × ".join(map(str, model.size))
        typer.echo(
            f"vital: the size {side} is below the network's own {own}, so the picture lacks fine detail and "
            "the unit may respond to it otherwise when it is brought to that size",
            err=True,
        )


def _warn_of_outputs(model: Model, units: Sequence[Unit]) -> None:
    """Say that classes are taken as plain values, where nothing tells what the outputs are."""
    from vital.models.scores import meaning, unsaid

    if any(unit.is_class for unit in units) and meaning(model) is None:
        typer.echo(f"vital: {unsaid(model)}", err=True)


COLUMNS = {
    "value": ("value", "{:.4g}", 1),
    "probability": ("probability", "{:.1f} %", 100),
    "percentile": ("percentile", "{:.4g}", 1),
    "value_at_network_size": ("value at network size", "{:.4g}", 1),
}
"""What a record's provenance says of a picture: the heading in the table, the format, and its factor."""


def _report(run: Run, units: Sequence[Unit]) -> None:
    """Print the table, and below it what went wrong or was lacking; end with exit code 1 when a unit failed."""
    from vital.utils.text import shortened

    records = {unit: run.to_dict(unit) for unit in units}
    facts = {unit: record["provenance"] for unit, record in records.items()}
    shown = [name for name in COLUMNS if name == "value" or any(name in known for known in facts.values())]
    header = ["unit", "class", "status", *(COLUMNS[name][0] for name in shown), "file"]
    rows = [
        (unit, unit.label or "-", _word(record["status"]), *_cells(facts[unit], shown), run.file(unit))
        for unit, record in records.items()
    ]
    typer.echo(table(header, rows))
    said: dict[str, list[str]] = {}
    for unit, record in records.items():
        wrong = [record["status"]] if _word(record["status"]) != record["status"] else []
        for line in (*wrong, *facts[unit].get("lacking", ()), *facts[unit].get("unused", ())):
            said.setdefault(line, []).append(str(unit))
    for line, names in said.items():
        typer.echo(f"vital: {shortened(names)}: {line}", err=True)
    failed = [str(unit) for unit, record in records.items() if record["status"] != "done"]
    if failed:
        typer.echo(f"vital: {len(failed)} of {len(units)} units failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def _word(status: str) -> str:
    """What a table has room for: a status up to its colon."""
    return status.partition(": ")[0]


def _cells(facts: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The numbers of a picture as texts; a dash where there is none."""
    found = []
    for name in names:
        _, form, times = COLUMNS[name]
        found.append(form.format(times * facts[name]) if name in facts else "-")
    return found
