"""Relevance: which activations took part in what a unit responds to.

Layer-wise relevance propagation goes back along the tape of one ordinary forward pass, operation by operation;
`OPERATIONS` says how, `Relevance` with which rules.
"""

from vital.attribution import compound as compound
from vital.attribution import products as products
from vital.attribution.circuit import Feeder as Feeder
from vital.attribution.circuit import feeders as feeders
from vital.attribution.composites import RULES as RULES
from vital.attribution.composites import Relevance as Relevance
from vital.attribution.composites import composite as composite
from vital.attribution.gradients import gradient_times_activation as gradient_times_activation
from vital.attribution.gradients import gradient_times_activation_of as gradient_times_activation_of
from vital.attribution.gradients import guided_backpropagation as guided_backpropagation
from vital.attribution.masks import followable as followable
from vital.attribution.masks import followed as followed
from vital.attribution.masks import importance as importance
from vital.attribution.masks import mask as mask
from vital.attribution.operations import OPERATIONS as OPERATIONS
from vital.attribution.operations import Context as Context
from vital.attribution.propagation import propagate as propagate
from vital.attribution.propagation import relevance as relevance
from vital.attribution.propagation import relevance_of as relevance_of
from vital.attribution.start import start_at as start_at
from vital.tracing import NoRuleError as NoRuleError

__all__ = [
    "OPERATIONS",
    "RULES",
    "Context",
    "Feeder",
    "NoRuleError",
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
