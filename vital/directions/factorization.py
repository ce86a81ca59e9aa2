"""Concepts by factorizing the activations of an image set into few directions that are not negative."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import torch
from torch import Tensor

from vital.data import ImageSet
from vital.directions.files import unit_rows
from vital.errors import DataError, InvalidValueError, missing_extra
from vital.models import Model
from vital.tracing import Tracer, list_layers
from vital.units import Unit, find_layer
from vital.utils.random import generator

MANY = 2 * 10**7
"""Numbers in the matrix of activations above which it is factorized a part at a time."""


def nmf(
    model: Model,
    layer: str,
    images: ImageSet,
    count: int,
    *,
    seed: int = 0,
    tokens: str | None = None,
    rows: int = 50_000,
    steps: int = 400,
) -> Tensor:
    """Find the directions that the activations of an image set are sums of: (count, C), unit vectors, none negative.

    Formula: min ‖A − W H‖² with W, H ≥ 0; A has a row for each place of each image, and the answer is H
    Source: non-negative matrix factorization as concepts: Olah et al., The Building Blocks of Interpretability, 2018

    They come in the order of what they carry: Σ_i W_ik ‖H_k‖, largest first. Of a layer with tokens, `tokens` says
    which are looked at ("patches", "cls", "all"). About `rows` places are kept at most, as many of each image, drawn
    with the seed, so that memory does not grow with the number of images. `steps` bounds the iterations; a fit that
    still gets better is taken as it is then. The factorization is
    scikit-learn's `NMF`, and `MiniBatchNMF` above 2·10⁷ numbers.

    Raises `InvalidValueError` for activations below 0 and for fewer places than `count`, `DataError` for activations
    that are not finite or have fewer directions than `count` in them, `MissingDependencyError` without scikit-learn.
    """
    if count < 1 or rows < 1 or steps < 1:
        raise InvalidValueError(
            f"count is {count}, rows {rows}, steps {steps}; allowed are whole numbers from 1"
        )
    _sklearn("decomposition")
    matrix = activations(model, layer, images, tokens=tokens, rows=rows, seed=seed)
    if not torch.isfinite(matrix).all():
        raise DataError(f"the activations at {layer!r} are not all finite; look at the network's weights")
    if (low := float(matrix.min())) < 0:
        raise InvalidValueError(
            f"the activations at {layer!r} go down to {low:.3g}, and non-negative factors need values from 0; "
            f"choose a layer behind a ReLU"
        )
    if len(matrix) < count:
        raise InvalidValueError(
            f"{count} directions are asked for and there are {len(matrix)} places at {layer!r}; "
            f"allowed are up to {len(matrix)}, or give more images"
        )
    return _factors(matrix, count, seed, steps, layer)


@torch.no_grad()
def activations(
    model: Model,
    layer: str,
    images: ImageSet,
    *,
    tokens: str | None = None,
    rows: int = 50_000,
    seed: int = 0,
) -> Tensor:
    """The activations of an image set, a row for each place: (places, C) in float32 on the CPU.

    About `rows` places at most are kept, as many of each image, drawn with the seed; of more than `rows` images,
    evenly spread ones.
    """
    find_layer(layer, list_layers(model))
    draw, step = generator(seed, "concepts", layer), max(1, -(-len(images) // rows))
    chosen = range(0, len(images), step)
    each, kept = max(1, rows // len(chosen)), []
    with Tracer(model, [layer]) as tracer:
        for _, batch in images.batches(model, 16, indices=chosen):
            trace = tracer(batch.to(model.device, model.image_dtype))
            for act in trace.vectors(Unit(layer, 0, tokens=tokens or "")).float().cpu():
                some = torch.randperm(act.shape[1], generator=draw)[:each] if each < act.shape[1] else ...
                kept.append(act[:, some].T)
    return torch.cat(kept)


def _factors(matrix: Tensor, count: int, seed: int, steps: int, layer: str) -> Tensor:
    decomposition = _sklearn("decomposition")
    kind = decomposition.NMF if matrix.numel() <= MANY else decomposition.MiniBatchNMF
    # Entries around 1 keep scikit-learn's tolerances meaningful whatever the scale of the layer.
    scale = float(matrix.mean()) or 1.0
    found = kind(count, random_state=seed, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", _sklearn("exceptions").ConvergenceWarning)
        weights = torch.from_numpy(found.fit_transform((matrix / scale).numpy()))
    vectors = torch.from_numpy(found.components_).float()
    carried = weights.sum(0).float() * vectors.norm(dim=1)
    if (alive := int((carried > 0).sum())) < count:
        raise DataError(
            f"the activations at {layer!r} hold {alive} directions and {count} are asked for; "
            f"ask for fewer, or give more images"
        )
    return unit_rows(vectors[carried.argsort(descending=True, stable=True)])


def _sklearn(part: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{part}")
    except ImportError as error:
        raise missing_extra("scikit-learn", "concepts", "concepts from activations") from error
