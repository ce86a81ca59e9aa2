"""Objectives: what an image is asked to do to a network. Each is a Term; lower is better.

The catalogue, with formulas and sources, is `objectives/README.md`.
"""

from vital.objectives.alignment import Alignment as Alignment
from vital.objectives.direction import Direction as Direction
from vital.objectives.layer import DeepDream as DeepDream
from vital.objectives.layer import Diversity as Diversity
from vital.objectives.lucent import FromLucent as FromLucent
from vital.objectives.picture import ActivationDifference as ActivationDifference
from vital.objectives.picture import Caricature as Caricature
from vital.objectives.picture import FeatureMatch as FeatureMatch
from vital.objectives.single import Channel as Channel
from vital.objectives.single import Interpolate as Interpolate
from vital.objectives.single import Logit as Logit
from vital.objectives.single import Neuron as Neuron
from vital.objectives.single import Reach as Reach
from vital.tracing import read_direction as read_direction

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
