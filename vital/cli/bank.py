"""`vital bank`: one pass over the images, kept in a file; `vital merge`: the banks of the parts of a set as one."""

from __future__ import annotations

import json

import typer

from vital.cli import options as opt
from vital.cli.common import images_of, listed, megabytes, opened_as, show_skipped, watched
from vital.cli.engine_options import EngineOptions
from vital.cli.talk import wrote
from vital.errors import UsageError
from vital.utils.io import resolved


@opt.grouped
def bank(
    model: opt.ModelName,
    layers: opt.Layers,
    source: opt.BatchedNeededImageOptions,
    out: opt.NewBank,
    *,
    top: opt.Top = 50,
    engine: EngineOptions,
    network: opt.NetworkOptions,
) -> None:
    """Find the images that excite each unit most.

    One pass over the images finds them, and a file keeps the answer. The output layer is always among the layers. A
    file that was made of the same network, images and layers is kept as it is. With --engine ray each process shows
    some of the images.
    """
    from vital.activations import build_bank
    from vital.atlases.commands import bank_in_parts

    do = engine.elsewhere()
    net, pictures, names = network.open(model), source.open(), listed(layers, "--layers")
    if do is None:
        made = build_bank(net, names, pictures, top=top, path=out, progress=watched())
    else:
        made = bank_in_parts(net, names, pictures, out, do, top=top, progress=watched())
    made.save(out, opened_as(source.images, source.image_labels))
    wrote(out)
    size = megabytes(out.stat().st_size)
    typer.echo(f"{out}: {len(pictures)} images, layers {', '.join(made.layers)}, {size}")
    show_skipped(pictures)


@opt.grouped
def merge(
    model: opt.ModelName,
    banks: opt.Banks,
    out: opt.NewBank,
    network: opt.NetworkOptions,
) -> None:
    """Make one bank of the banks of an image set's parts.

    It is as if one pass had shown all images. The parts can be scanned by different machines. They must be of one
    network, with the same layers and --top.
    """
    from vital.activations import free_for_bank, load_bank, merged, opened_from

    free_for_bank(out)
    if len({resolved(path) for path in banks}) < len(banks):
        raise UsageError("a bank is given twice, whose images would count twice; give each once")
    net = network.open(model)
    made = merged([load_bank(path, net, images_of(path)) for path in banks])
    made.save(out, {"parts": json.dumps([opened_from(path) for path in banks])})
    wrote(out)
    size, layers = megabytes(out.stat().st_size), ", ".join(made.layers)
    typer.echo(f"{out}: {len(made.images)} images of {len(banks)} banks, layers {layers}, {size}")
    show_skipped(made.images)
