"""What is known of a unit beside its pictures and words: how images excite it, what is like it, and what feeds it."""

from __future__ import annotations

from collections.abc import Sequence

from vital.atlases.context import Context
from vital.attribution import feeders
from vital.errors import VitalError
from vital.reporting.site import (
    histogram,
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
    for unit in (context.units[name] for name in names):
        if not unit.source and context.bank.ranks(unit):
            save_histogram(context.run, unit, histogram(context.bank, unit))
            _save_feeders(unit, context)
            if links := context.neighbors.get(str(unit)):
                save_neighbors(context.run, unit, links, CORRELATION)


def _save_feeders(unit: Unit, context: Context) -> None:
    """Write the units of the layer before, of those in the atlas, that feed a unit most; nothing without a rule."""
    before = _layer_before(unit, context)
    if before is None:
        return
    bank = context.bank
    try:
        found = feeders(context.model, unit, before, bank.tensor(bank.strongest(unit, SEEN)), FEEDERS)
    except VitalError:  # relevance cannot pass an operation between them
        return
    save_feeders(context.run, unit, [(feeder.unit, feeder.share) for feeder in found if feeder.share > 0])


def _layer_before(unit: Unit, context: Context) -> str | None:
    """The nearest layer of the atlas that stands before a unit's; None for the first."""
    asked = {one.layer for one in context.request.units if not one.source}
    before = None
    for name in list_layers(context.model):
        if name == unit.layer:
            break
        if name in asked:
            before = name
    return before
