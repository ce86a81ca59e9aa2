"""`vital layers`: what can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vital.cli.common import open_model, table
from vital.cli.options import Device, InputSize, ModelName, Weights

if TYPE_CHECKING:
    from vital.models import Model
    from vital.types import Layer


def layers(
    model: ModelName, weights: Weights = None, device: Device = None, input_size: InputSize = None
) -> None:
    """List the layers of a network: kind, shape, units, and how a unit is written.

    Shapes do not depend on weights, so named networks are built with random ones and nothing is downloaded.
    """
    from vital.tracing import list_layers

    if weights is None and ".py:" not in model:
        weights = "none"
    net = open_model(model, weights, device, input_size)
    height, width = net.size
    rows = [_row(net, layer) for layer in list_layers(net).values()]
    typer.echo(f"{net.name}, images of {net.channels} x {height} x {width}, {len(rows)} layers")
    typer.echo(table(["layer", "kind", "shape", "units", "write"], rows))


def _row(model: Model, layer: Layer) -> tuple[str, str, str, str, str]:
    if layer.problem:
        return layer.name, "-", "-", "-", f"cannot be used: {layer.problem}"
    shape = " x ".join(map(str, layer.shape))
    return layer.name, layer.kind, shape, str(layer.channels), _example(model, layer)


def _example(model: Model, layer: Layer) -> str:
    from vital.units import OUTPUT

    if layer.name == OUTPUT and model.classes:
        return f"class:0 or class:{model.classes[0].partition(',')[0]}"
    if layer.kind == "tokens":
        return f"{layer.name}:0#patches" + (f" or {layer.name}:0#cls" if layer.prefix else "")
    return f"{layer.name}:0"
