"""`vital bank`: one pass over the images, kept in a file."""

from __future__ import annotations

import typer

from vital.cli.common import listed, megabytes, show_skipped, watched
from vital.cli.options import (
    Layers,
    ModelName,
    NeededImageOptions,
    NetworkOptions,
    NewBank,
    Top,
    grouped,
)


@grouped
def bank(
    model: ModelName,
    layers: Layers,
    source: NeededImageOptions,
    out: NewBank,
    *,
    top: Top = 50,
    network: NetworkOptions,
) -> None:
    """Find the images that excite each unit most.

    One pass over the images finds them, and a file keeps the answer. The output layer is always among the layers. A
    file that was made of the same network, images and layers is kept as it is.
    """
    from vital.activations import build_bank

    net, pictures = network.open(model), source.open()
    made = build_bank(net, listed(layers, "--layers"), pictures, top=top, path=out, progress=watched())
    made.save(out, {"images": str(source.images), "labels": str(source.image_labels or "")})
    size = megabytes(out.stat().st_size)
    typer.echo(f"{out}: {len(pictures)} images, layers {', '.join(made.layers)}, {size}")
    show_skipped(pictures)
