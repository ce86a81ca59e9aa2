"""`vital layers`: what can be named."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import typer

from vital.cli.common import table
from vital.cli.options import ModelName, NetworkOptions, grouped
from vital.cli.talk import log

if TYPE_CHECKING:
    from vital.models import Model
    from vital.types import Layer

FEW = 4
"""Units of a layer that a first look takes."""
FOLDER, CHECKPOINT = "path/to/images", "path/to/checkpoint.pt"


@grouped
def layers(model: ModelName, network: NetworkOptions) -> None:
    """List the layers of a network, and how a unit is written.

    The classes come first, and what cannot be used last. Each has its kind, its shape and its number of units; a layer
    whose units compete says so. Shapes do not depend on weights, so named networks are built with random ones and
    nothing is downloaded. Of a module that returns several tensors LAYER is the first, and LAYER[KEY] another. At the
    end stands a command to go on with, for some classes and some units of the last layer that has places.
    """
    from vital.lwta.layers import competing
    from vital.tracing import list_layers

    named = network.weights is None and ".py:" not in model
    net = (replace(network, weights="random") if named else network).open(model)
    height, width = net.size
    blocks = {name: lwta.competitors for name, lwta in competing(net.module).items()}
    known = list_layers(net)
    rows = [_row(net, layer, blocks.get(layer.name, 1)) for layer in _ordered(known.values())]
    typer.echo(f"{net.name}, images of {net.channels} x {height} x {width}, {len(rows)} layers")
    typer.echo(table(["layer", "kind", "shape", "units", "write"], rows))
    if shown := _first_look(net, known):
        log.info("%s", _next(model, shown, [*_typed(network)]))


def _first_look(model: Model, known: Mapping[str, Layer]) -> list[str]:
    """Some classes, and some units of the last layer that has places; none where neither can be used."""
    from vital.errors import ModelError
    from vital.rendering.methods.stages import stages
    from vital.units import OUTPUT

    try:
        last = stages(model)[-1:]
    except ModelError:
        last = ()
    chosen = [known[name] for name in (OUTPUT, *last) if name in known and not known[name].problem]
    return [
        f"{layer.name}:0-{min(FEW, layer.channels) - 1}" + "#patches" * (layer.kind == "tokens")
        for layer in chosen
    ]


def _next(model: str, shown: list[str], options: list[str]) -> str:
    """The commands that show these units: an atlas, which wants images, and where none are at hand pictures without."""
    from vital.models.factory import parse_factory
    from vital.units import slug

    made = parse_factory(model)
    own = f"your folder of images for {FOLDER}"
    if made and "--weights" not in options:
        options = [*options, "--weights", CHECKPOINT]
        own += f" and your weights for {CHECKPOINT}; leave --weights out if {made[1]}() loads them"
    out = f"runs/{slug(made[0].stem if made else model.partition(':')[2] or model) or 'mine'}"
    images = "world" if not made and model.startswith("world") else FOLDER
    layers, end = ["--layers", ",".join(shown)], ["--images", images, "--out", out]
    command = shlex.join(["vital", "atlas", model, *layers, *options, *end])
    if images == "world":
        return f"go on with\n  {command}"
    end = ["--method", "fourier", "--out", f"{out}-fourier"]
    without = shlex.join(["vital", "render", model, *shown, *options, *end])
    return f"go on with this, and {own}\n  {command}\nor without images\n  {without}"


def _typed(network: NetworkOptions) -> Iterator[str]:
    """The options of the network as they are typed."""
    for option in fields(network):
        value = getattr(network, option.name)
        if value is not None and value is not False:
            yield f"--{option.name.replace('_', '-')}"
            if value is not True:
                yield str(value)


def _ordered(layers: Iterable[Layer]) -> list[Layer]:
    """The output, the layers that can be used in the order of execution, and the others."""
    from vital.units import OUTPUT

    return sorted(layers, key=lambda layer: (bool(layer.problem), layer.name != OUTPUT))


def _row(model: Model, layer: Layer, block: int) -> tuple[str, str, str, str, str]:
    if layer.problem:
        return layer.name, "-", "-", "-", f"cannot be used: {layer.problem}"
    shape = " x ".join(map(str, layer.shape))
    units = f"{layer.channels}, competing by {block}" if block > 1 else str(layer.channels)
    note = f" ({layer.choice})" if layer.name == layer.module and layer.others else ""
    return layer.name, layer.kind, shape, units, _example(model, layer) + note


def _example(model: Model, layer: Layer) -> str:
    from vital.units import OUTPUT

    if layer.name == OUTPUT and model.classes:
        return f"class:0 or class:{model.classes[0].partition(',')[0]}"
    if layer.kind == "tokens":
        return f"{layer.name}:0#patches" + (f" or {layer.name}:0#cls" if layer.prefix else "")
    return f"{layer.name}:0"
