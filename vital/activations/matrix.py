"""Activation matrices: what images do to whole layers, and their image-text embeddings; one pass, kept on disk.

Everything is kept under a key of all that it was worked out from: the network's weights, code and preprocessing, the
content of the images, and a few embeddings of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vital.activations.scan import warn_of_size
from vital.backends import ImageTextEncoder
from vital.backends.embeddings import embedded_images, embedded_texts, embedding
from vital.data import ImageSet
from vital.data.views import Sizes
from vital.errors import InvalidValueError, ModelError, RunError
from vital.models import Model
from vital.models.identity import network
from vital.tracing import Tracer
from vital.tracing.readout import vector_of
from vital.types import Images
from vital.units import Unit
from vital.utils import tensor_cache as store
from vital.utils.drawing import as_rgb
from vital.utils.hashing import key_of, tensor_hash
from vital.utils.logs import busy
from vital.utils.progress import Progress
from vital.utils.tensor_rows import growing
from vital.utils.text import shortened

FORMAT = 1
BATCH = 32
TEXTS = 1024

_held: set[Path] = set()
"""What this process reads, and will not remove, however much it is: without it the images would be shown again."""

POOLS: Mapping[str, Callable[[Tensor], Tensor]] = {"mean": lambda x: x.mean(2), "max": lambda x: x.amax(2)}
"""What the places of a channel give together: (B, C, places) -> (B, C)."""


@dataclass(frozen=True, eq=False)
class ActivationMatrix:
    """What images do to whole layers.

    `numbers` (N,) are the images of the set that could be read; `choosing` (N,) says which of them labels are chosen on
    (see `ImageSet.part`), the others being held out; `layers` maps a readout (a layer, and which of its
    places count) to the values of all its channels, (N, C) float32, each the mean over its
    places, or the greatest of them. The values stay on disk, and memory holds what is looked at as long as it can.
    """

    model: Model = field(repr=False)
    numbers: Tensor = field(repr=False)
    choosing: Tensor = field(repr=False)
    layers: Mapping[str, Tensor] = field(repr=False)
    key: str = ""

    def layer(self, unit: Unit) -> Tensor:
        """The values of all channels of a unit's layer, read as the unit is read: (N, C)."""
        return self.layers[readout_key(unit)]

    def of(self, units: Sequence[Unit]) -> Tensor:
        """The values of units of one readout: (N, U); those of a direction are the projections on it."""
        values = self.layer(units[0])
        found = values[:, [unit.channel or 0 for unit in units]]  # all at once: the values may lie on disk
        for column, unit in enumerate(units):
            if unit.source:
                found[:, column] = values @ vector_of(self.model.unit(unit)).to(values)
        return found

    @property
    def megabytes(self) -> float:
        """What the values take, on disk and in memory where they are looked at, in 10⁶ bytes."""
        return sum(v.numel() * v.element_size() for v in self.layers.values()) / 1e6


def readout_key(unit: Unit) -> str:
    """Name the way in which every channel of a unit's layer gives one number.

    >>> readout_key(Unit.parse("layer4:162@3,3")), readout_key(Unit.parse("FILE.safetensors:3@layer4"))
    ('layer4:0@3,3', 'layer4:0')
    """
    return str(_reader(unit))


def _reader(unit: Unit) -> Unit:
    return replace(unit, index=0, label="", source="")


def build_matrix(
    model: Model,
    images: ImageSet,
    units: Iterable[Unit],
    *,
    pool: str = "mean",
    split_seed: int = 0,
    batch: int = BATCH,
    progress: bool = False,
) -> ActivationMatrix:
    """Show images to a network once, for the whole layers of all these units.

    `split_seed` is that of the halves of the images, which labels are chosen and judged on.
    `pool` says what a channel with several places gives: their mean, or the greatest of them ("max"). Images that
    cannot be read are passed over. Raises `DataError` when none can be read, `ModelError` for values that are not
    finite, and `InvalidValueError` for another `pool`.
    """
    if pool not in POOLS:
        raise InvalidValueError(f"pool is {pool!r}; allowed are {', '.join(POOLS)}")
    batch = images.together(batch)
    readers = {readout_key(unit): _reader(unit) for unit in units}
    own = {"model": network(model), "images": images.hash(), "how": _how(model, batch, pool)}
    paths = {name: _path("probes", readout_key=name, **own) for name in readers}
    fits = partial(_fits, images=len(images))
    known = {name: held[0] for name, path in paths.items() if (held := store.load(path, fits))}
    missing = {name: reader for name, reader in readers.items() if name not in known}
    if missing:
        layers = list(dict.fromkeys(reader.layer for reader in missing.values()))
        # a control stands beside the network itself
        whose = f" of {model.name}" if model.weights == "random" else ""
        with busy(f"reading {len(images)} images once for {shortened(layers)}{whose}"):
            _show(model, images, missing, paths, batch, progress, POOLS[pool])
        known |= {name: _written(paths[name]) for name in missing}
    _held.update(paths.values())
    numbers = next(iter(known.values()))["numbers"] if known else torch.empty(0, dtype=torch.int64)
    values = {name: held["values"] for name, held in known.items()}
    choosing = images.part(seed=split_seed)[numbers]
    return ActivationMatrix(model, numbers, choosing, values, key_of(**own))


def _fits(found: store.Tensors, images: int, rows: str = "values") -> bool:
    """Whether a file holds rows of float32 of images of a set of so many."""
    numbers, values = found["numbers"], found[rows]
    right = store.is_table(numbers, torch.int64, None) and len(numbers) > 0
    right = right and bool((numbers.diff() > 0).all()) and 0 <= int(numbers[0]) <= int(numbers[-1]) < images
    return right and store.is_table(values, torch.float32, len(numbers), None)


def _how(model: Model, batch: int, pool: str) -> tuple[Any, ...]:
    return (FORMAT, model.device.type, model.precision, batch, *([pool] if pool != "mean" else []))


@torch.no_grad()
def _show(
    model: Model,
    images: ImageSet,
    readers: Mapping[str, Unit],
    paths: Mapping[str, Path],
    batch: int,
    progress: bool,
    pooled: Callable[[Tensor], Tensor],
) -> None:
    """The one pass: a file per readout, with the `numbers` of the images and the `values` of all channels."""
    numbers: list[int] = []
    sizes = Sizes()
    with ExitStack() as stack:
        files = {name: stack.enter_context(growing(paths[name], "values")) for name in readers}
        layers = dict.fromkeys(unit.layer for unit in readers.values())
        tracer = stack.enter_context(Tracer(model, layers))
        for which, pictures in _watched(images, model, batch, "reading images", progress, sizes):
            if not numbers:
                warn_of_size(model, images, sizes.sizes)
            trace = tracer(pictures.to(model.device, model.image_dtype))
            numbers += which
            for name, reader in readers.items():
                files[name].add(_finite(pooled(trace.vectors(reader)), model, reader))
        for rows in files.values():
            rows.finish({"numbers": torch.tensor(numbers)})


def _finite(values: Tensor, model: Model, reader: Unit) -> Tensor:
    if not torch.isfinite(values).all():
        raise ModelError(f"{model.name}: layer {reader.layer!r} gives values that are not finite")
    return values


def _watched(
    images: ImageSet, model: Model, batch: int, what: str, progress: bool, kept: Sizes | None = None
) -> Iterator[tuple[list[int], Images]]:
    """Batches, with their progress."""
    with Progress(what, len(images), "image", shown=progress) as bar:
        for which, pictures in images.batches(model, batch, kept=kept):
            yield which, pictures
            bar.update(len(which))


def embed_images(
    encoder: ImageTextEncoder, model: Model, images: ImageSet, *, batch: int = 64, progress: bool = False
) -> Tensor:
    """Embed images as the network sees them, those that can be read: (N, D) float32 on the CPU, rows of length 1."""
    own = {"model": network(model)["preprocessing"], "images": images.hash(), "batch": batch}
    own |= {"bands": model.bands} if model.bands else {}
    path = _path("images", format=FORMAT, encoder=fingerprint(encoder), **own)
    found = store.load(path, partial(_fits, images=len(images), rows="it"))
    if not found:
        numbers: list[int] = []
        with growing(path, "it") as rows:
            for which, pictures in _watched(images, model, batch, f"images to {encoder.name}", progress):
                rows.add(embedded_images(encoder, as_rgb(pictures, model.bands)))
                numbers += which
            rows.finish({"numbers": torch.tensor(numbers)})
    _held.add(path)
    return (found[0] if found else _written(path))["it"]


def _written(path: Path) -> store.Tensors:
    """Read what was just written, and let the oldest of its folder go where it has become too large."""
    _held.add(path)
    store.prune(path.parent, store.LIMIT_BYTES, _held)
    found = store.load(path)
    if not found:
        raise RunError(
            f"{str(path)!r} was written, but cannot be read back; give another folder by VITAL_CACHE"
        )
    return found[0]


def embed_texts(encoder: ImageTextEncoder, texts: Sequence[str]) -> Tensor:
    """Embed texts: (K, D) float32 on the CPU, rows of length 1."""

    def make() -> Tensor:
        parts = (list(texts[start : start + TEXTS]) for start in range(0, len(texts), TEXTS))
        with embedding(len(texts)):
            return torch.cat([embedded_texts(encoder, part).detach().float().cpu() for part in parts])

    def fits(found: Tensor) -> bool:
        return store.is_table(found, torch.float32, len(texts), None)

    return cached("texts", make, fits, encoder=fingerprint(encoder), texts=list(texts))


def fingerprint(encoder: ImageTextEncoder) -> str:
    """Tell encoders apart by their name and by what they make of one picture and two texts."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    said = embedded_images(encoder, picture), embedded_texts(encoder, ["a red cube", "seen from above"])
    return key_of(encoder.name, [tensor_hash(part.float()) for part in said])


def cached(kind: str, make: Callable[[], Tensor], fits: Callable[[Tensor], bool], **parts: Any) -> Tensor:
    """Make a tensor, or read it from the cache under a key of everything that it is made of, where it fits."""
    path = _path(kind, format=FORMAT, **parts)
    return store.cached(path, lambda: {"it": make()}, lambda found: fits(found["it"]))["it"]


def _path(kind: str, **parts: Any) -> Path:
    return store.file_of("words", f"{kind}-{key_of(**parts)}")
