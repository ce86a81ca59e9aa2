"""What came of a picture: how far it excites its unit, whether it came out, and what its images were lacking."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.activations import ReferenceBank
from vital.activations.bank import Choice
from vital.data import ImageSet
from vital.errors import DataError, ModelError, VitalError
from vital.models import Model
from vital.models.outputs import asked
from vital.models.scores import probabilities
from vital.terms import REGULARIZERS, Term, as_sum
from vital.tracing import Redirect, Trace, Tracer
from vital.types import Images
from vital.units import OUTPUT, Unit

LEVEL = 1 / 255
"""One level of an 8-bit picture."""
LOOKED_AT = 16
"""How many images of a bank are looked at, evenly spread over it."""

DEAF = (
    "unmoved: no gradient reached the picture, which is its start; most likely the unit is dead or the network "
    "lets no gradient through, so choose another unit or method"
)
UNREACHED = (
    "no gradient: none of the unit's own value reached the picture, which its regularizers and references alone made; "
    "most likely the network lets none through (round, detach, no_grad) or the unit is saturated, so replace that "
    "operation or choose another unit"
)
UNRAISED = (
    "never rose: the unit's value on the picture is no higher than on its start; most likely the unit is dead "
    "or its regularizers outweigh it, so choose another unit, raise steps or lower tv"
)
NOT_A_NUMBER = (
    "not finite: the unit's value on the picture is no finite number; most likely a layer divides by 0 or takes the "
    "root or logarithm of too little, so mend that layer or choose an earlier unit"
)
OVERFLOWS = (
    "unmoved: the picture is still its start; most likely its gradients are so large that their squares are not "
    "finite, so lower tv, or scale the network's outputs down"
)
STILL = (
    "unmoved: the picture is still its start; most likely the steps were too small or too few, so raise lr or "
    "steps"
)
FLAT = (
    "flat: the picture is one color all over; most likely its regularizers outweigh the unit or its images are flat, "
    "so lower tv or look at the images"
)
CLIPPED = (
    "clipped: more than half of the picture's values are at 0 or 1; most likely the steps were too large or too few, "
    "so lower lr or raise steps"
)
OUTWEIGHED = (
    "outweighed: the regularizers are more than a million times the unit's own loss all the way, so the picture is "
    "theirs; lower tv, or what else weights them"
)
NO_RULE = "no rule"
OUT_OF_MEMORY = "out of memory"
MOST = 1e6
"""What the regularizers may be of the largest loss of the unit itself, by which they do not decide alone."""
LOUD = 1e18
"""A gradient of which float32 holds the square no more is not far above this."""
RISE = 1e-6
"""The relative change of a value that is more than rounding."""
ENOUGH = 32
"""The steps after which a value should have risen; before, it may fall for a while."""
SILENT = "silent: the picture excites the unit no more than the least of the bank's images"


@dataclass(frozen=True)
class _ImageFacts:
    """What some images of a bank look like: whether all are grey, and their (height, width)."""

    grey: bool
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Response:
    """What became of the unit itself in a search of so many `steps`.

    `reached`: its value has a gradient at the start (with dead rectifiers open) or at the picture; `alive`: it has one
    at the picture, which is looked at where the value did not change. `rise` is the most by which its value or its
    probability rose, as a share of itself; not a number where the value is none. `outweighed`: beside the regularizers
    its loss is nothing.
    """

    reached: bool = True
    alive: bool = True
    rise: float = math.inf
    steps: int = 0
    outweighed: bool = False


_IMAGE_FACTS: WeakKeyDictionary[ReferenceBank, _ImageFacts] = WeakKeyDictionary()


@torch.no_grad()
def measured(
    model: Model, units: Sequence[Unit], images: Images, bank: ReferenceBank | None
) -> list[dict[str, float]]:
    """How far each picture, one for each unit, excites its unit.

    `value` is the unit's, at the size of the picture; `percentile` is the share of the bank's images below it, where
    the bank ranks the unit; `probability` is that of a class, where the outputs have one (`vital.models.scores`). Where
    the network's own size is another, `value_at_network_size` is the value of the picture brought to it (bicubic, with
    antialias).
    A network that takes no other size than its own gets that picture alone, for all of them. Numbers that are not
    finite are left out.
    """
    if tuple(images.shape[2:]) == model.size:
        found = _read(model, units, images)
    else:
        own = _read(model, units, fitted(images.double(), model))
        found = _at_any_size(model, units, images)
        found = [f | {"value_at_network_size": o["value"]} for f, o in zip(found, own, strict=True)]
    for unit, facts in zip(units, found, strict=True):
        if bank is not None and bank.ranks(unit) and math.isfinite(facts["value"]):
            facts["percentile"] = round(bank.percentile(unit, facts["value"]), 3)
    return [{name: value for name, value in facts.items() if math.isfinite(value)} for facts in found]


@torch.no_grad()
def _at_any_size(model: Model, units: Sequence[Unit], images: Images) -> list[dict[str, float]]:
    """The numbers of pictures as they are, or at the network's own size where it takes no other."""
    try:
        return _read(model, units, images)
    except ModelError:
        return _read(model, units, fitted(images.double(), model))


def fitted(images: Images, model: Model) -> Images:
    """The pictures brought to the network's own size."""
    return F.interpolate(images, model.size, mode="bicubic", antialias=True).clamp(0, 1)


def _read(model: Model, units: Sequence[Unit], images: Images) -> list[dict[str, float]]:
    with Tracer(model, dict.fromkeys(unit.layer for unit in units)) as tracer:
        trace = tracer(images.to(model.device, model.image_dtype))
    return [_facts(trace.rows(i, i + 1), unit) for i, unit in enumerate(units)]


def _facts(trace: Trace, unit: Unit) -> dict[str, float]:
    facts = {"value": float(trace.read(unit))}
    if unit.is_class and (likely := probabilities(trace.model, trace[OUTPUT])) is not None:
        facts["probability"] = float(likely[0, unit.channel])
    return facts


def responses(
    model: Model,
    units: Sequence[Unit],
    terms: Sequence[Term],
    pictures: tuple[Images, Images],
    found: Sequence[Mapping[str, float]],
    steps: int,
) -> list[Response]:
    """What became of each unit between the start and its picture, of which `found` is what `measured` said.

    Where a term reads the unit's layer alone, all of the gradient is the unit's own.
    """
    start, images = pictures
    alone = all(
        term.layers == (unit.layer,) and len(as_sum(term).parts) == 1
        for term, unit in zip(terms, units, strict=True)
    )
    reached = [True] * len(units) if alone else _reached(model, units, start, Redirect())
    before = _at_any_size(model, units, start)
    rises = [_rise(was, now) for was, now in zip(before, found, strict=True)]
    sure = all(reached) and not any(abs(rise) <= RISE for rise in rises)
    alive = [True] * len(units) if sure else _reached(model, units, images)
    return [Response(a or b, b, rise, steps) for a, b, rise in zip(reached, alive, rises, strict=True)]


def outweighed(term: Term, losses: Mapping[str, Sequence[float]]) -> bool:
    """Whether the regularizers of a term are far above the rest at every step of which the losses are known."""
    whole = as_sum(term)
    weak = {name for name, (_, part) in zip(whole.names(), whole.parts, strict=True) if _is_regularizer(part)}
    theirs = [
        sum(abs(value) for value in step)
        for step in zip(*(losses[n] for n in weak & losses.keys()), strict=True)
    ]
    own = [abs(value) for name in set(whole.names()) - weak for value in losses.get(name, ())]
    return bool(theirs and own) and min(theirs) > MOST * max(own) > 0


def _is_regularizer(term: Term) -> bool:
    return bool(REGULARIZERS.name_of(type(term)))


def _rise(was: Mapping[str, float], now: Mapping[str, float]) -> float:
    if "value" not in now or not math.isfinite(now["value"]):
        return math.nan
    both = [(was[name], now[name]) for name in ("value", "probability") if name in was and name in now]
    return max((b - a) / (max(abs(a), abs(b)) or 1.0) if math.isfinite(a) else math.inf for a, b in both)


def _reached(
    model: Model, units: Sequence[Unit], images: Images, redirect: Redirect | None = None
) -> list[bool]:
    """Whether the value of each unit has a gradient at its image."""
    shown = images.to(model.device, model.image_dtype).clone().requires_grad_()
    with torch.enable_grad(), Tracer(model, dict.fromkeys(unit.layer for unit in units)) as tracer:
        try:
            trace = tracer(shown, redirect=redirect)
        except ModelError:  # it takes images of its own size alone
            trace = tracer(fitted(shown, model), redirect=redirect)
        values = [trace.rows(i, i + 1).read(unit) for i, unit in enumerate(units)]
        loss = -torch.cat(values).sum()  # what opens dead rectifiers goes by the sign
        with asked(model, "be differentiated"):
            found = torch.autograd.grad(loss, shown, allow_unused=True)[0] if loss.requires_grad else None
    return [False] * len(units) if found is None else found.flatten(1).any(1).tolist()


def status_of(
    unit: Unit,
    facts: Mapping[str, Any],
    image: Tensor,
    start: Tensor,
    accumulated: Tensor,
    response: Response | None = None,
) -> str:
    """The status of a picture (C, H, W) whose search did not diverge: "done", or what is wrong with it.

    `facts` are those of `measured`, `start` is the picture before the first step, and `accumulated` (H, W) the
    |∂loss/∂image| of all steps. A unit whose value fell is well where it still excites the unit as images do: what
    aligns with those need not exceed a random start.
    """
    own, still = response or Response(), float((image - start).abs().amax()) < LEVEL / 2
    ends, before = (
        float(((shown < LEVEL / 2) | (shown > 1 - LEVEL / 2)).double().mean()) for shown in (image, start)
    )
    given = (
        before if facts.get("options", {}).get("start") else 0.0
    )  # an image of the user's may be black and white
    seen, percentile = bool(accumulated.any()), facts.get("percentile")
    asleep = unit.layer != OUTPUT and not unit.source and percentile == 0
    fell = own.rise <= RISE and own.steps >= ENOUGH and not percentile
    faults = (
        (math.isnan(own.rise), NOT_A_NUMBER),
        (not own.reached and seen, UNREACHED),
        (asleep, SILENT),
        (not seen, DEAF),
        (still, OVERFLOWS if float(accumulated.amax()) > LOUD else STILL),
        (float(image.flatten(1).std(1, correction=0).amax()) < LEVEL, FLAT),
        (ends > 0.5 >= given, CLIPPED),
        (fell or (abs(own.rise) <= RISE and not own.alive), UNRAISED),
        (own.outweighed, OUTWEIGHED),
    )
    return next((told for true, told in faults if true), "done")


def lacking(
    unit: Unit, options: Mapping[str, Any], bank: ReferenceBank, seed: int, size: tuple[int, int]
) -> list[str]:
    """What the images of a bank were lacking for a unit's picture of this size, in short sentences."""
    return [*_few(unit, options, bank, seed), *_one(bank), *_poor(bank, size)]


def _few(unit: Unit, options: Mapping[str, Any], bank: ReferenceBank, seed: int) -> list[str]:
    """Fewer reference images than a method's options ask for."""
    asked = options.get("n_references")
    if not isinstance(asked, int):
        return []
    selection: Choice = options.get("selection", "activation") if unit.is_class else "activation"
    try:
        count = len(bank.references(unit, asked, selection, seed).indices)
    except VitalError:  # a method that chooses in a way of its own
        return []
    what = "reference image" if count == 1 else "reference images"
    return [f"{count} {what} where {asked} were asked for"] if count < asked else []


def _one(bank: ReferenceBank) -> list[str]:
    """One image in all, or one class alone."""
    if len(bank.images) == 1:
        return ["there is only one image in all, and whatever is in it may be in the picture"]
    labels = {label for label in bank.images.labels if label is not None}
    if len(labels) != 1:
        return []
    name = _class_name(bank.images, bank.model, labels.pop())
    return [
        f"all labeled images are of the class {name}, and backgrounds of that class may be in the picture"
    ]


def _class_name(images: ImageSet, model: Model, label: int) -> str:
    names = images.class_names or model.classes
    return names[label] if 0 <= label < len(names) else str(label)


def _poor(bank: ReferenceBank, size: tuple[int, int]) -> list[str]:
    """Images without colors, and images that are smaller than the picture."""
    known = _IMAGE_FACTS.get(bank) or _IMAGE_FACTS.setdefault(bank, _image_facts(bank))
    found = []
    if known.grey:
        all_ = (
            "all images" if len(bank.images) <= LOOKED_AT else f"all of {len(known.sizes)} images looked at"
        )
        found.append(f"{all_} are grey, and the picture's colors come from the network alone")
    small = sorted(s for s in known.sizes if s[0] < size[0] or s[1] < size[1])
    if 2 * len(small) > len(known.sizes):
        theirs, own = (" × ".join(map(str, s)) for s in (small[len(small) // 2], size))
        what = f"most images are smaller than the picture (such as {theirs} pixels, the picture {own})"
        found.append(f"{what}, and its finest detail comes from the network alone")
    return found


def _image_facts(bank: ReferenceBank) -> _ImageFacts:
    sizes, grey = [], bank.model.channels == 3
    for i in bank.images.spread(LOOKED_AT):
        try:
            pixels, size = bank.view(i)
        except DataError:
            continue
        sizes.append(size)
        grey = grey and float((pixels - pixels.mean(0)).abs().amax()) < 2 * LEVEL
    return _ImageFacts(grey and bool(sizes), tuple(sizes))
