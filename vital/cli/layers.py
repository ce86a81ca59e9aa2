"""`vital layers`: what can be named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from vital.cli.common import table
from vital.cli.options import ModelName, NetworkOptions, grouped

if TYPE_CHECKING:
    from vital.models import Model
    from vital.types import Layer


@grouped
def layers(model: ModelName, network: NetworkOptions) -> None:
    """List the layers of a network, and how a unit is written.

    The classes come first, and what cannot be used last. Each has its kind, its shape and its number of units; a layer
    whose units compete says so. Shapes do not depend on weights, so named networks are built with random ones and
    nothing is downloaded. Of a module that returns several tensors LAYER is the first, and LAYER[KEY] another.
    """
    from vital.lwta.layers import competing
    from vital.tracing import list_layers

    if network.weights is None and ".py:" not in model:
        network = replace(network, weights="random")
    net = network.open(model)
    height, width = net.size
    blocks = {name: lwta.competitors for name, lwta in competing(net.module).items()}
    rows = [_row(net, layer, blocks.get(layer.name, 1)) for layer in _ordered(list_layers(net).values())]
    typer.echo(f"{net.name}, images of {net.channels} x {height} x {width}, {len(rows)} layers")
    typer.echo(table(["layer", "kind", "shape", "units", "write"], rows))


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
