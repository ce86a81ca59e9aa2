"""`vital bank`: one pass over the images, kept in a file."""

from __future__ import annotations

import typer

from vital.cli.common import listed, megabytes, open_images, open_model, show_skipped, watched
from vital.cli.options import (
    Device,
    InputSize,
    Labels,
    Layers,
    ModelName,
    NeededImages,
    NewBank,
    Top,
    Weights,
)


def bank(
    model: ModelName,
    layers: Layers,
    images: NeededImages,
    out: NewBank,
    labels: Labels = None,
    top: Top = 50,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
) -> None:
    """Find the images that excite each unit most, in one pass, and keep the answer in a file.

    The output layer is always among the layers. A file that was made of the same network, images and layers is
    kept as it is.
    """
    from vital.activations import build_bank

    net = open_model(model, weights, device, input_size)
    pictures = open_images(images, labels)
    made = build_bank(net, listed(layers, "--layers"), pictures, top=top, path=out, progress=watched())
    made.save(out, {"images": str(images), "labels": str(labels or "")})
    size = megabytes(out.stat().st_size)
    typer.echo(f"{out}: {len(pictures)} images, layers {', '.join(made.layers)}, {size}")
    show_skipped(pictures)
