"""Relevance: which activations took part in what a unit responds to.

Layer-wise relevance propagation goes back along the tape of one ordinary forward pass, operation by operation;
`OPERATIONS` says how, `Relevance` with which rules.
"""

from vital.attribution import compound as compound
from vital.attribution import norms as norms
from vital.attribution import products as products
from vital.attribution.circuit import AttributionGraph, Edge, Feeder, attribution_graph, feeders
from vital.attribution.composites import RULES, Relevance, composite
from vital.attribution.gradients import (
    gradient_times_activation,
    gradient_times_activation_of,
    guided_backpropagation,
)
from vital.attribution.masks import followable, followed, importance, mask
from vital.attribution.operations import OPERATIONS, Context
from vital.attribution.propagation import propagate, relevance, relevance_of
from vital.attribution.start import start_at
from vital.tracing import NoRuleError

__all__ = [
    "OPERATIONS",
    "RULES",
    "AttributionGraph",
    "Context",
    "Edge",
    "Feeder",
    "NoRuleError",
    "Relevance",
    "attribution_graph",
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
