"""Prototypes held against the truth: what the unit stands for, what the judge sees, and the words nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vital.models import Model
from vital.types import Images
from vital.units import Unit
from vital.world.networks.judge import agrees, fitted, in_words, judged
from vital.world.networks.weights import network
from vital.world.scenes.concepts import concepts
from vital.world.scenes.ground_truth import Truth, unit_truths


@dataclass(frozen=True)
class Check:
    """One prototype beside the truth of its unit.

    `seen` is what the judge sees of the truth's factors, and `right` whether that is the truth; `words` is the
    concept whose text the encoder puts nearest to the picture, at the cosine `score`.
    """

    truth: Truth
    seen: str
    right: bool
    words: str
    score: float


def checked(
    model: Model, units: Sequence[str | Unit], pictures: Images, *, progress: bool = True
) -> list[Check]:
    """Hold pictures (B, 3, H, W) in [0, 1] of units against their truths. Raises what `unit_truths` raises."""
    truths = unit_truths(model, units, progress=progress)
    return [
        Check(truth, in_words(truth.concept, seen), agrees(truth.concept, seen), words, score)
        for truth, seen, (words, score) in zip(truths, judged(pictures), nearest(pictures), strict=True)
    ]


@torch.no_grad()
def nearest(pictures: Images) -> list[tuple[str, float]]:
    """Find the concept whose words are nearest to each picture under the world's encoder, with its cosine."""
    encoder = network("encoder")
    names = [concept.name for concept in concepts()]
    similar = encoder.encode_image(fitted(pictures)) @ encoder.encode_text(names).T  # type: ignore[operator]
    return [(names[int(best)], float(score)) for score, best in zip(*similar.max(1), strict=True)]
