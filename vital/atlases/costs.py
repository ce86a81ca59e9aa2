"""What an atlas will take, time and disk: a little of each stage is done in a temporary folder, and measured."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from vital.activations import ReferenceBank, build_bank
from vital.activations.rankings import SAMPLE
from vital.atlases.context import Context
from vital.atlases.plan import Piece
from vital.atlases.stages import is_done
from vital.backends import load_encoder
from vital.comparing.cost import steps_of, with_steps
from vital.data import ImageSet
from vital.data.sources import selected
from vital.errors import VitalError
from vital.optim import Step
from vital.rendering.api import render_group
from vital.rendering.natural_exemplars import exemplars
from vital.rendering.run_folder import save_exemplars
from vital.tracing import list_layers
from vital.utils.drawing import as_rgb

IMAGES, STEPS, UNITS = 32, 5, 2
"""How many images are looked at, and how many steps are made of how many units first."""
QUICK = 5.0
"""A trial of a whole piece, whose units share their passes, is made where it takes fewer seconds, and on a GPU."""
RANKED_BYTES, SAMPLED_BYTES = 28, 4
"""What a bank keeps of a unit for each ranked image, means and places, and for each image of the sample."""
SITE_SHARE = 1.2
"""The size of the pictures in the site, each as WebP and as it is, beside those of the run folder."""


@dataclass(frozen=True)
class Cost:
    """What is left of a stage: pieces, seconds, and bytes on disk."""

    stage: str
    pieces: int
    seconds: float
    bytes: float


def estimate(context: Context, pieces: Sequence[Piece]) -> list[Cost]:
    """Work out what these pieces will take that are not done yet; stages with nothing to do are left out.

    A piece that fails here costs nothing; it is told when its turn comes.
    """
    todo = [piece for piece in pieces if not is_done(piece, context)]
    found: list[Cost] = []
    with tempfile.TemporaryDirectory() as folder:
        sample = _Sample(context, Path(folder))
        for stage, measure in _MEASURES.items():
            own = [piece for piece in todo if piece.stage == stage]
            if own:
                found.append(Cost(stage, len(own), *measure(sample, own)))
    pictures = sum(cost.bytes for cost in found if cost.stage in ("exemplars", "prototypes"))
    return [*found, Cost("site", 0, 0.0, SITE_SHARE * pictures)] if pictures else found


class _Sample:
    """A small atlas in a temporary folder, over the first images."""

    def __init__(self, context: Context, folder: Path) -> None:
        images = context.images
        first = range(min(IMAGES, len(images)))
        self.images = ImageSet(
            selected(images.source, first), images.names[: len(first)], images.labels[: len(first)],
            images.class_names, images.name,
        )  # fmt: skip
        self.whole, self.context = context, replace(context, site=folder, images=self.images)
        self.layers = list(dict.fromkeys(unit.layer for unit in context.request.units))
        build_bank(context.model, self.layers, self._last(2), disk=False)
        self.bank, self.image_seconds = self._banked()
        _, self.again_seconds = self._banked()  # a source may keep images that it had to draw
        self.context.__dict__["bank"] = self.bank

    def _banked(self) -> tuple[ReferenceBank, float]:
        """A bank over the images, and the seconds that each took."""
        start = time.perf_counter()
        bank = build_bank(self.whole.model, self.layers, self.images, disk=False)
        return bank, (time.perf_counter() - start) / len(self.images)

    def _last(self, count: int) -> ImageSet:
        """Images to warm up with: others than those whose reading is measured, of which a source may keep some."""
        images = self.whole.images
        last = range(max(0, len(images) - count), len(images))
        return replace(
            images, source=selected(images.source, last), names=images.names[-count:],
            labels=images.labels[-count:],
        )  # fmt: skip


def _bank(sample: _Sample, pieces: Sequence[Piece]) -> tuple[float, float]:
    del pieces
    known, count = list_layers(sample.whole.model), len(sample.whole.images)
    units = sum(known[name].channels for name in sample.bank.layers)
    kept = RANKED_BYTES * sample.whole.request.top + SAMPLED_BYTES * min(SAMPLE, count)
    return sample.image_seconds * count, float(units * kept)


def _exemplars(sample: _Sample, pieces: Sequence[Piece]) -> tuple[float, float]:
    count = min(sample.whole.request.count, len(sample.images))
    unit, run = sample.whole.units[pieces[0].units[0]], sample.context.run

    def make() -> None:
        save_exemplars(run, exemplars(sample.bank, unit, count))

    _measured(
        lambda: exemplars(sample.bank, unit, 1), run
    )  # what is worked out once for a network is no part of it
    seconds, size = _measured(make, run)
    times = sum(len(piece.units) for piece in pieces) * sample.whole.request.count / count
    return seconds * times, size * times


def _prototypes(sample: _Sample, pieces: Sequence[Piece]) -> tuple[float, float]:
    seconds, size = 0.0, 0.0
    for name in sample.whole.request.methods:
        own = [piece for piece in pieces if piece.method == name]
        if own:
            spent, written = _rendered(sample, own[0])
            units = sum(len(piece.units) for piece in own)
            seconds, size = seconds + units * spent, size + units * written
    return seconds, size


def _rendered(sample: _Sample, piece: Piece) -> tuple[float, float]:
    """Seconds and bytes of a unit, from a few steps: the time of a step times their number, and what comes before."""
    few, whole = piece.units[:UNITS], piece.units
    seconds, size, step = _tried(sample, piece.method, few)
    if sample.whole.model.device.type != "cpu" or STEPS * step * len(whole) < QUICK:
        at_once, _, _ = _tried(sample, piece.method, whole)
        seconds = at_once or seconds  # a few may work where all together fail
    return seconds, size


def _tried(sample: _Sample, name: str, names: Sequence[str]) -> tuple[float, float, float]:
    """Seconds and bytes of each of some units that are rendered together, and the seconds of a step of each."""
    method, model = sample.whole.request.methods[name], sample.whole.model
    units, run = [sample.whole.units[unit] for unit in names], sample.context.pictures(name)
    ticks: list[float] = []

    def tick(step: Step) -> None:
        float(step.losses.sum())  # waits for the device
        ticks.append(time.perf_counter())

    def make() -> None:
        few = with_steps(method, min(STEPS, steps_of(method)))
        for one in render_group(model, units, few, sample.bank, sample.whole.request.seed, callback=tick):
            run.save(one)

    spent, size = _measured(make, sample.context.run)
    steps = [after - before for before, after in pairwise(ticks)]
    step = statistics.fmean(steps) if steps else 0.0
    more = step * max(0, steps_of(method) - len(ticks))
    return (spent + more) / len(names), size / len(names), step / len(names)


def _words(sample: _Sample, pieces: Sequence[Piece]) -> tuple[float, float]:
    """Each image is shown to the encoder, and once for each layer to the network and to those with random weights."""
    asked, count = sample.whole.request, len(sample.whole.images)
    encoder = load_encoder(asked.backends["encoder"], device=sample.whole.model.device)
    some = sample.images.tensor(range(min(8, len(sample.images))), sample.whole.model)

    def make() -> None:
        encoder.encode_image(as_rgb(some, sample.whole.model.bands))

    make()
    shown = _measured(make, sample.context.run)[0] / len(some)
    passes = (1 + asked.judge.n_random_models) * len(sample.layers)
    return count * (shown + passes * sample.again_seconds), 4000.0 * sum(len(piece.units) for piece in pieces)


def _measured(make: Callable[[], Any], folder: Path) -> tuple[float, float]:
    """The seconds that something takes, and the bytes that it leaves in a folder; nothing where it fails."""
    before, start = _size(folder), time.perf_counter()
    try:
        make()
    except VitalError:
        return 0.0, 0.0
    return time.perf_counter() - start, float(_size(folder) - before)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


_MEASURES: dict[str, Callable[[_Sample, Sequence[Piece]], tuple[float, float]]] = {
    "bank": _bank,
    "exemplars": _exemplars,
    "prototypes": _prototypes,
    "words": _words,
}
