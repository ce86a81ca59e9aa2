"""What both forms of VITAL share: where a unit's references come from, and by which rule its relevance is followed."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vital.errors import BadValue, DataError, EmptyClass
from vital.models import Model
from vital.records import Template
from vital.reference import ReferenceBank
from vital.reference.bank import Choice
from vital.relevance import followable
from vital.seeds import generator
from vital.terms import GRADIENT, Relevant
from vital.trace import Tracer, feeding, survey
from vital.units import OUTPUT, Unit

BEARABLE = 0.98

_FOLLOWED: WeakKeyDictionary[Model, set[tuple[str, tuple[str, ...], str]]] = WeakKeyDictionary()
_NOISE: WeakKeyDictionary[ReferenceBank, WeakKeyDictionary[Model, dict[tuple[float, int], float]]] = (
    WeakKeyDictionary()
)


def paired(layers: Sequence[str], weights: tuple[float, ...]) -> tuple[float, ...]:
    """The weights, after a look that there is one for each layer."""
    if len(weights) != len(layers):
        raise BadValue(f"there are {len(weights)} weights for the {len(layers)} layers {', '.join(layers)}")
    return weights


def lacking(unit: Unit, bank: ReferenceBank | None, count: int, choose: Choice, seed: int) -> str:
    """Say that there are no images of a class; empty where there are."""
    try:
        if bank is not None:
            bank.references(unit, count, choose, seed)
    except EmptyClass as error:
        return str(error)
    return ""


def before(model: Model, unit: Unit, layers: Sequence[str]) -> tuple[str, ...]:
    """Those of the layers from which an inner unit's own is made, or its own where there is none; all for a class."""
    if unit.layer == OUTPUT:
        return tuple(layers)
    return feeding(model, unit.layer, layers) or (unit.layer,)


def followed_by(model: Model, unit: Unit, layers: Sequence[str], rule: str) -> tuple[str, str]:
    """The rule by which a unit's relevance can be followed to its layers, and why it is not the one asked for."""
    if rule == GRADIENT:
        return rule, "masked by gradient × activation, which is not relevance"
    asked = (str(unit) if unit.source else unit.layer, tuple(layers), rule)
    known = _FOLLOWED.setdefault(model, set())
    if asked in known:
        return rule, ""
    grey = torch.full((1, model.channels, *model.size), 0.5)
    found, why = followable(model, Relevant(unit, tuple(layers), rule), grey)
    if not why:  # a rule that is missing may be filed yet
        known.add(asked)
    return found, why


def bearable_noise(model: Model, bank: ReferenceBank, most: float, count: int = 16) -> float:
    """The strongest of `most`, its half and its quarter that leaves the network's outputs what they are, else 0.

    They are what they are where all outputs over `count` images of the bank, with and without noise of this standard
    deviation, correlate with 0.98 or more. A network that never saw noise takes it for detail.
    """
    known = _NOISE.setdefault(bank, WeakKeyDictionary()).setdefault(model, {})
    if (most, count) not in known:
        known[most, count] = _bearable(model, bank, most, count)
    return known[most, count]


@torch.no_grad()
def _bearable(model: Model, bank: ReferenceBank, most: float, count: int) -> float:
    if survey(model)[OUTPUT].problem:
        return 0.0
    spread = sorted({i * len(bank.images) // count for i in range(count)})
    images = bank.tensor(spread).to(model.device, model.dtype)
    draw = torch.randn(images.shape, generator=generator("noise", count), dtype=torch.float64).to(images)
    with Tracer(model, [OUTPUT]) as tracer:
        clean = tracer(images)[OUTPUT].flatten()
        for strength in (most, most / 2, most / 4):
            noisy = tracer(images + strength * draw)[OUTPUT].flatten()
            if float(_correlation(clean, noisy)) >= BEARABLE:
                return strength
    return 0.0


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's correlation of two vectors, as a scalar."""
    return torch.cosine_similarity(x - x.mean(), y - y.mean(), dim=0)


def references_of(
    unit: Unit,
    bank: ReferenceBank | None,
    layers: Sequence[str],
    count: int,
    choose: Choice,
    seed: int,
    rule: str = "",
    start: str = "waking",
    patches: float = 0.0,
) -> tuple[Template, str]:
    """A unit's template, and in words where its references come from; `patches` is their share, 0 for whole images."""
    if bank is None:
        raise DataError(f"{unit} cannot be rendered without reference images; give images or a bank")
    share = patches or False
    template = bank.template(
        unit, layers, count=count, choose=choose, seed=seed, rule=rule, start=start, patches=share
    )
    if share and bank.has_places(unit):
        return template, f"patches around the {count} strongest places of the unit, of as many images"
    return template, bank.references(unit, count, choose, seed).note
