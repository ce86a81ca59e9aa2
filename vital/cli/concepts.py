"""`vital concepts`: directions in a layer, found in the activations of images or read from a sparse autoencoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli import options as opt
from vital.cli.common import say_ignored, show_skipped
from vital.cli.talk import log, wrote
from vital.errors import UsageError, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from vital.data import ImageSet
    from vital.models import Model


@opt.grouped
def concepts(
    model: opt.ModelName,
    layer: opt.OneLayer,
    source: opt.BatchedImageOptions,
    out: opt.Directions,
    *,
    count: opt.Count = None,
    decomposition: opt.Decomposition = None,
    settings: opt.DecompositionSettings = None,
    rows: opt.Rows = None,
    sae: opt.Sae = None,
    part: opt.SaePart = None,
    key: opt.SaeKey = None,
    seed: opt.Seed = 0,
    tokens: opt.Tokens = None,
    network: opt.NetworkOptions,
) -> None:
    """Find directions in a layer, or read those of an autoencoder.

    A file keeps them. By default the activations are sums of them, and neither may be negative: choose a layer behind a
    ReLU, or another decomposition. Row 3 of the file is the unit FILE.safetensors:3@LAYER, which vital render shows.
    """
    from vital.directions import free_name, save_directions

    found: dict[str, Any] = {
        "--count": count,
        "--decomposition": decomposition,
        "--set": settings,
        "--rows": rows,
    }
    found |= {"--images": source.images, "--bank": source.bank, "--image-labels": source.image_labels}
    _refuse({"--part": part, "--key": key} if sae is None else found, alone=sae is None)
    free_name(out)
    if sae is not None:
        say_ignored("a file is read, and no image", "seed", "batch", "workers")
        net = network.open(model)
        if tokens is not None:
            net.unit(f"{layer}:0#{tokens}")  # refuses tokens that the layer does not have
        vectors, notes = _read(net, layer, sae, part or "decoder", key or "")
        pictures, origin = None, str(sae)
    else:
        if count is None:
            raise UsageError(
                "directions are found in as many as are asked for; give --count K, or --sae FILE"
            )
        pictures = source.needed("directions are found in the activations of images")
        net = network.open(model)
        given = opt.read_settings(settings or [])
        vectors, notes = _find(
            net, layer, pictures, count, decomposition, given, seed=seed, tokens=tokens, rows=rows or 50_000
        )
        origin = f"{len(pictures)} images"
        notes |= {"images": str(source.images or source.bank), "seed": seed}
    notes |= {"model": net.name, "weights_hash": net.weights_hash()}
    before = out.read_bytes() if out.exists() else None
    units = save_directions(out, vectors, layer, tokens=tokens, notes=notes)
    wrote(out)
    typer.echo(f"{out}: {len(vectors)} directions in {layer}, from {origin}; the first unit: {units[0]}")
    if before not in (None, out.read_bytes()):
        log.warning("%s held other directions, which these have replaced", out)
    show_skipped(pictures)


def _refuse(options: dict[str, Any], *, alone: bool) -> None:
    """Refuse the options that do not apply."""
    for name, value in options.items():
        if value is not None:
            why = (
                "is of a sparse autoencoder; give --sae FILE too"
                if alone
                else "has no use beside --sae; leave it out"
            )
            raise UsageError(f"{name} {why}")


def _read(net: Model, layer: str, sae: Path, part: str, key: str) -> tuple[Tensor, dict[str, Any]]:
    from vital.directions import sae_decoder, sae_encoder
    from vital.tracing import list_layers
    from vital.units import find_layer

    readers = {"decoder": sae_decoder, "encoder": sae_encoder}
    if part not in readers:
        raise unknown("part of a sparse autoencoder", part, readers)
    vectors = readers[part](sae, find_layer(layer, list_layers(net)), key)
    return vectors, {"by": f"sae {part}", "sae": str(sae)} | ({"key": key} if key else {})


def _find(
    net: Model,
    layer: str,
    pictures: ImageSet,
    count: int,
    decomposition: str | None,
    settings: dict[str, str],
    **options: Any,
) -> tuple[Tensor, dict[str, Any]]:
    from vital.directions import decompose, make_estimator, nmf

    if decomposition is None:
        if settings:
            raise UsageError("--set is of a decomposition; give --decomposition NAME too, such as NMF")
        return nmf(net, layer, pictures, count, **options), {"by": "nmf"}
    estimator = make_estimator(decomposition, count, **settings)
    return decompose(net, layer, pictures, estimator, **options), {"by": decomposition, **settings}
