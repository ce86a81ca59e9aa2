"""`vital merge`: the banks of the parts of an image set as one."""

from __future__ import annotations

import json

import typer

from vital.cli.common import images_of, megabytes, show_skipped
from vital.cli.options import Banks, ModelName, NetworkOptions, NewBank, grouped


@grouped
def merge(
    model: ModelName,
    banks: Banks,
    out: NewBank,
    network: NetworkOptions,
) -> None:
    """Make one bank of the banks of an image set's parts.

    It is as if one pass had shown all images. The parts can be scanned by different machines. They must be of one
    network, with the same layers and --top.
    """
    from vital.activations import free_for_bank, load_bank, merged, opened_from

    free_for_bank(out)
    net = network.open(model)
    made = merged([load_bank(path, net, images_of(path)) for path in banks])
    made.save(out, {"parts": json.dumps([opened_from(path) for path in banks])})
    size, layers = megabytes(out.stat().st_size), ", ".join(made.layers)
    typer.echo(f"{out}: {len(made.images)} images of {len(banks)} banks, layers {layers}, {size}")
    show_skipped(made.images)
