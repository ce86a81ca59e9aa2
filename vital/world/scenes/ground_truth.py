"""What a unit of any network responds to on this world: the concept that its activation ranks best.

The concept is chosen on one half of fresh scenes, and its figures are those on the other half. The halves are the first
and the last scenes: each scene is drawn by itself, so that its place says nothing of what it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from vital.errors import InvalidValueError, ModelError, UnitError
from vital.models import Model
from vital.tracing import Tracer
from vital.units import Unit
from vital.utils import tensor_cache as store
from vital.utils.progress import Progress
from vital.utils.random import generator
from vital.world.renderer.render import SIDES, render
from vital.world.scenes.concepts import Concept, concepts, truths
from vital.world.scenes.dataset import as_bytes, fingerprint
from vital.world.scenes.grammar import Scene, sample
from vital.world.scenes.ground_truth_cache import Table, path_of, shipped_truths
from vital.world.training.metrics import average_precision

FORMAT = 1
"""Part of every key: goes up when the figures of equal scenes change."""

PART = 512
SCENES = 20_000
FEWEST = 5
"""A concept counts where at least so many scenes of either half show it."""


@dataclass(frozen=True)
class Truth:
    """The concept of a unit, with its figures on scenes that had no part in choosing it.

    `auprc` is the area under the precision-recall curve (average precision) of the unit's value as a score for the
    concept; `chance` is what a unit that knows nothing would get, the share of scenes with the concept;
    `correlation` is Pearson's, with 1 for scenes that show the concept and 0 for others. `runner_up` is the concept
    that came second on the choosing half, and `margin` is how far its area lies below; it may be negative.
    """

    unit: Unit
    concept: Concept
    auprc: float
    chance: float
    correlation: float
    runner_up: Concept
    runner_up_auprc: float

    @property
    def margin(self) -> float:
        """Area of the concept minus that of the runner-up."""
        return self.auprc - self.runner_up_auprc


def truth(
    model: Model,
    unit: str | Unit,
    *,
    scenes: int = SCENES,
    seed: int = 0,
    batch: int = 64,
    progress: bool = True,
) -> Truth:
    """Find the concept of one unit: `unit_truths` of it alone.

    All units of its layer are worked out with it, and kept, so the next one is only looked up.

    >>> from torch import nn
    >>> found = truth(Model(nn.AvgPool2d(8), size=(8, 8)), "class:0", scenes=64, progress=False)
    >>> 0 <= found.auprc <= 1
    True
    """
    return unit_truths(model, [unit], scenes=scenes, seed=seed, batch=batch, progress=progress)[0]


def unit_truths(
    model: Model,
    units: str | Unit | Iterable[str | Unit],
    *,
    scenes: int = SCENES,
    seed: int = 0,
    batch: int = 64,
    progress: bool = True,
) -> list[Truth]:
    """Find the concepts of units, one pass over the scenes for all their layers.

    Of single factor values and pairs of them, the concept with the highest AUPRC on the first half of `scenes` fresh
    scenes; figures are those of the second half. A unit's value is the mean over its places, as everywhere. Pictures
    (12 kB a scene at 64 pixels) and answers are kept in the cache folder; answers under a key of the network's
    weights and code, its preprocessing, the renderer, the scenes and the seed. A unit that ranks nothing ends at a
    concept that most scenes show: compare `auprc` with `chance`. Raises `UnitError`, also for directions, which are no
    units of the network, `InvalidValueError`, `ModelError` for activations that are not finite, and `RunError`.
    The answers for the world's classifier, at the default number of scenes and seed, are shipped with its weights.
    """
    if scenes < 10 * FEWEST:
        raise InvalidValueError(
            f"{scenes} scenes are too few to tell; allowed are whole numbers from {10 * FEWEST}"
        )
    if batch < 1:
        raise InvalidValueError(f"the batch is {batch}; allowed are whole numbers from 1")
    chosen = model.units(units)
    if directions := [str(unit) for unit in chosen if unit.source]:
        raise UnitError(f"{directions[0]} is a direction; a truth is known of a network's own units alone")
    known = tables(model, chosen, scenes, seed, batch, progress=progress)
    return [_truth(unit, known[_reading(unit)]) for unit in chosen]


def tables(
    model: Model, units: Sequence[Unit], scenes: int, seed: int, batch: int, *, progress: bool
) -> dict[str, Table]:
    """Look up the figures of all channels, by the way in which the units read them; work out those not kept."""
    readings = {_reading(unit): replace(unit, index=0, label="") for unit in units}
    shipped = shipped_truths(model) if (scenes, seed) == (SCENES, 0) else {}
    known = {name: table for name, table in shipped.items() if name in readings}
    if len(known) == len(readings):
        return known
    own = _identity(model, scenes, seed)
    paths = {name: path_of("truth", name, *own) for name in readings if name not in known}
    known |= {name: found[0] for name, path in paths.items() if (found := store.load(path))}
    missing = [name for name in readings if name not in known]
    if not missing:
        return known
    drawn = sample(generator("world", "truth", seed), scenes)
    values = _values(
        model, [readings[name] for name in missing], _pictures(model, drawn, progress=progress), batch
    )
    shown = truths(drawn, concepts()).T.contiguous()
    for name, scores in zip(missing, values, strict=True):
        known[name] = _ranked(scores, shown, name, progress=progress)
        store.keep(paths[name], known[name])
    return known


def _reading(unit: Unit) -> str:
    """Name a way of reading one number from every channel of a layer."""
    return str(replace(unit, index=0, label=""))


def _identity(model: Model, scenes: int, seed: int) -> tuple[object, ...]:
    names = [concept.name for concept in concepts()]
    code = (model.weights_hash(), model.code_hash(), model.precision, model.preprocessing)
    return FORMAT, *code, model.device.type, names, fingerprint(), scenes, seed


def _pictures(model: Model, scenes: Sequence[Scene], *, progress: bool) -> Iterator[Tensor]:
    """Show the network's view of the scenes part by part: (B, 3, H, W) in [0, 1]; each is rendered once for all."""
    side = min(max(model.resize or min(model.size), SIDES[0]), SIDES[1])
    with Progress("scenes", len(scenes), "scene", shown=progress) as bar:
        for start in range(0, len(scenes), PART):
            part = scenes[start : start + PART]
            path = path_of("scenes", fingerprint(), model.device.type, side, *part)
            pictures = store.cached(
                path, partial(_rendered, part, side, model.device), partial(are_pictures, count=len(part))
            )["pictures"]
            for picture in torch.split(pictures, 1):
                yield model.preprocess(picture[0].numpy())
            bar.update(len(part))


def are_pictures(found: store.Tensors, count: int) -> bool:
    """Whether a file of the cache holds so many pictures, (N, H, W, 3) uint8."""
    return store.is_table(found["pictures"], torch.uint8, count, None, None, 3)


def _rendered(scenes: Sequence[Scene], side: int, device: torch.device) -> store.Tensors:
    return {"pictures": torch.from_numpy(as_bytes(render(scenes, side, device)))}


@torch.no_grad()
def _values(model: Model, readings: Sequence[Unit], pictures: Iterator[Tensor], batch: int) -> list[Tensor]:
    """Show the scenes to the network once: per reading, the values of all its channels, (C, N) float32."""
    found: list[list[Tensor]] = [[] for _ in readings]
    with Tracer(model, [unit.layer for unit in readings]) as tracer:
        while rows := list(islice(pictures, batch)):
            trace = tracer(torch.stack(rows).to(model.device, model.image_dtype))
            for unit, parts in zip(readings, found, strict=True):
                parts.append(trace.vectors(unit).mean(2).float().cpu())
    return [_finite(torch.cat(parts), unit, model) for unit, parts in zip(readings, found, strict=True)]


def _finite(values: Tensor, unit: Unit, model: Model) -> Tensor:
    if not torch.isfinite(values).all():
        raise ModelError(
            f"{model.name}: layer {unit.layer!r} gives values that are not finite, so nothing ranks them"
        )
    return values.T.contiguous()


def _ranked(values: Tensor, shown: Tensor, name: str, *, progress: bool) -> dict[str, Tensor]:
    """Choose each channel's first and second concept on one half, and measure them on the other.

    `values` (C, N), `shown` (K, N) bool; gives `concept` (C, 2) into the K, `auprc` (C, 2), `chance` and
    `correlation` (C,).
    """
    half = values.shape[1] // 2
    choosing, testing = shown[:, :half], shown[:, half:]
    usable = (torch.minimum(choosing.sum(1), testing.sum(1)) >= FEWEST).nonzero().view(-1)
    choosing = choosing[usable].contiguous()
    best, areas, correlations = [], [], []
    with Progress(f"truths of {name}", len(values), "unit", shown=progress) as bar:
        for row in bar.each(values):
            order = average_precision(row[None, :half], choosing)[0].argsort(descending=True, stable=True)
            two = usable[order[:2]]
            best.append(two)
            areas.append(average_precision(row[None, half:], testing[two])[0])
            correlations.append(_correlation(row[half:], testing[two[0]]))
    concept = torch.stack(best)
    chance = testing.double().mean(1)[concept[:, 0]]
    return {
        "concept": concept,
        "auprc": torch.stack(areas),
        "chance": chance,
        "correlation": torch.stack(correlations),
    }


def _correlation(values: Tensor, shown: Tensor) -> Tensor:
    """Pearson's correlation; 0 for values that are all the same."""
    x, y = values.double() - values.double().mean(), shown.double() - shown.double().mean()
    return (
        (x * y).sum() / (x.norm() * y.norm()).clamp(min=1e-12)
        if values.amax() > values.amin()
        else x.new_zeros(())
    )


def _truth(unit: Unit, table: dict[str, Tensor]) -> Truth:
    first, second = (concepts()[int(number)] for number in table["concept"][unit.channel])
    area, other = table["auprc"][unit.channel].tolist()
    chance, correlation = float(table["chance"][unit.channel]), float(table["correlation"][unit.channel])
    return Truth(unit, first, area, chance, correlation, second, other)
