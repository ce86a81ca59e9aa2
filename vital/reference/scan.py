"""The one pass: which images excite each unit most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from vital.errors import DataError
from vital.images import ImageSet
from vital.models import Model
from vital.trace import Tracer, survey


@torch.no_grad()
def scan(
    model: Model, layers: Sequence[str], images: ImageSet, top: int, batch: int, progress: bool
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Show every image to the network once: per reading, the `top` highest values of each channel and whose they are.

    A reading is a layer, or `layer#all`, `layer#patches` and `layer#cls` where it has tokens; values and indices
    are (C, top), strongest first. Raises `DataError` when no image can be read.
    """
    known = survey(model)
    values: dict[str, Tensor] = {}
    indices: dict[str, Tensor] = {}
    bar = tqdm(
        total=len(images), desc="images", unit="image", disable=None if progress else True, leave=False
    )
    with Tracer(model, layers) as tracer, bar:
        for which, pictures in images.batches(model, batch):
            trace = tracer(pictures.to(model.device, model.dtype))
            ids = torch.tensor(which)
            for layer in layers:
                for reading, act in _readings(layer, trace[layer], known[layer].prefix):
                    _keep_top(values, indices, reading, act.float().cpu(), ids, top)
            bar.update(len(which))
    if not values:
        raise DataError(f"none of the {len(images)} images could be read")
    return values, indices


def _readings(layer: str, act: Tensor, prefix: int) -> Iterator[tuple[str, Tensor]]:
    """Each way of reading a channel as one number: (B, C)."""
    if act.ndim == 2:
        yield layer, act
    elif act.ndim == 4:
        yield layer, act.mean((2, 3))
    else:
        yield f"{layer}#all", act.mean(2)
        yield f"{layer}#patches", act[:, :, prefix:].mean(2)
        if prefix:
            yield f"{layer}#cls", act[:, :, 0]


def _keep_top(
    values: dict[str, Tensor], indices: dict[str, Tensor], reading: str, act: Tensor, ids: Tensor, top: int
) -> None:
    """Merge a batch (B, C) into the running top: ties go to the image that came first."""
    new_values, new_indices = act.T, ids.expand(act.shape[1], -1)
    if reading in values:
        new_values = torch.cat([values[reading], new_values], 1)
        new_indices = torch.cat([indices[reading], new_indices], 1)
    order = new_values.argsort(dim=1, descending=True, stable=True)[:, :top]
    values[reading], indices[reading] = new_values.gather(1, order), new_indices.gather(1, order)
