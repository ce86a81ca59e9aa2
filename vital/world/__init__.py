"""The known-answer world: scenes with exact descriptions, their pictures, and networks that saw nothing else."""

from vital.world.concepts import Concept, concepts, labels, truths
from vital.world.grammar import Scene, Thing, caption, parse, sample
from vital.world.render import render

__all__ = [
    "Concept",
    "Scene",
    "Thing",
    "caption",
    "concepts",
    "labels",
    "parse",
    "render",
    "sample",
    "truths",
]
