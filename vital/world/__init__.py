"""The known-answer world: scenes with exact descriptions, their pictures, and networks that saw nothing else."""

from vital.world.renderer.render import render
from vital.world.scenes.concepts import Concept, concepts, labels, truths
from vital.world.scenes.grammar import Scene, Thing, caption, parse, sample
from vital.world.scenes.ground_truth import Truth, truth, unit_truths

__all__ = [
    "Concept",
    "Scene",
    "Thing",
    "Truth",
    "caption",
    "concepts",
    "labels",
    "parse",
    "render",
    "sample",
    "truth",
    "truths",
    "unit_truths",
]
