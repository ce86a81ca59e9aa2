"""What is known of a unit beside its pictures and words: how images excite it, what is like it, and what feeds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vital.atlases.context import Context
from vital.attribution import feeders
from vital.errors import VitalError
from vital.reporting.site import (
    histogram,
    nearest_units,
    save_feeders,
    save_histogram,
    save_neighbors,
)
from vital.tracing import list_layers
from vital.units import Unit

SEEN, FEEDERS = 8, 6
"""How many of a unit's strongest images say what feeds it, and how many units are kept."""
CORRELATION = "correlation of activations"


def save_relations(names: Sequence[str], context: Context) -> None:
    """Write the histogram, the neighbors and the feeders of units of the bank into the run folder."""
    units = [context.units[name] for name in names]
    for unit in units:
        if not unit.source and context.bank.ranks(unit):
            save_histogram(context.run, unit, histogram(context.bank, unit))
            _save_feeders(unit, context)
    for unit, links in nearest_units(context.bank, list(context.units.values()), of=units):
        save_neighbors(context.run, unit, links, CORRELATION)


def _save_feeders(unit: Unit, context: Context) -> None:
    """Write the units of the layer before, of those in the atlas, that feed a unit most; nothing without a rule."""
    before = next(_layers_before(unit, context), None)
    if before is None:
        return
    bank = context.bank
    try:
        found = feeders(context.model, unit, before, bank.tensor(bank.strongest(unit, SEEN)), FEEDERS)
    except VitalError:  # relevance cannot pass an operation between them
        return
    save_feeders(context.run, unit, [(feeder.unit, feeder.share) for feeder in found if feeder.share > 0])


def _layers_before(unit: Unit, context: Context) -> Iterator[str]:
    """The layers of the atlas that stand before a unit's, the nearest first."""
    asked = {one.layer for one in context.request.units if not one.source}
    order = [name for name in list_layers(context.model) if name in asked]
    place = order.index(unit.layer) if unit.layer in order else len(order)
    return reversed(order[:place])
