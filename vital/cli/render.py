"""`vital render`: pictures of units, into a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli import options as opt
from vital.cli.common import show_skipped, table, watched
from vital.cli.config import keep_config
from vital.cli.engine_options import EngineOptions
from vital.cli.stopping import stoppable
from vital.cli.talk import log, wrote
from vital.errors import UsageError
from vital.utils.options import FACTOR, check_whole
from vital.utils.progress import Progress

if TYPE_CHECKING:
    from vital.activations import ReferenceBank
    from vital.atlases.engine import Engine
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
    count: opt.Pictures = 1,
    *,
    engine: EngineOptions,
) -> None:
    """Render a picture of what each unit responds to.

    Writes to the folder RUN: run.json, units/UNIT/METHOD-SEED.png, -mask.png and .json for each unit, and sheet.png.
    The same command again goes on where it stopped. With --count each unit has several pictures, of the seeds SEED,
    SEED + 1 and so on; each is the one that --seed gives, and a larger count adds to them. The exit code is 1 when a
    unit failed, or its picture is flat, clipped or never moved; what the images were lacking for a picture is said
    below the table. With --engine ray each process has some of the units.
    """
    from vital.rendering.api import check_together

    do = engine.elsewhere()
    if frames == 1:
        raise UsageError("--frames is 1; give 0 for none, or at least 2, the start and the end")
    check_whole("--count", count, 1, FACTOR)
    method = how.make()
    pictures = references_of(method, how.method, source)
    net = network.open(model, source.image_labels)
    chosen = list(dict.fromkeys(net.units(units)))
    check_together(len(chosen), count)
    _warn_of_size(method, net)
    _warn_of_outputs(net, chosen)
    first = how.request(net, chosen, method, pictures, frames)
    requests = [replace(first, seed=first.seed + i) for i in range(count)]
    with carried_out(out, net, model, requests, chosen, method, pictures, source, do) as runs:
        wrote(out / "sheet.png")
        _report(runs, chosen)


@contextmanager
def carried_out(
    out: Path,
    net: Model,
    spec: str,
    requests: Sequence[Render],
    units: Sequence[Unit],
    method: Method,
    pictures: ImageSet | None,
    source: opt.ImageOptions | None = None,
    engine: Engine | None = None,
) -> Iterator[list[Run]]:
    """Do requests for units in a run folder, one after the other; it stays held until the caller has reported.

    An engine does all of them at once.
    """
    from vital.models.identity import identity
    from vital.models.weights_hash import hashed_once
    from vital.rendering.run_folder import entered, entered_together, write_sheet

    @cache
    def bank() -> ReferenceBank | None:
        return None if pictures is None else (source or opt.ImageOptions()).make_bank(net, pictures, units)

    runs: list[Run] = []
    with hashed_once(), ExitStack() as held:
        if engine:
            runs += held.enter_context(entered_together(out, identity(net, spec), requests))
            _resume_by(engine, runs, net, units, method, bank)
        left = requests[len(runs) :]
        with Progress("rendering", len(left), "seed", shown=watched() and len(left) > 1) as bar:
            for request in bar.each(left):
                held.close()
                runs.append(held.enter_context(entered(out, identity(net, spec), request)))
                keep_config()
                _resume(runs, net, units, method, bank)
        write_sheet(out)
        show_skipped(pictures)
        yield runs


def references_of(method: Method, name: str, source: opt.ImageOptions) -> ImageSet | None:
    """The reference images that a command's options name; None for a method that needs none."""
    from vital.rendering import METHODS

    pictures = source.open()
    if not method.needs_images:
        if pictures is not None:
            given = "--images" if source.images is not None else "--bank"
            log.warning("%s is ignored: the method %s takes no images", given, name)
        return None
    if pictures is None:
        without = ", ".join(name for name, kind in METHODS.items() if not kind.needs_images)
        raise UsageError(
            f"the method {name} needs reference images; give --images DIR or --bank FILE (without images: {without})"
        )
    return pictures


def _resume(
    runs: Sequence[Run],
    model: Model,
    units: Sequence[Unit],
    method: Method,
    bank: Callable[[], ReferenceBank | None],
) -> None:
    """Render what is not complete of the last run."""
    from vital.rendering.resume import resume_run

    run = runs[-1]

    def kept() -> str:
        done = sum(run.complete([unit]) for unit in units)
        seed = f" of seed {run.render.seed}" if len(runs) > 1 else ""
        return f"{done} of {len(units)} units{seed} are kept in {str(run.path)!r}"

    with stoppable(kept, "goes on with the others"):
        resume_run(run, model, units, method, bank, progress=watched())


def _resume_by(
    engine: Engine,
    runs: Sequence[Run],
    model: Model,
    units: Sequence[Unit],
    method: Method,
    bank: Callable[[], ReferenceBank | None],
) -> None:
    """Render what is not complete by an engine, and say on standard error of which units there is no picture."""
    from vital.atlases.commands import Pictures, carry_out_pieces, left
    from vital.cli.atlas import show_reasons

    pictures = Pictures.of(runs, model, units, method)
    if not left(pictures):
        return
    pictures.references = bank()
    with stoppable(lambda: _kept(runs, units)):
        show_reasons(carry_out_pieces(pictures, engine, progress=watched()))


def _kept(runs: Sequence[Run], units: Sequence[Unit]) -> str:
    done = sum(run.complete([unit]) for run in runs for unit in units)
    return f"{done} of {len(runs) * len(units)} pictures are kept in {str(runs[0].path)!r}"


def _warn_of_size(method: Method, model: Model) -> None:
    """Say what it means that a picture is smaller than what the network takes."""
    side = method.options().get("size")
    if side is not None and side < max(model.size) and not method.options().get("fit"):
        own = " × ".join(map(str, model.size))
        log.warning(
            "the size %s is below the network's own %s, so the picture lacks fine detail and the unit may respond "
            "to it otherwise when it is brought to that size; with --fit the network sees it so in every step",
            *(side, own),
        )


def _warn_of_outputs(model: Model, units: Sequence[Unit]) -> None:
    """Say that classes are taken as plain values, where nothing tells what the outputs are."""
    from vital.models.scores import meaning, unsaid

    if any(unit.is_class for unit in units) and meaning(model) is None:
        log.warning("%s", unsaid(model))


COLUMNS = {
    "value": ("value", "{:.4g}", 1),
    "probability": ("probability", "{:.1f} %", 100),
    "percentile": ("percentile", "{:.4g}", 1),
    "value_at_network_size": ("value at network size", "{:.4g}", 1),
}
"""What a record's provenance says of a picture: the heading in the table, the format, and its factor."""


def _report(runs: Sequence[Run], units: Sequence[Unit]) -> None:
    """Print the table, and below it what went wrong or was lacking; end with exit code 1 when a unit failed."""
    from vital.utils.text import shortened

    several = len(runs) > 1
    asked = [(unit, run) for unit in units for run in runs]
    records = [(unit, run, run.to_dict(unit)) for unit, run in asked if run.complete([unit])]
    every = [record["provenance"] for *_, record in records]
    shown = [name for name in COLUMNS if name == "value" or any(name in known for known in every)]
    header = [
        "unit",
        "class",
        *(["seed"] if several else []),
        "status",
        *(COLUMNS[name][0] for name in shown),
        "file",
    ]
    rows = [
        (
            unit,
            unit.label or "-",
            *([record["seed"]] if several else []),
            _word(record["status"]),
            *_cells(record["provenance"], shown),
            run.file(unit),
        )
        for unit, run, record in records
    ]
    typer.echo(table(header, rows))
    said: dict[str, dict[str, None]] = {}
    wrongs = set[str]()
    failed = [_named(unit, run, several) for unit, run in asked if not run.complete([unit])]
    for unit, run, record in records:
        facts, name = record["provenance"], str(unit)
        if record["status"] != "done":
            failed.append(_named(unit, run, several))
        wrong = [record["status"]] if _word(record["status"]) != record["status"] else []
        wrongs.update(wrong)
        for line in (*wrong, *facts.get("lacking", ()), *facts.get("unused", ())):
            said.setdefault(line, {})[name] = None
    for line, names in said.items():
        loud = log.error if line in wrongs else log.warning
        loud("%s: %s", shortened(list(names)), line)
    if failed:
        what = "pictures" if several else "units"
        log.error("%d of %d %s failed: %s", len(failed), len(asked), what, ", ".join(failed))
        raise typer.Exit(1)


def _named(unit: Unit, run: Run, several: bool) -> str:
    return f"{unit} with seed {run.render.seed}" if several else str(unit)


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
