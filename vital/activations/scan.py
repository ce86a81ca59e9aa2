"""The one pass: which images, and which places in them, excite each unit most, and what is usual for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from vital.activations.begun import Begun
from vital.activations.rankings import Ranking, Tables, merge
from vital.activations.targets import Target
from vital.data import ImageSet
from vital.data.imageset import NothingReadableError
from vital.data.views import Sizes
from vital.models import Model
from vital.tracing import Tracer, list_layers
from vital.tracing.readout import token_slice
from vital.types import Images, Layer
from vital.utils.hashing import number_of
from vital.utils.progress import Progress

CHUNK = 256
"""Images between two merges: sorting the tables after every batch would cost more than it does now."""


@torch.no_grad()
def scan(
    model: Model,
    layers: Sequence[str],
    images: ImageSet,
    top: int,
    batch: int,
    progress: bool,
    directions: Mapping[str, Tensor] | None = None,
    relevance: tuple[Target, str] | None = None,
    begun: Begun | None = None,
    part: range | None = None,
) -> Tables:
    """Show every image to the network once and keep, per readout, the `top` strongest images of each channel.

    A readout is a layer, or `layer#all`, `layer#patches` and `layer#cls` where it has tokens. Images are ranked by
    the mean over the layer's places, and by the strongest place, of which each image has one. `directions` maps a
    layer to vectors (D, C), whose D products with the channels then stand for them. `relevance` is a target and a
    rule: relevance for the target stands for the channels then, ranked by its sum over places. A pass that was `begun`
    goes on where it was stopped, and writes down what it finds. `part` are the images to show, by default all. Memory
    does not grow with the number of images. Raises `NothingReadableError` when no image can be read.
    """
    sizes = Sizes()
    known = list_layers(model)
    done = begun.done if begun else 0
    wanted = part or range(done, len(images))
    kept = [_on(begun.tables, model.device)] if begun and begun.tables else []
    waiting: list[Tables] = []
    bar = Progress("reading images", done + len(wanted), "image", shown=progress, done=done)
    watched = layers if relevance is None else (*layers, relevance[0].layer)
    with Tracer(model, watched, record=relevance is not None) as tracer, bar:
        rest = images.batches(model, batch, indices=wanted, kept=sizes)
        for which, pictures in _but_for_nothing(rest, bool(kept)):
            if not kept and not waiting:
                warn_of_size(model, images, sizes.sizes)
            shown = pictures.to(model.device, model.image_dtype)
            if relevance is None:
                trace = tracer(shown)
                acts = {layer: _along(trace[layer], layer, directions) for layer in layers}
            else:
                acts = _relevance(tracer, shown, which, layers, *relevance)
            waiting.append(_tables(acts, known, which, pictures, total=relevance is not None))
            if sum(part.count for part in waiting) >= CHUNK:
                kept, waiting = [merge([*kept, *waiting], top, reuse=bool(kept))], []
                if begun:  # batches begin where they would in one go, whatever was skipped
                    begun.keep(_on(kept[0], torch.device("cpu")), which[-1] // batch * batch + batch)
            bar.update(len(which))
    if not kept and not waiting:
        raise NothingReadableError(f"none of the {done + len(wanted)} images could be read")
    return _on(merge([*kept, *waiting], top, reuse=bool(kept)), torch.device("cpu"))


def _but_for_nothing(
    batches: Iterator[tuple[list[int], Images]], found: bool
) -> Iterator[tuple[list[int], Images]]:
    """The batches, of which there may be none where images were `found` before."""
    try:
        yield from batches
    except NothingReadableError:
        if not found:
            raise


def warn_of_size(model: Model, images: ImageSet, sizes: Sequence[tuple[int, int]]) -> None:
    """Say where most of the first images are enlarged to twice their size or more: the network may be for theirs."""
    height, width = sorted(sizes)[len(sizes) // 2] if sizes else model.size
    if 2 * height <= model.size[0] and 2 * width <= model.size[1]:
        times, side = model.size[0] * model.size[1] / (height * width), min(height, width)
        warnings.warn(
            f"most images of {images.name} are {height} × {width} pixels, and {model.name} is shown them at "
            f"{model.size[0]} × {model.size[1]}, which takes {times:.0f} times as long; if its own size is theirs, "
            f"give SIZE = {side} in its file, --input-size {side} or size={side}",
            stacklevel=2,
        )


def sampling_keys(pictures: Images) -> list[int]:
    """Draw a number of 63 bits from each picture's pixels, at most about 64 by 64 of them.

    An image has the same number in whatever set, place and part of a set it is met.

    >>> a, b = sampling_keys(torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)]))
    >>> a == sampling_keys(torch.zeros(1, 3, 8, 8))[0] != b
    True
    """
    step = max(1, min(pictures.shape[2:]) // 64)
    pixels = pictures[:, :, ::step, ::step].detach().cpu().contiguous().numpy()
    return [number_of(row.tobytes()) for row in pixels]


def _along(act: Tensor, layer: str, directions: Mapping[str, Tensor] | None) -> Tensor:
    """The channels, or their products with the layer's directions."""
    if directions is None:
        return act
    return torch.einsum("bc...,dc->bd...", act, directions[layer].to(act))


def _relevance(
    tracer: Tracer, shown: Images, which: list[int], layers: Sequence[str], target: Target, rule: str
) -> dict[str, Tensor]:
    """The relevance of layers for a target."""
    with torch.enable_grad():
        return target.relevance(tracer(shown.requires_grad_()), which, layers, rule)


def _tables(
    acts: Mapping[str, Tensor],
    known: Mapping[str, Layer],
    which: list[int],
    pictures: Images,
    *,
    total: bool = False,
) -> Tables:
    """What one batch says, as the tables of its images, which are ranked by the mean or the sum over places."""
    device = next(iter(acts.values())).device
    ids = torch.tensor(which, device=device)
    means: dict[str, Ranking] = {}
    peaks: dict[str, Ranking] = {}
    for layer, act in acts.items():
        for readout, part, first in _readouts(known[layer], act):
            value = (part if part.ndim == 2 else part.sum(2) if total else part.mean(2)).float().T
            row = ids.expand(len(value), -1)
            means[readout] = Ranking(value, row)
            if part.ndim > 2:
                best = part.max(2)
                peaks[readout] = Ranking(best.values.float().T, row, best.indices.T + first)
    keys = torch.tensor(sampling_keys(pictures), device=device)
    return Tables(means, peaks, {r: m.values for r, m in means.items()}, ids, keys, len(which))


def _readouts(layer: Layer, act: Tensor) -> Iterator[tuple[str, Tensor, int]]:
    """Each way of reading a layer: its name, the places (B, C, N) or values (B, C), and the first place's number."""
    if act.ndim == 2:
        yield layer.name, act, 0
    elif act.ndim == 4:
        yield layer.name, act.flatten(2), 0
    else:
        for tokens in ("all", "patches", *(["cls"] if layer.prefix else [])):
            which = token_slice(layer, tokens)
            part = act[:, :, which]
            yield f"{layer.name}#{tokens}", part.squeeze(2) if tokens == "cls" else part, which.start


def _on(tables: Tables, device: torch.device) -> Tables:
    """The tables on a device."""

    def moved(tensor: Tensor) -> Tensor:
        return tensor.to(device)

    means = {r: ranking.map(moved) for r, ranking in tables.means.items()}
    peaks = {r: ranking.map(moved) for r, ranking in tables.peaks.items()}
    sample = {r: moved(values) for r, values in tables.sample.items()}
    return Tables(means, peaks, sample, moved(tables.sampled), moved(tables.keys), tables.count)
