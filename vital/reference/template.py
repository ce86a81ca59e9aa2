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
    batches: Iterable[Images | tuple[Images, Sequence[float]]],
    *,
    unit: str = "",
    images: Sequence[str] = (),
    key: str = "",
) -> Template:
    """Average the sorted activations of reference images, layer by layer.

    Formula: q_{c,i} = Σ_k w_k sort(f_c(x_k))_i / Σ_k w_k, the 1-D Wasserstein barycentre per channel
    Source: VITAL, ICCV 2025, with w_k = 1

    `batches` yields images (B, C, H, W) in [0, 1] of the network's own size, or pairs of images and their B weights.
    Memory does not grow with their number. Raises `DataError` when there is no image with a weight above 0.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(8, 8))
    >>> make_template(net, ["0"], [torch.rand(2, 3, 8, 8)]).layers["0"].shape
    torch.Size([4, 36])
    """
    sums: dict[str, Tensor] = {}
    total = 0.0
    with Tracer(model, layers) as tracer:
        for batch in batches:
            pictures, weights = batch if isinstance(batch, tuple) else (batch, [1.0] * len(batch))
            trace = tracer(pictures.to(model.device, model.dtype))
            for layer in layers:
                part = _weighted_quantiles(trace[layer], weights)
                sums[layer] = sums[layer] + part if layer in sums else part
            total += sum(weights)
    if not total:
        raise DataError(f"there are no reference images{' for ' + unit if unit else ''}")
    return Template({layer: part / total for layer, part in sums.items()}, unit, tuple(images), key)


def _weighted_quantiles(act: Tensor, weights: Sequence[float]) -> Tensor:
    """Σ_k w_k sort(f_k) over a batch: (C, N)."""
    rows = act.flatten(2) if act.ndim > 2 else act[:, :, None]
    return torch.einsum("k,kcn->cn", act.new_tensor(weights), rows.sort(dim=2).values)
