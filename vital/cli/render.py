"""`vital render`: pictures of units, into a run folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import typer
from PIL import Image
from tqdm import tqdm

from vital.cli.common import Interrupted, open_images, open_model, read_settings, show_skipped, table, watched
from vital.cli.options import (
    BankFile,
    Batch,
    Device,
    Frames,
    Images,
    InputSize,
    Labels,
    MethodName,
    ModelName,
    RunFolder,
    Seed,
    Settings,
    Size,
    Steps,
    UnitNames,
    Weights,
)  # fmt: skip
from vital.engine import Step
from vital.errors import UsageError
from vital.images import ImageSet
from vital.models import Model
from vital.recipes import METHODS, Method
from vital.recipes import method as make_method
from vital.recipes.render import bank_for, default_batch, groups, render_group
from vital.reference import ReferenceBank, load_bank, opened_from
from vital.runs import Render, Run, entered, write_sheet
from vital.trace import Tracer, resolve_units
from vital.units import OUTPUT, Unit


def render(
    model: ModelName,
    units: UnitNames,
    out: RunFolder,
    images: Images = None,
    bank: BankFile = None,
    labels: Labels = None,
    method: MethodName = "vital",
    steps: Steps = None,
    size: Size = None,
    seed: Seed = 0,
    batch: Batch = 0,
    settings: Settings = None,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
    frames: Frames = 0,
) -> None:
    """Render a picture of what each unit responds to.

    Writes to the folder RUN: run.json, units/UNIT/METHOD-SEED.png, -mask.png and .json for each unit, and sheet.png.
    The same command again goes on where it stopped. The exit code is 1 when a unit failed.
    """
    if frames == 1:
        raise UsageError("--frames is 1; give 0 for none, or at least 2, the start and the end")
    recipe = _recipe(method, {"steps": steps, "size": size}, read_settings(settings or []))
    pictures = _pictures(recipe, method, images, bank, labels)
    net = open_model(model, weights, device, input_size)
    chosen = list(dict.fromkeys(resolve_units(net, units)))
    found = {"hash": pictures.hash(), "count": len(pictures)} if pictures else None
    names = tuple(map(str, chosen))
    request = Render(method, recipe.options(), seed, batch or default_batch(net), names, frames, found)
    with carried_out(out, net, model, request, recipe, pictures, bank) as run:
        _report(run, net, chosen)


@contextmanager
def carried_out(
    out: Path,
    net: Model,
    spec: str,
    request: Render,
    recipe: Method,
    pictures: ImageSet | None,
    bank: Path | None = None,
) -> Iterator[Run]:
    """Do a request in a run folder, which stays held until the caller has reported."""
    chosen = resolve_units(net, request.units)
    with entered(out, identity(net, spec), request) as run:
        _work(run, net, chosen, recipe, pictures, bank)
        write_sheet(out)
        show_skipped(pictures)
        yield run


def _recipe(name: str, options: dict[str, Any], given: dict[str, str]) -> Method:
    named = {key: value for key, value in options.items() if value is not None}
    if twice := [key for key in named if key in given]:
        raise UsageError(f"{twice[0]} is given by --{twice[0]} and by --set; give it once")
    return make_method(name, **named, **given)


def _pictures(
    recipe: Method, name: str, images: Path | None, bank: Path | None, labels: Path | None
) -> ImageSet | None:
    if images is None and bank is not None:
        images, labels = images_of_bank(bank, labels)
    if labels is not None and images is None:
        raise UsageError(f"--labels {labels} needs its images; give --images DIR too")
    if not recipe.needs_images:
        return None
    if images is None:
        without = ", ".join(n for n in METHODS if not METHODS[n]().needs_images)
        raise UsageError(
            f"the method {name} needs reference images; give --images DIR or --bank FILE (without images: {without})"
        )
    return open_images(images, labels)


def images_of_bank(bank: Path, labels: Path | None) -> tuple[Path, Path | None]:
    """Name the images that a bank was made of, as they were typed then. Raises `UsageError`."""
    opened = opened_from(bank)
    if not opened.get("images"):
        raise UsageError(f"--bank {bank} does not say where its images are; give --images DIR too")
    return Path(opened["images"]), labels or (Path(opened["labels"]) if opened["labels"] else None)


def identity(model: Model, spec: str) -> dict[str, Any]:
    """All of a network that decides what its pictures look like."""
    return {
        "spec": spec,
        "name": model.name,
        "weights": model.weights,
        "weights_hash": model.weights_hash(),
        "code": model.code_hash(),
        "size": list(model.size),
        "channels": model.channels,
        "resize": model.resize,
        "interpolation": model.interpolation,
        "mean": list(model.mean),
        "std": list(model.std),
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
    }


def _work(
    run: Run,
    model: Model,
    units: Sequence[Unit],
    recipe: Method,
    pictures: ImageSet | None,
    bank: Path | None,
) -> None:
    """Render the groups that are not complete."""
    todo = [group for group in groups(units, run.render.batch) if not run.complete(group)]
    try:
        references = _bank(model, units, pictures, bank) if todo else None
        _render(run, model, todo, recipe, references)
    except KeyboardInterrupt:
        done = sum(run.complete([unit]) for unit in units)
        kept = f"{done} of {len(units)} units are kept in {str(run.path)!r}"
        raise Interrupted(f"stopped; {kept}, and the same command goes on with the others") from None


def _render(
    run: Run, model: Model, todo: Sequence[Sequence[Unit]], recipe: Method, bank: ReferenceBank | None
) -> None:
    asked = run.render
    done, of = 0, sum(map(len, todo))
    with tqdm(unit="step", disable=not watched(), leave=False, desc=f"0/{of} units") as bar:

        def each_step(step: Step) -> None:
            bar.total = step.of * len(todo)
            bar.update()

        for group in todo:
            start = time.perf_counter()
            made = render_group(
                model, group, recipe, bank, asked.seed, frames=asked.frames, each_step=each_step
            )
            for prototype in made:
                run.save(prototype)
            done += len(group)
            bar.set_description(f"{done}/{of} units")
            seconds = round(time.perf_counter() - start, 3)
            run.log(
                "group", method=asked.method, seed=asked.seed, units=list(map(str, group)), seconds=seconds
            )


def _bank(
    model: Model, units: Sequence[Unit], pictures: ImageSet | None, bank: Path | None
) -> ReferenceBank | None:
    if pictures is None:
        return None
    if bank is None:
        return bank_for(model, pictures, units, progress=watched())
    return load_bank(bank, model, pictures)


def _report(run: Run, model: Model, units: Sequence[Unit]) -> None:
    """Print the table; end with exit code 1 when a unit failed."""
    records = [run.record(unit) for unit in units]
    values = own_values(model, units, [run.file(unit) for unit in units])
    rows = [
        (str(unit), unit.label or "-", record["status"], value, run.file(unit))
        for unit, record, value in zip(units, records, values, strict=True)
    ]
    typer.echo(table(["unit", "class", "status", "own value", "file"], rows))
    failed = [str(unit) for unit, record in zip(units, records, strict=True) if record["status"] != "done"]
    if failed:
        typer.echo(f"vital: {len(failed)} of {len(units)} units failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


@torch.no_grad()
def own_values(model: Model, units: Sequence[Unit], files: Sequence[Path], at_once: int = 16) -> list[str]:
    """What the network makes of the saved pictures: a named class's probability, or the value of any other unit.

    Outputs without names may be an embedding, of which there are no probabilities. Pictures that a PNG does not hold
    in full get a dash.
    """
    if model.channels not in (1, 3):
        return ["-"] * len(units)
    found: list[str] = []
    plain = replace(model, resize=None)
    with Tracer(model, dict.fromkeys(unit.layer for unit in units)) as tracer:
        for start in range(0, len(units), at_once):
            pictures = [_seen(plain, file) for file in files[start : start + at_once]]
            trace = tracer(torch.stack(pictures).to(model.device, model.dtype))
            for row, unit in enumerate(units[start : start + at_once]):
                found.append(_value(trace.rows(row, row + 1), unit, named=bool(model.classes)))
    return found


def _seen(model: Model, file: Path) -> torch.Tensor:
    with Image.open(file) as picture:
        return model.preprocess(picture)


def _value(trace: Any, unit: Unit, *, named: bool) -> str:
    if named and unit.layer == OUTPUT and trace[OUTPUT].ndim == 2 and trace[OUTPUT].shape[1] > 1:
        return f"{100 * float(trace[OUTPUT].softmax(1)[0, unit.index]):.1f} %"
    return f"{float(trace.read(unit)[0]):.4g}"
