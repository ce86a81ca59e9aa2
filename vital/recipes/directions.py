"""References of directions: a bank ranks channels alone, so that the images are looked through once more."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vital.errors import BadValue
from vital.records import Template
from vital.reference import ReferenceBank, make_template
from vital.reference.choose import References, above_the_rest
from vital.trace import Tracer, resolve_units
from vital.units import Unit


@torch.no_grad()
def strongest_along(bank: ReferenceBank, unit: str | Unit, count: int = 8) -> References:
    """The images of a bank with the highest mean projection on a direction, weighted as those of a channel are.

    One pass over all images of the bank, at its own network; nothing is kept.
    """
    (unit,) = resolve_units(bank.model, unit)
    if count < 1:
        raise BadValue(f"{count} reference images are asked for; allowed are whole numbers from 1")
    found: list[int] = []
    values: list[torch.Tensor] = []
    with Tracer(bank.model, [unit.layer]) as tracer:
        for which, batch in bank.images.batches(bank.model, 16):
            found += which
            values.append(tracer(batch.to(bank.model.device, bank.model.dtype)).read(unit).cpu())
    ranked = torch.cat(values).sort(descending=True, stable=True)
    best = [found[int(i)] for i in ranked.indices[:count]]
    return above_the_rest(best, ranked.values[: len(best)], ranked.values[len(best) : len(best) + 1])


def strongest_of(bank: ReferenceBank, unit: Unit, count: int = 8) -> list[int]:
    """The images with the highest value of a unit of any kind, strongest first."""
    return list(strongest_along(bank, unit, count).indices) if unit.source else bank.strongest(unit, count)


def along(
    bank: ReferenceBank, unit: Unit, layers: Sequence[str], count: int, rule: str = ""
) -> tuple[Template, str]:
    """The template of a direction, and in words where its references come from.

    With a relevance `rule` it holds what took part in the direction's value alone (see `Template`).
    """
    chosen = strongest_along(bank, unit, count)
    weight = dict(zip(chosen.indices, chosen.weights, strict=True))
    batches = (
        (batch, [weight[i] for i in which])
        for which, batch in bank.images.batches(bank.model, 8, indices=chosen.indices)
    )
    names = [bank.images.names[i] for i in chosen.indices]
    return make_template(bank.model, layers, batches, unit=str(unit), images=names, rule=rule), chosen.note
