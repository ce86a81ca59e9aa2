"""Templates: the per-channel quantiles of reference images, streamed one batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from vital.errors import DataError
from vital.models import Model
from vital.records import Template
from vital.trace import Tracer
from vital.types import Images


@torch.no_grad()
def make_template(
    model: Model,
    layers: Sequence[str],
    batches: Iterable[Images],
    *,
    unit: str = "",
    images: Sequence[str] = (),
    key: str = "",
) -> Template:
    """Average the sorted activations of reference images, layer by layer.

    Formula: q_{c,i} = (1/K) Σ_k sort(f_c(x_k))_i, the 1-D Wasserstein barycentre per channel (VITAL, ICCV 2025).
    `batches` yields images (B, C, H, W) in [0, 1] of the network's own size. Memory does not grow with their
    number. Raises `DataError` when there is no image.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(8, 8))
    >>> make_template(net, ["0"], [torch.rand(2, 3, 8, 8)]).layers["0"].shape
    torch.Size([4, 36])
    """
    sums: dict[str, Tensor] = {}
    count = 0
    with Tracer(model, layers) as tracer:
        for batch in batches:
            trace = tracer(batch.to(model.device, model.dtype))
            for layer in layers:
                act = trace[layer]
                rows = act.flatten(2) if act.ndim > 2 else act[:, :, None]
                total = rows.sort(dim=2).values.sum(0)
                sums[layer] = sums[layer] + total if layer in sums else total
            count += len(batch)
    if not count:
        raise DataError(f"there are no reference images{' for ' + unit if unit else ''}")
    return Template({layer: total / count for layer, total in sums.items()}, unit, tuple(images), key)
