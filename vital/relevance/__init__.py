"""Relevance: which activations took part in what a unit responds to.

Layer-wise relevance propagation goes back along the tape of one ordinary forward pass, operation by operation;
`OPERATIONS` says how, `Relevance` with which rules.
"""

from vital.relevance import compound as compound
from vital.relevance import products as products
from vital.relevance.circuit import Feeder as Feeder
from vital.relevance.circuit import feeders as feeders
from vital.relevance.composite import RULES as RULES
from vital.relevance.composite import Relevance as Relevance
from vital.relevance.composite import composite as composite
from vital.relevance.gradients import gradient_times_activation as gradient_times_activation
from vital.relevance.gradients import gradient_times_activation_of as gradient_times_activation_of
from vital.relevance.gradients import guided_backpropagation as guided_backpropagation
from vital.relevance.masks import followable as followable
from vital.relevance.masks import followed as followed
from vital.relevance.masks import importance as importance
from vital.relevance.masks import mask as mask
from vital.relevance.operations import OPERATIONS as OPERATIONS
from vital.relevance.operations import Context as Context
from vital.relevance.propagate import propagate as propagate
from vital.relevance.propagate import relevance as relevance
from vital.relevance.propagate import relevance_of as relevance_of
from vital.relevance.start import start_at as start_at
from vital.trace import NoRule as NoRule

__all__ = [
    "OPERATIONS",
    "RULES",
    "Context",
    "Feeder",
    "NoRule",
    "Relevance",
    "composite",
    "feeders",
    "followable",
    "followed",
    "gradient_times_activation",
    "gradient_times_activation_of",
    "guided_backpropagation",
    "importance",
    "mask",
    "propagate",
    "relevance",
    "relevance_of",
    "start_at",
]
