"""`vital render`: pictures of units, into a run folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from PIL import Image
from tqdm import tqdm

from vital.cli.common import (
    Device,
    Images,
    InputSize,
    Interrupted,
    Labels,
    ModelName,
    Weights,
    open_images,
    open_model,
    settings,
    table,
    watched,
)
from vital.engine import Step
from vital.errors import UsageError
from vital.images import ImageSet
from vital.models import Model
from vital.recipes import METHODS, Method
from vital.recipes import method as make_method
from vital.recipes.render import bank_for, default_batch, groups, render_group
from vital.reference import ReferenceBank, load_bank
from vital.runs import Render, Run, entered, write_sheet
from vital.trace import Tracer, resolve_units
from vital.units import OUTPUT, Unit


def render(
    model: ModelName,
    units: Annotated[list[str], typer.Argument(metavar="UNIT...", help="layer4:162, layer4:0-63, class:tabby, ...")],
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run folder; a killed run is taken up.")],
    images: Images = None,
    bank: Annotated[
        Path | None, typer.Option(metavar="BANK", help="What vital bank made of the images; needs --images too.")
    ] = None,
    labels: Labels = None,
    method: Annotated[str, typer.Option(help="See vital methods.")] = "vital",
    steps: Annotated[int | None, typer.Option(min=1, help="The method's option steps.")] = None,
    size: Annotated[int | None, typer.Option(min=1, metavar="PX", help="The method's option size.")] = None,
    seed: Annotated[int, typer.Option(help="Other seeds make other pictures.")] = 0,
    batch: Annotated[int, typer.Option(min=0, help="Units that share a pass; 0: by the device.")] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="An option of the method.")
    ] = None,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
    frames: Annotated[int, typer.Option(min=0, metavar="N", help="Keep N pictures of the way, as a GIF.")] = 0,
) -> None:
    """Render a picture of what each unit responds to.

    Writes to the folder RUN: run.json, units/UNIT/METHOD-SEED.png, -mask.png and .json for each unit, and sheet.png.
    The same command again goes on where it stopped. The exit code is 1 when a unit failed.
    """
    recipe = _recipe(method, {"steps": steps, "size": size}, settings(set_ or []))
    pictures = _pictures(recipe, method, images, bank, labels)
    if frames == 1:
        raise UsageError("--frames is 1; give 0 for none, or at least 2, the start and the end")
    net = open_model(model, weights, device, input_size)
    chosen = list(dict.fromkeys(resolve_units(net, units)))
    request = Render(
        method,
        recipe.options(),
        seed,
        batch or default_batch(net),
        tuple(map(str, chosen)),
        frames,
        {"hash": pictures.hash(), "count": len(pictures)} if pictures else None,
    )
    with entered(out, identity(net, model), request) as run:
        try:
            _work(run, net, chosen, recipe, pictures, bank)
        except KeyboardInterrupt:
            done = sum(run.complete([unit]) for unit in chosen)
            raise Interrupted(
                f"stopped; {done} of {len(chosen)} units are kept in {str(out)!r}, and the same command goes on with the others"
            ) from None
        write_sheet(out)
        _report(run, net, chosen)


def _recipe(name: str, options: dict[str, Any], given: dict[str, str]) -> Method:
    named = {key: value for key, value in options.items() if value is not None}
    if twice := [key for key in named if key in given]:
        raise UsageError(f"{twice[0]} is given by --{twice[0]} and by --set; give it once")
    return make_method(name, **named, **given)


def _pictures(
    recipe: Method, name: str, images: Path | None, bank: Path | None, labels: Path | None
) -> ImageSet | None:
    if bank is not None and images is None:
        raise UsageError(f"--bank {bank} needs the images that it was made of; give --images DIR too")
    if recipe.needs_images and images is None:
        without = ", ".join(n for n in METHODS if not METHODS[n]().needs_images)
        raise UsageError(f"the method {name} needs reference images; give --images DIR (without images: {without})")
    pictures = open_images(images, labels)
    return pictures if recipe.needs_images else None


def identity(model: Model, spec: str) -> dict[str, Any]:
    """All of a network that decides what its pictures look like."""
    return {
        "spec": spec,
        "name": model.name,
        "weights": model.weights,
        "weights_hash": model.weights_hash(),
        "size": list(model.size),
        "mean": list(model.mean),
        "std": list(model.std),
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
    }


def _work(
    run: Run, model: Model, units: Sequence[Unit], recipe: Method, pictures: ImageSet | None, bank: Path | None
) -> None:
    """Render the groups that are not complete."""
    asked = run.render
    todo = [group for group in groups(units, asked.batch) if not run.complete(group)]
    if not todo:
        return
    references = _bank(model, units, pictures, bank)
    done = len(units) - sum(map(len, todo))
    with tqdm(unit="step", disable=not watched(), leave=False, desc=f"{done}/{len(units)} units") as bar:

        def each_step(step: Step) -> None:
            bar.total = step.of * len(todo)
            bar.update()

        for group in todo:
            start = time.perf_counter()
            for made in render_group(
                model, group, recipe, references, asked.seed, frames=asked.frames, each_step=each_step
            ):
                run.save(made)
            done += len(group)
            bar.set_description(f"{done}/{len(units)} units")
            seconds = round(time.perf_counter() - start, 3)
            run.log("group", method=asked.method, seed=asked.seed, units=[str(u) for u in group], seconds=seconds)


def _bank(model: Model, units: Sequence[Unit], pictures: ImageSet | None, bank: Path | None) -> ReferenceBank | None:
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
    """What the network makes of the saved pictures: a class's probability, or the value of any other unit.

    Directions, which are no unit of the network, get a dash, and so do pictures that a PNG does not hold in full.
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
                found.append(_value(trace.rows(row, row + 1), unit))
    return found


def _seen(model: Model, file: Path) -> torch.Tensor:
    with Image.open(file) as picture:
        return model.preprocess(picture)


def _value(trace: Any, unit: Unit) -> str:
    if unit.source:
        return "-"
    if unit.layer == OUTPUT and not unit.tokens and trace[OUTPUT].ndim == 2 and trace[OUTPUT].shape[1] > 1:
        return f"{100 * float(trace[OUTPUT].softmax(1)[0, unit.index]):.1f} %"
    return f"{float(trace.read(unit)[0]):.4g}"
