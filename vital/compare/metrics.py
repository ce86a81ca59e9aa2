"""The measures: each looks at the pictures of one method on the bench, and yields scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import torch

from vital import objectives as obj
from vital.compare.bench import Bench, fitted
from vital.compare.records import Score, Shown, per_picture
from vital.errors import unknown
from vital.metrics import diversity, frechet_distance, kernel_distance, path_similarity, rank_of
from vital.registry import Registry
from vital.trace import Tracer
from vital.types import Images
from vital.units import OUTPUT, Unit

Better = Literal["higher", "lower"]
Measure = Callable[[Bench, Shown], Iterable[Score]]

MEASURES: Registry[Measure] = Registry("measure of pictures")
COSTS: dict[str, Better] = {"steps": "lower", "seconds": "lower"}
_BETTER: dict[str, Better] = dict(COSTS)


def measure(name: str, **better: Better) -> Callable[[Measure], Measure]:
    """Return a decorator that files a measure, with the beginnings of its metrics' names and which way is good.

    In a name, `_` stands for a space.
    """

    def add(item: Measure) -> Measure:
        MEASURES.register(name)(item)
        _BETTER.update({begin.replace("_", " "): way for begin, way in better.items()})
        return item

    return add


def better(metric: str) -> Better:
    """Which way is good for a metric, by the beginning of its name.

    >>> better("judge resnet20"), better("own rank")
    ('higher', 'lower')
    """
    known = [begin for begin in _BETTER if metric.startswith(begin)]
    if not known:
        raise unknown("metric", metric, _BETTER)
    return _BETTER[max(known, key=len)]


@measure("own", own_accuracy="higher", own_rank="lower")
@torch.no_grad()
def own_accuracy(bench: Bench, shown: Shown) -> Iterator[Score]:
    """Whether the network itself gives a class's picture that class, and at which rank; class units alone."""
    rows = [i for i, unit in enumerate(shown.units) if unit.is_class]
    if not rows:
        return
    with Tracer(bench.model, [OUTPUT]) as tracer:
        scores = torch.cat(
            [tracer(fitted(part, bench.model))[OUTPUT] for part in torch.split(shown.images[rows], 64)]
        )
    wanted = torch.tensor([shown.units[i].index for i in rows])
    for i, rank in zip(rows, rank_of(scores, wanted).tolist(), strict=True):
        at = (str(shown.units[i]), shown.seeds[i])
        yield Score(shown.method, "own accuracy", float(rank == 1), *at)
        yield Score(shown.method, "own rank", float(rank), *at)


@measure("percentile", percentile="higher")
@torch.no_grad()
def percentile(bench: Bench, shown: Shown) -> Iterator[Score]:
    """The share of natural images that excite the unit less, in per cent (`ReferenceBank.percentile`)."""
    with Tracer(bench.model, dict.fromkeys(unit.layer for unit in shown.units)) as tracer:
        for i, unit in enumerate(shown.units):
            if bench.bank.ranks(unit):
                value = float(tracer(fitted(shown.images[i : i + 1], bench.model)).read(unit))
                share = bench.bank.percentile(unit, value)
                yield Score(shown.method, "percentile", share, str(unit), shown.seeds[i])


@measure("judge", judge="higher")
def judge(bench: Bench, shown: Shown) -> Iterator[Score]:
    """Whether independent networks see in a picture what its unit stands for: a column for each."""
    for witness in bench.judges:
        values = witness.agrees(shown.images, shown.units)
        yield from per_picture(shown, f"judge {witness.name}", values)


@measure("zero-shot", zero_shot="higher")
@torch.no_grad()
def zero_shot(bench: Bench, shown: Shown) -> Iterator[Score]:
    """Whether an image-text encoder puts what the unit stands for first, or among the first five, of all choices."""
    if bench.encoder is None:
        return
    known = [i for i, unit in enumerate(shown.units) if unit in bench.questions]
    if not known:
        return
    seen = bench.encoder.encode_image(shown.images[known]).cpu()
    for row, i in zip(seen, known, strict=True):
        asked = bench.questions[shown.units[i]]
        scores = (bench.embedded(asked.choices).cpu() @ row)[None]
        rank = int(rank_of(scores, torch.tensor([asked.choices.index(asked.answer)])))
        for top in (1, 5):
            if len(asked.choices) > top:
                name = f"zero shot@{top} {bench.encoder.name}"
                yield Score(shown.method, name, float(rank <= top), str(shown.units[i]), shown.seeds[i])


@measure("frechet", Fréchet="lower")
def frechet(bench: Bench, shown: Shown) -> Iterator[Score]:
    """The Fréchet distance of all pictures to natural images, with the extractor and both numbers in the name."""
    yield Score(
        shown.method,
        f"Fréchet {_of(bench, shown)}",
        frechet_distance(_features(bench, shown), bench.real_features()),
    )


@measure("kernel", kernel="lower")
def kernel(bench: Bench, shown: Shown) -> Iterator[Score]:
    """The kernel distance of all pictures to natural images, named like the Fréchet distance."""
    yield Score(
        shown.method,
        f"kernel {_of(bench, shown)}",
        kernel_distance(_features(bench, shown), bench.real_features()),
    )


def _features(bench: Bench, shown: Shown) -> torch.Tensor:
    return torch.cat([bench.extractor.features(part) for part in torch.split(shown.images, 64)])


def _of(bench: Bench, shown: Shown) -> str:
    return f"({bench.extractor.name}; n {len(shown.images)} to {len(bench.real_features())})"


@measure("distance", distance="lower")
@torch.no_grad()
def distance(bench: Bench, shown: Shown) -> Iterator[Score]:
    """How far the sorted activations of a picture are from those of natural images of its unit, over their variance.

    The mean over layers, for layers that a method optimised and for those that none did.
    """
    for kind, layers in (("optimised", bench.optimised), ("held out", bench.held_out)):
        for unit in dict.fromkeys(shown.units):
            if seen := bench.before(unit, layers):
                values = _distances(bench, shown.of(unit), unit, seen)
                yield from per_picture(shown.alone(unit), f"distance ({kind})", values)


def _distances(bench: Bench, images: Images, unit: Unit, layers: Sequence[str]) -> torch.Tensor:
    term = obj.Alignment(bench.bank.template(unit, layers, count=bench.natural), scale="variance")
    with Tracer(bench.model, layers) as tracer:
        return term(tracer(fitted(images, bench.model))) / len(layers)


@measure("path", path="higher")
def path(bench: Bench, shown: Shown) -> Iterator[Score]:
    """Whether a picture takes the way of natural images of its unit through all these layers (`path_similarity`)."""
    layers, units = (*bench.optimised, *bench.held_out), list(dict.fromkeys(shown.units))
    natural = {unit: bench.activations(bench.natural_images(unit), layers) for unit in units}
    for unit in units if len(units) > 1 else ():
        other = {name: torch.cat([natural[u][name] for u in units if u != unit]) for name in layers}
        own = {name: natural[unit][name] for name in bench.before(unit, layers)}
        own_pictures = bench.activations(shown.of(unit), layers)
        values = [
            _mean(path_similarity({n: acts[i : i + 1] for n, acts in own_pictures.items()}, own, other))
            for i in range(len(shown.of(unit)))
        ]
        yield from per_picture(shown.alone(unit), "path similarity", values)


def _mean(found: Mapping[str, float]) -> float:
    return sum(found.values()) / len(found) if found else math.nan


@measure("diversity", diversity="higher")
def varied(bench: Bench, shown: Shown) -> Iterator[Score]:
    """How much the pictures of a unit differ from seed to seed in the extractor's features."""
    for unit in dict.fromkeys(shown.units):
        pictures = shown.of(unit)
        if len(pictures) > 1:
            yield Score(shown.method, "diversity", diversity(bench.extractor.features(pictures)), str(unit))


def measured(bench: Bench, shown: Shown) -> list[Score]:
    """All metrics of one method's pictures, with what they cost."""
    found = [score for name in MEASURES for score in MEASURES[name](bench, shown)]
    if shown.steps:
        found.append(Score(shown.method, "steps", float(shown.steps)))
    if shown.seconds == shown.seconds:
        found.append(Score(shown.method, "seconds", shown.seconds))
    return found
