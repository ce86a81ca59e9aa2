"""Activation matrices: what images do to whole layers, and their image-text embeddings; one pass, kept on disk.

Everything is kept under a key of all that it was worked out from: the network's weights, code and preprocessing, the
content of the images, and a few embeddings of the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from vital.activations.scan import warn_of_size
from vital.backends import ImageTextEncoder
from vital.data import ImageSet
from vital.data.views import Sizes
from vital.errors import InvalidValueError, ModelError
from vital.models import Model
from vital.models.identity import network
from vital.tracing import Tracer
from vital.tracing.readout import vector_of
from vital.types import Images
from vital.units import Unit
from vital.utils import tensor_cache as store
from vital.utils.drawing import as_rgb
from vital.utils.hashing import key_of, tensor_hash

FORMAT = 1
BATCH = 32
TEXTS = 1024

POOLS: Mapping[str, Callable[[Tensor], Tensor]] = {"mean": lambda x: x.mean(2), "max": lambda x: x.amax(2)}
"""What the places of a channel give together: (B, C, places) -> (B, C)."""


@dataclass(frozen=True, eq=False)
class ActivationMatrix:
    """What images do to whole layers.

    `numbers` (N,) are the images of the set that could be read; `choosing` (N,) says which of them labels are chosen on
    (see `ImageSet.part`), the others being held out; `layers` maps a readout (a layer, and which of its
    places count) to the values of all its channels, (N, C) float32, each the mean over its
    places, or the greatest of them.
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
        columns = [
            values @ vector_of(self.model.unit(unit)).to(values) if unit.source else values[:, unit.channel]
            for unit in units
        ]
        return torch.stack(columns, 1)

    @property
    def megabytes(self) -> float:
        """Memory that the values take, in 10⁶ bytes."""
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
    readers = {readout_key(unit): _reader(unit) for unit in units}
    own = {"model": network(model), "images": images.hash(), "how": _how(model, batch, pool)}
    paths = {name: _path("probes", readout_key=name, **own) for name in readers}
    known = {name: held[0] for name, path in paths.items() if (held := store.load(path))}
    missing = {name: reader for name, reader in readers.items() if name not in known}
    if missing:
        made = _shown(model, images, missing, batch, progress, POOLS[pool])
        for name, tensors in made.items():
            store.keep(paths[name], tensors)
        known |= made
    numbers = next(iter(known.values()))["numbers"] if known else torch.empty(0, dtype=torch.int64)
    values = {name: held["values"] for name, held in known.items()}
    choosing = images.part(seed=split_seed)[numbers]
    return ActivationMatrix(model, numbers, choosing, values, key_of(**own))


def _how(model: Model, batch: int, pool: str) -> tuple[Any, ...]:
    return (FORMAT, model.device.type, model.precision, batch, *([pool] if pool != "mean" else []))


@torch.no_grad()
def _shown(
    model: Model,
    images: ImageSet,
    readers: Mapping[str, Unit],
    batch: int,
    progress: bool,
    pooled: Callable[[Tensor], Tensor],
) -> dict[str, dict[str, Tensor]]:
    """The one pass: per readout the `numbers` of the images and the `values` of all channels."""
    numbers: list[int] = []
    found: dict[str, list[Tensor]] = {name: [] for name in readers}
    sizes = Sizes()
    with Tracer(model, dict.fromkeys(unit.layer for unit in readers.values())) as tracer:
        for which, pictures in _watched(images, model, batch, "probe images", progress, sizes):
            if not numbers:
                warn_of_size(model, images, sizes.sizes)
            trace = tracer(pictures.to(model.device, model.image_dtype))
            numbers += which
            for name, reader in readers.items():
                found[name].append(pooled(trace.vectors(reader)).float().cpu())
    return {
        name: {"numbers": torch.tensor(numbers), "values": _finite(torch.cat(parts), model, readers[name])}
        for name, parts in found.items()
    }


def _finite(values: Tensor, model: Model, reader: Unit) -> Tensor:
    if not torch.isfinite(values).all():
        raise ModelError(f"{model.name}: layer {reader.layer!r} gives values that are not finite")
    return values


def _watched(
    images: ImageSet, model: Model, batch: int, what: str, progress: bool, kept: Sizes | None = None
) -> Iterator[tuple[list[int], Images]]:
    """Batches under a progress bar that is quiet where there is no terminal."""
    bar = tqdm(total=len(images), desc=what, unit="image", disable=None if progress else True, leave=False)
    with bar:
        for which, pictures in images.batches(model, batch, kept=kept):
            yield which, pictures
            bar.update(len(which))


def embed_images(
    encoder: ImageTextEncoder, model: Model, images: ImageSet, *, batch: int = 64, progress: bool = False
) -> Tensor:
    """Embed images as the network sees them, those that can be read: (N, D) float32 on the CPU, rows of length 1."""

    def make() -> Tensor:
        parts = _watched(images, model, batch, f"images to {encoder.name}", progress)
        return torch.cat(
            [encoder.encode_image(as_rgb(p, model.bands)).detach().float().cpu() for _, p in parts]
        )

    own = {"model": network(model)["preprocessing"], "images": images.hash(), "batch": batch}
    own |= {"bands": model.bands} if model.bands else {}
    return cached("images", make, encoder=fingerprint(encoder), **own)


def embed_texts(encoder: ImageTextEncoder, texts: Sequence[str]) -> Tensor:
    """Embed texts: (K, D) float32 on the CPU, rows of length 1."""

    def make() -> Tensor:
        parts = (list(texts[start : start + TEXTS]) for start in range(0, len(texts), TEXTS))
        return torch.cat([encoder.encode_text(part).detach().float().cpu() for part in parts])

    return cached("texts", make, encoder=fingerprint(encoder), texts=list(texts))


def fingerprint(encoder: ImageTextEncoder) -> str:
    """Tell encoders apart by their name and by what they make of one picture and two texts."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    said = encoder.encode_image(picture), encoder.encode_text(["a red cube", "seen from above"])
    return key_of(encoder.name, [tensor_hash(part.float()) for part in said])


def cached(kind: str, make: Callable[[], Tensor], **parts: Any) -> Tensor:
    """Make a tensor, or read it from the cache under a key of everything that it is made of."""
    return store.cached(_path(kind, format=FORMAT, **parts), lambda: {"it": make()})["it"]


def _path(kind: str, **parts: Any) -> Path:
    return store.file_of("words", f"{kind}-{key_of(**parts)}")
