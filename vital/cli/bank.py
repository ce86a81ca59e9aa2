"""`vital bank`: one pass over the images, kept in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vital.cli.common import Device, InputSize, Labels, ModelName, Weights, listed, megabytes, open_images, open_model, watched
from vital.reference import reference_bank


def bank(
    model: ModelName,
    layers: Annotated[str, typer.Option(metavar="LAYER,LAYER", help="The layers whose units are ranked.")],
    images: Annotated[Path, typer.Option(metavar="DIR", help="Images: a folder tree, or a .npz or .npy file.")],
    out: Annotated[Path, typer.Option(metavar="BANK", help="The file to write, FILE.safetensors.")],
    labels: Labels = None,
    top: Annotated[int, typer.Option(min=1, help="Images kept for each unit.")] = 50,
    weights: Weights = None,
    device: Device = None,
    input_size: InputSize = None,
) -> None:
    """Find the images that excite each unit most, in one pass, and keep the answer in a file.

    The output layer is always among the layers. A file that was made of the same network, images and layers is
    kept as it is.
    """
    net = open_model(model, weights, device, input_size)
    pictures = open_images(images, labels)
    assert pictures is not None  # the option is required
    made = reference_bank(net, listed(layers, "--layers"), pictures, top=top, path=out, progress=watched())
    typer.echo(f"{out}: {len(pictures)} images, layers {', '.join(made.layers)}, {megabytes(out.stat().st_size)}")
    for name, reason in pictures.skipped:
        typer.echo(f"skipped {name}: {reason}", err=True)
