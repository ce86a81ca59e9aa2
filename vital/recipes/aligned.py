"""What both forms of VITAL share: where a unit's references come from, and by which rule its relevance is followed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vital.errors import BadValue, DataError, EmptyClass
from vital.models import Model
from vital.records import Template
from vital.reference import ReferenceBank
from vital.reference.bank import Choice
from vital.relevance import followable
from vital.terms import GRADIENT, Relevant
from vital.trace import survey
from vital.units import OUTPUT, Unit


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
    """Those of the layers that come before an inner unit's own, or the first of them; all for a class."""
    if unit.layer == OUTPUT:
        return tuple(layers)
    known = survey(model)
    return tuple(n for n in layers if known[n].order < known[unit.layer].order) or tuple(layers[:1])


def followed_by(model: Model, unit: Unit, layers: Sequence[str], rule: str) -> tuple[str, str]:
    """The rule by which a unit's relevance can be followed to its layers, and why it is not the one asked for."""
    if rule == GRADIENT:
        return rule, "masked by gradient × activation, which is not relevance"
    grey = torch.full((1, model.channels, *model.size), 0.5)
    return followable(model, Relevant(unit, tuple(layers), rule), grey)


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
    note = bank.references(unit, count, choose, seed).note
    return template, f"patches of {note}" if patches else note
