"""The atlas: every unit of whole layers, as one plan of small pieces of work that goes on where it stopped."""

from vital.atlases.api import Atlas, atlas, carry_out, prepare
from vital.atlases.context import Context
from vital.atlases.costs import Cost, estimate
from vital.atlases.engine import ENGINES, Outcome, attempt, engine_of
from vital.atlases.plan import STAGES, Piece, Request, pieces_of

__all__ = [
    "ENGINES",
    "STAGES",
    "Atlas",
    "Context",
    "Cost",
    "Outcome",
    "Piece",
    "Request",
    "atlas",
    "attempt",
    "carry_out",
    "engine_of",
    "estimate",
    "pieces_of",
    "prepare",
]
