"""`vital concepts`: directions in a layer, found in the activations of images."""

from __future__ import annotations

import typer

from vital.cli import options as opt
from vital.cli.common import show_skipped


@opt.grouped
def concepts(
    model: opt.ModelName,
    layer: opt.OneLayer,
    source: opt.NeededImageOptions,
    count: opt.Count,
    out: opt.Directions,
    *,
    seed: opt.Seed = 0,
    tokens: opt.Tokens = None,
    network: opt.NetworkOptions,
) -> None:
    """Find the directions that a layer's activations are sums of.

    A file keeps them. The activations must not be negative: choose a layer behind a ReLU. Row 3 of the file is the unit
    FILE.safetensors:3@LAYER, which vital render shows.
    """
    from vital.directions import free_name, nmf, save_directions

    free_name(out)
    net, pictures = network.open(model), source.open()
    vectors = nmf(net, layer, pictures, count, seed=seed, tokens=tokens)
    notes = {"by": "nmf", "model": net.name, "weights_hash": net.weights_hash(), "images": str(source.images)}
    units = save_directions(out, vectors, layer, tokens=tokens, notes=notes | {"seed": seed})
    typer.echo(
        f"{out}: {count} directions in {layer}, from {len(pictures)} images; the first unit: {units[0]}"
    )
    show_skipped(pictures)
