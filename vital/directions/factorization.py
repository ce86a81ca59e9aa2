"""Concepts by decomposing the activations of an image set into a few directions, with an estimator of scikit-learn."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vital.data import ImageSet
from vital.directions.files import unit_rows
from vital.errors import DataError, InvalidValueError, first_line, unknown
from vital.models import Model
from vital.tracing import Tracer, list_layers
from vital.units import Unit, find_layer
from vital.utils.logs import busy
from vital.utils.public import door
from vital.utils.random import generator

MANY = 2 * 10**7
"""Numbers in the matrix of activations above which it is factorized a part at a time."""
ESTIMATORS = {
    "NMF": "decomposition",
    "MiniBatchNMF": "decomposition",
    "PCA": "decomposition",
    "IncrementalPCA": "decomposition",
    "TruncatedSVD": "decomposition",
    "FastICA": "decomposition",
    "FactorAnalysis": "decomposition",
    "SparsePCA": "decomposition",
    "MiniBatchSparsePCA": "decomposition",
    "DictionaryLearning": "decomposition",
    "MiniBatchDictionaryLearning": "decomposition",
    "LatentDirichletAllocation": "decomposition",
    "KMeans": "cluster",
    "MiniBatchKMeans": "cluster",
    "BisectingKMeans": "cluster",
}
"""Estimators of scikit-learn that `make_estimator` knows by name, and the module that each is in."""
POSITIVE = frozenset({"NMF", "MiniBatchNMF", "LatentDirichletAllocation"})
"""Those that take no value below 0."""


@door
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
    that are not finite or have fewer directions than `count` in them.
    """
    if count < 1 or rows < 1 or steps < 1:
        raise InvalidValueError(
            f"count is {count}, rows {rows}, steps {steps}; allowed are whole numbers from 1"
        )
    matrix = activations(model, layer, images, tokens=tokens, rows=rows, seed=seed)
    name = "NMF" if matrix.numel() <= MANY else "MiniBatchNMF"
    return _decomposed(matrix, make_estimator(name, count, max_iter=steps), seed, layer)


@door
def decompose(
    model: Model,
    layer: str,
    images: ImageSet,
    estimator: Any,
    *,
    seed: int = 0,
    tokens: str | None = None,
    rows: int = 50_000,
) -> Tensor:
    """Find directions in a layer by an estimator of scikit-learn, or one like it: (count, C), unit vectors.

    `estimator` is fitted to the activations, a row for each place of each image; the directions are then its
    `components_`, or its `cluster_centers_`: `NMF(8)`, `PCA(8)`, `FastICA(8)`, `MiniBatchDictionaryLearning(32)`,
    `KMeans(8)`. The estimator itself stays as it is: a copy is fitted. A `random_state` that is None goes by the seed.
    The activations are divided by the mean of their magnitude before, so that penalties and tolerances mean the same
    in every layer. `tokens` and `rows` are those of `nmf`.

    Components with `singular_values_` keep their order. Clusters come by their size, and all others by what they
    carry: Σ_i |W_ik| ‖H_k‖, W being what `fit_transform` gives. Signs are those of the estimator.

    Raises `InvalidValueError` for an estimator that has no such directions, cannot be fitted, or takes no values below
    0 where there are some, and `DataError` for activations that are not finite or hold fewer directions than asked for.

    >>> import vital
    >>> from sklearn.decomposition import PCA
    >>> model = vital.Model(torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1)), size=(8, 8))
    >>> decompose(model, "0", vital.load_images(torch.rand(4, 3, 8, 8)), PCA(2)).shape
    torch.Size([2, 5])
    """
    if not hasattr(estimator, "fit"):
        raise InvalidValueError(
            f"the estimator is {estimator!r}, which has no method fit; give one of scikit-learn, such as PCA(8)"
        )
    if rows < 1:
        raise InvalidValueError(f"rows is {rows}; allowed are whole numbers from 1")
    matrix = activations(model, layer, images, tokens=tokens, rows=rows, seed=seed)
    return _decomposed(matrix, estimator, seed, layer)


@door
def make_estimator(name: str, count: int, **parameters: Any) -> Any:
    """Make the estimator of scikit-learn of that name for `count` directions; texts are read as Python reads them.

    Raises `UnknownNameError` for a name or a parameter that there is not, `InvalidValueError` for a parameter that has
    its own option.

    >>> make_estimator("KMeans", 8, init="random", tol="0.01")
    KMeans(init='random', tol=0.01)
    """
    if name not in ESTIMATORS:
        raise unknown("decomposition", name, ESTIMATORS)
    kind = getattr(importlib.import_module(f"sklearn.{ESTIMATORS[name]}"), name)
    known = list(inspect.signature(kind).parameters)
    size = "n_clusters" if "n_clusters" in known else "n_components"
    for parameter in parameters:
        if parameter in (size, "random_state"):
            by = "count" if parameter == size else "seed"
            raise InvalidValueError(f"{parameter} of {name} is given by {by}; leave it out")
        if parameter not in known:
            raise unknown(
                f"parameter of {name}", parameter, [k for k in known if k not in (size, "random_state")]
            )
    read = {key: _literal(value) if isinstance(value, str) else value for key, value in parameters.items()}
    return kind(**{size: count}, **read)


def _literal(text: str) -> Any:
    """What a text means in Python; none, true and false in any case; a word is itself.

    >>> _literal("0.5"), _literal("none"), _literal("k-means++"), _literal("(1, 2)")
    (0.5, None, 'k-means++', (1, 2))
    """
    words = {"none": None, "true": True, "false": False}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text


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


def _decomposed(matrix: Tensor, estimator: Any, seed: int, layer: str) -> Tensor:
    """The directions of a matrix of activations, in order: (count, C), unit vectors."""
    name = type(estimator).__name__
    if not torch.isfinite(matrix).all():
        raise DataError(f"the activations at {layer!r} are not all finite; look at the network's weights")
    positive = bool(POSITIVE & {kind.__name__ for kind in type(estimator).__mro__})
    if (low := float(matrix.min())) < 0 and positive:
        raise InvalidValueError(
            f"the activations at {layer!r} go down to {low:.3g}, and {name} needs values from 0; "
            f"choose a layer behind a ReLU, or a decomposition that takes negative values, such as PCA"
        )
    count = getattr(estimator, "n_clusters", getattr(estimator, "n_components", None))
    if isinstance(count, int) and len(matrix) < count:
        raise InvalidValueError(
            f"{count} directions are asked for and there are {len(matrix)} places at {layer!r}; "
            f"allowed are up to {len(matrix)}, or give more images"
        )
    # Entries around 1 keep scikit-learn's tolerances meaningful whatever the scale of the layer.
    scale = float(matrix.abs().mean()) or 1.0
    fitted, codes = _fitted(estimator, (matrix / scale).numpy(), seed, layer)
    vectors = _directions(fitted, matrix.shape[1])
    carried, ordered = _carried(fitted, codes, vectors), hasattr(fitted, "singular_values_")
    # A sparse code may leave out a direction that is one; what a factorization leaves out is noise.
    some = carried if positive or ordered else vectors.norm(dim=1)
    if (alive := int((some > 0).sum())) < len(vectors):
        raise DataError(
            f"the activations at {layer!r} hold {alive} directions and {len(vectors)} are asked for; "
            f"ask for fewer, or give more images"
        )
    return unit_rows(vectors if ordered else vectors[carried.argsort(descending=True, stable=True)])


def _fitted(estimator: Any, matrix: Any, seed: int, layer: str) -> tuple[Any, Any]:
    """A copy of the estimator, fitted, and what its `fit_transform` gives, or None where it has none."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    copied = clone(estimator) if hasattr(estimator, "get_params") else copy.deepcopy(estimator)
    if getattr(copied, "random_state", seed) is None:
        copied.random_state = seed
    try:
        # Threads of KMeans add their sums in the order in which they end, which changes the last bits.
        told = busy(f"fitting {type(estimator).__name__} to the activations at {layer!r}")
        with told, warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # of shares of a variance that is 0
            if hasattr(copied, "fit_transform"):
                return copied, copied.fit_transform(matrix)
            return copied.fit(matrix), None
    except (ValueError, TypeError) as error:
        raise InvalidValueError(
            f"{type(estimator).__name__} cannot be fitted to the activations at {layer!r}, "
            f"{matrix.shape[0]} x {matrix.shape[1]}: {first_line(error)}"
        ) from error


def _directions(fitted: Any, channels: int) -> Tensor:
    """The components of a fitted estimator, or its cluster centers: (count, C)."""
    found = getattr(fitted, "components_", getattr(fitted, "cluster_centers_", None))
    if found is None:
        raise InvalidValueError(
            f"{type(fitted).__name__} has neither components_ nor cluster_centers_; "
            f"allowed are estimators that do, such as {', '.join(ESTIMATORS)}"
        )
    vectors = _tensor(found)
    if vectors.ndim != 2 or vectors.shape[1] != channels:
        raise InvalidValueError(
            f"{type(fitted).__name__} gives directions of the shape {tuple(vectors.shape)}, "
            f"and the layer has {channels} channels"
        )
    return vectors


def _carried(fitted: Any, codes: Any, vectors: Tensor) -> Tensor:
    """How much of the activations each direction carries: (count,)."""
    length: Tensor = vectors.norm(dim=1)
    if hasattr(fitted, "singular_values_"):
        return _tensor(fitted.singular_values_)
    if hasattr(fitted, "cluster_centers_") and hasattr(fitted, "labels_"):
        labels = _tensor(fitted.labels_).long()
        return labels[labels >= 0].bincount(minlength=len(vectors)).float()
    if codes is None or codes.shape[1:] != (len(vectors),):
        return length
    # ICA has its directions in components_ and what they carry into the layer in mixing_.
    weight = _tensor(fitted.mixing_).norm(dim=0) if hasattr(fitted, "mixing_") else length
    return _tensor(codes).abs().sum(0) * weight


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values)).float()
