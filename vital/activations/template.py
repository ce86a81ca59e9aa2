"""Templates: the per-channel quantiles of reference images, streamed one batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vital.attribution import followed, importance, mask
from vital.errors import DataError
from vital.models import Model
from vital.records import Template
from vital.terms import RelevanceRequest
from vital.tracing import Trace, Tracer
from vital.types import Images
from vital.units import Unit
from vital.utils import tensor_pack
from vital.utils.io import cache_folder
from vital.utils.sorting import ascending, rows


@torch.no_grad()
def make_template(
    model: Model,
    layers: Sequence[str],
    batches: Iterable[Images | tuple[Images, Sequence[float]]],
    *,
    unit: str | Unit = "",
    images: Sequence[str] = (),
    key: str = "",
    rule: str = "",
    start: str = "waking",
) -> Template:
    """Average the sorted activations of reference images, layer by layer.

    Formula: q_{c,i} = Σ_k w_k sort(f_c(x_k))_i / Σ_k w_k, the 1-D Wasserstein barycenter per channel
    Source: VITAL, ICCV 2025, with w_k = 1

    `batches` yields images (B, C, H, W) in [0, 1] of the network's own size, or pairs of images and their B weights.
    Memory does not grow with their number. Raises `DataError` when there is no image with a weight above 0.

    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(8, 8))
    >>> make_template(net, ["0"], [torch.rand(2, 3, 8, 8)]).layers["0"].shape
    torch.Size([4, 36])
    """
    sums: dict[str, Tensor] = {}
    important: dict[str, Tensor] = {}
    total = 0.0
    request = RelevanceRequest(model.unit(unit), tuple(layers), rule, start) if rule else None
    watched = [*layers, request.unit.layer] if request else layers
    with Tracer(model, watched, record=bool(request and request.recorded)) as tracer:
        for batch in batches:
            pictures, weights = batch if isinstance(batch, tuple) else (batch, [1.0] * len(batch))
            trace, relevance = _seen(tracer, pictures.to(model.device, model.image_dtype), request)
            for layer in layers:
                act = rows(trace[layer])
                if request:
                    act = act * mask(rows(relevance[layer]), rule)
                    _add(
                        important,
                        layer,
                        torch.einsum(
                            "k,kc->c", act.new_tensor(weights), importance(rows(relevance[layer]), rule)
                        ),
                    )
                _add(sums, layer, _weighted_quantiles(act, weights))
            total += sum(weights)
    if not total:
        raise DataError(f"there are no reference images{f' for {unit}' if unit else ''}")
    layered = {layer: part / total for layer, part in sums.items()}
    return Template(
        layered,
        str(unit),
        tuple(images),
        key,
        rule,
        start,
        {n: part / total for n, part in important.items()},
    )


def _seen(
    tracer: Tracer, pictures: Images, request: RelevanceRequest | None
) -> tuple[Trace, Mapping[str, Tensor]]:
    """One pass, and the relevance that is requested; a gradient is recorded where it takes one."""
    slope = bool(request and not request.recorded)
    with torch.set_grad_enabled(slope):
        trace = tracer(pictures.detach().requires_grad_(slope))
        return trace, followed(trace, [request]) if request else {}


def keep(template: Template, group: str) -> None:
    """Write a template to the cache folder, under its key and into the file of its group."""
    tensors = {f"q/{k}": t for k, t in template.layers.items()}
    tensors |= {f"importance/{k}": t for k, t in template.importance.items()}
    notes = {"unit": template.unit, "images": template.images, "rule": template.rule, "start": template.start}
    tensor_pack.put(_file(group), template.key, tensors, notes)


def kept(key: str, group: str) -> Template | None:
    """Read a template that `keep` wrote; None where there is none."""
    found = tensor_pack.get(_file(group), key)
    if found is None:
        return None
    tensors, notes = found
    parts = [
        {k.partition("/")[2]: t for k, t in tensors.items() if k.startswith(p)} for p in ("q/", "importance/")
    ]
    return Template(
        parts[0], notes["unit"], tuple(notes["images"]), key, notes["rule"], notes["start"], parts[1]
    )


def _file(group: str) -> Path:
    return cache_folder() / "templates" / f"{group}.pack"


def _add(sums: dict[str, Tensor], layer: str, part: Tensor) -> None:
    sums[layer] = sums[layer] + part if layer in sums else part


def _weighted_quantiles(act: Tensor, weights: Sequence[float]) -> Tensor:
    """Σ_k w_k sort(f_k) over a batch: (C, N)."""
    return torch.einsum("k,kcn->cn", act.new_tensor(weights), ascending(act))
