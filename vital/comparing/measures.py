"""The measures: each takes the pictures of one method and what they are measured against, and yields scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from vital import objectives as obj
from vital.backends.embeddings import embedded_images
from vital.comparing.base import COSTS, MEASURES, PART, Better, measure
from vital.comparing.context import BATCH, EvalContext, fitted
from vital.comparing.records import Score, Shown, at_size, per_picture, squinted
from vital.comparing.score_cache import ScoreCache, context_key, pictures_key
from vital.metrics import (
    RATIOS,
    diversity,
    frechet_distance,
    kernel_distance,
    natural_statistics,
    rank_of,
    similarity_to_way,
    way_sum,
)
from vital.tracing import Tracer
from vital.types import Images
from vital.units import OUTPUT, Unit
from vital.utils.drawing import as_rgb
from vital.utils.hashing import key_of

PATH = "path similarity"
SQUINTING: dict[str, Better] = {"judge_*,_squinting": "higher"}


@measure("own", "model", ranked=False, own_accuracy="higher", own_rank="lower")
@torch.no_grad()
def own_accuracy(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """Whether the network itself gives a class's picture that class, and at which rank; class units alone.

    It ranks nothing: a network is pleased by any picture that was made to please it.
    """
    rows = [i for i, unit in enumerate(shown.units) if unit.is_class]
    if not rows:
        return
    with Tracer(context.model, [OUTPUT]) as tracer:
        scores = torch.cat(
            [tracer(fitted(part, context.model))[OUTPUT] for part in torch.split(shown.images[rows], BATCH)]
        )
    wanted = torch.tensor([shown.units[i].channel for i in rows])
    for i, rank in zip(rows, rank_of(scores, wanted).tolist(), strict=True):
        at = (str(shown.units[i]), shown.seeds[i])
        yield Score(shown.method, "own accuracy", float(rank == 1), *at)
        yield Score(shown.method, "own rank", float(rank), *at)


@measure("percentile", "model bank", percentile="higher")
@torch.no_grad()
def percentile(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """The share of natural images that excite the unit less, in per cent (`ReferenceBank.percentile`)."""
    with Tracer(context.model, dict.fromkeys(unit.layer for unit in shown.units)) as tracer:
        for i, unit in enumerate(shown.units):
            if context.bank.ranks(unit):
                value = float(tracer(fitted(shown.images[i : i + 1], context.model)).read(unit))
                share = context.bank.percentile(unit, value)
                yield Score(shown.method, "percentile", share, str(unit), shown.seeds[i])


@measure("judge", "judges questions", judge="higher")
def judge(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """Whether independent networks see in a picture what its unit stands for: a column for each."""
    for classifier in context.judges:
        values = classifier.agrees(shown.images, shown.units)
        yield from per_picture(shown, f"judge {classifier.name}", values)


@measure("squint", "judges questions model", ranked=False, natural=False, **SQUINTING)
def squint(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """Whether the judges still see it in the picture at a quarter of its sides: form and color, no fine texture."""
    soft = squinted(at_size(shown.images, context.model.size))
    for classifier in context.judges:
        values = classifier.agrees(soft, shown.units)
        yield from per_picture(shown, f"judge {classifier.name}, squinting", values)


@measure("hog", "recognizer", ranked=False, HOG="higher")
def hog(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """Whether a recognizer that is no network sees a class in its picture; its own accuracy is in the name."""
    classifier = context.recognizer
    if classifier and any(unit.is_class for unit in shown.units):
        yield from per_picture(shown, classifier.name, classifier.agrees(shown.images, shown.units))


@measure("zero-shot", "encoder questions", zero_shot="higher")
@torch.no_grad()
def zero_shot(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """Whether an image-text encoder puts what the unit stands for first, or among the first five, of all choices."""
    if context.encoder is None:
        return
    known = [i for i, unit in enumerate(shown.units) if unit in context.questions]
    if not known:
        return
    seen = embedded_images(context.encoder, as_rgb(shown.images[known], context.bank.model.bands)).cpu()
    for row, i in zip(seen, known, strict=True):
        asked = context.questions[shown.units[i]]
        scores = (context.embedded(asked.choices).cpu() @ row)[None]
        rank = int(rank_of(scores, torch.tensor([asked.choices.index(asked.answer)])))
        for top in (1, 5):
            if len(asked.choices) > top:
                name = f"zero shot@{top} {context.encoder.name}, “{context.prompt}”"
                yield Score(shown.method, name, float(rank <= top), str(shown.units[i]), shown.seeds[i])


@measure("frechet", "extractor images", natural=True, Fréchet="lower")
def frechet(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """The Fréchet distance of pictures to natural images, with the extractor and both numbers in the name."""
    yield from _of_sets("Fréchet", "n {} to {}", frechet_distance, context, shown)


@measure("kernel-distance", "extractor images", natural=True, kernel="lower")
def kernel(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """The kernel distance of pictures to as many natural images, with the extractor and the number in the name."""
    yield from _of_sets("kernel", "n {2} each", kernel_distance, context, shown)


def _of_sets(
    name: str, counts: str, metric: Callable[[Tensor, Tensor], float], context: EvalContext, shown: Shown
) -> Iterator[Score]:
    """A distance of the pictures of each seed, since few and many do not compare, of all, and of those of a layer."""
    if len(shown.images) < 2:
        return
    features, real = _features(context, shown.images), context.real_features()

    def score(rows: Sequence[int], seed: int | None = None, part: str = "") -> Score:
        both = len(rows), len(real)
        label = f"{name} ({context.extractor.name}; {counts.format(*both, min(both))}){part}"
        return Score(shown.method, label, metric(features[rows], real), seed=seed)

    everything = range(len(shown.units))
    seeds = {seed: [i for i in everything if shown.seeds[i] == seed] for seed in dict.fromkeys(shown.seeds)}
    layers = {u.layer: [i for i in everything if shown.units[i].layer == u.layer] for u in shown.units}
    if len({len(rows) for rows in seeds.values()}) == 1 and min(map(len, seeds.values())) > 1:
        yield from (score(rows, seed) for seed, rows in seeds.items())
    if len(seeds) > 1:
        yield score(everything)
    if len(layers) > 1:
        yield from (score(rows, part=f"{PART}{layer}") for layer, rows in layers.items() if len(rows) > 1)


def _features(context: EvalContext, images: Images) -> Tensor:
    return torch.cat([context.extractor.features(part) for part in torch.split(images, BATCH)])


@measure("distance", "model bank layers", natural=True, distance="lower")
@torch.no_grad()
def distance(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """How far the sorted activations of a picture are from those of natural images of its unit, over their variance.

    The mean over layers, for layers that a method optimized and for those that none did, and each layer's own.
    """
    for kind, layers in (("optimized", context.optimized), ("held out", context.held_out)):
        for unit in dict.fromkeys(shown.units):
            name, alone = f"distance ({kind})", shown.alone(unit)
            if seen := context.upstream_layers(unit, layers):
                found = _distances(context, alone.images, unit, seen)
                yield from per_picture(alone, name, torch.stack([*found.values()]).mean(0))
                for layer, values in found.items():
                    yield from per_picture(alone, f"{name}{PART}{layer}", values)


def _distances(context: EvalContext, images: Images, unit: Unit, layers: Sequence[str]) -> dict[str, Tensor]:
    template = context.bank.template(unit, layers, count=context.natural)
    with Tracer(context.model, layers) as tracer:
        trace = tracer(fitted(images, context.model))
    return {la: obj.Alignment(template, {la: 1.0}, scale="variance")(trace) for la in layers}


@measure("path", "model bank layers", natural=True, path="higher")
def path(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """Whether a picture takes the way of natural images of its unit through all these layers (`path_similarity`)."""
    layers, units = (*context.optimized, *context.held_out), list(dict.fromkeys(shown.units))
    natural = {unit: context.activations(context.natural_images(unit), layers) for unit in units}
    sums = {unit: {name: way_sum(acts) for name, acts in natural[unit].items()} for unit in units}
    counts = {unit: len(next(iter(natural[unit].values()), ())) for unit in units}
    total = {name: torch.stack([own[name] for own in sums.values()]).sum(0) for name in layers}
    for unit in units if len(units) > 1 else ():
        left = sum(counts.values()) - counts[unit]
        other = {name: (total[name] - sums[unit][name]) / left for name in layers}
        own = {name: natural[unit][name] for name in context.upstream_layers(unit, layers)}
        own_pictures = context.activations(shown.of(unit), layers)
        values = [
            similarity_to_way({n: acts[i : i + 1] for n, acts in own_pictures.items()}, own, other)
            for i in range(len(shown.of(unit)))
        ]
        yield from per_picture(shown.alone(unit), PATH, values)


@measure("diversity", "extractor", diversity="higher")
def varied(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """How much the pictures of a unit differ from seed to seed in the extractor's features."""
    for unit in dict.fromkeys(shown.units):
        pictures = shown.of(unit)
        if len(pictures) > 1:
            yield Score(shown.method, "diversity", diversity(_features(context, pictures)), str(unit))


@measure(
    "natural",
    "images model",
    ranked=False,
    natural=True,
    contrast="one",
    saturation="one",
    spectral_slope="zero",
    clipped="zero",
)
def natural(context: EvalContext, shown: Shown) -> Iterator[Score]:
    """How contrast, colors, spectrum and ends of the range differ from those of natural images, at the network's size.

    Ratios to the mean over natural images ("of natural"), and differences from it ("off natural").
    """
    known = context.real_statistics()
    parts = torch.split(at_size(shown.images, context.model.size), BATCH)
    found = [natural_statistics(part, known) for part in parts]
    for name in known:
        label = f"{name}, {'of' if name in RATIOS else 'off'} natural"
        yield from per_picture(shown, label, torch.cat([part[name] for part in found]))


def measured(context: EvalContext, shown: Shown, cache: ScoreCache) -> list[Score]:
    """All metrics of one method's pictures, with what they cost; what was measured before is read."""
    pictures, found = pictures_key(shown), []
    for name in MEASURES:
        key = key_of(name, pictures, context_key(context, MEASURES[name].reads))
        found += cache.scores(shown.method, key, partial(MEASURES[name].scores, context, shown))
    costs = dict(zip(COSTS, (shown.steps or math.nan, shown.seconds, shown.busy, shown.memory), strict=True))
    return found + [Score(shown.method, name, float(v)) for name, v in costs.items() if not math.isnan(v)]
