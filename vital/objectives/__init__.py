"""Objectives: what an image is asked to do to a network. Each is a Term; lower is better.

The catalog, with formulas and sources, is `objectives/README.md`.
"""

from vital.objectives.alignment import Alignment
from vital.objectives.direction import Direction
from vital.objectives.layer import DeepDream, Diversity
from vital.objectives.lucent import FromLucent
from vital.objectives.picture import ActivationDifference, Caricature, FeatureMatch
from vital.objectives.single import Channel, Interpolate, Logit, Neuron, Reach
from vital.tracing import read_direction

__all__ = [
    "ActivationDifference",
    "Alignment",
    "Caricature",
    "Channel",
    "DeepDream",
    "Direction",
    "Diversity",
    "FeatureMatch",
    "FromLucent",
    "Interpolate",
    "Logit",
    "Neuron",
    "Reach",
    "read_direction",
]
