"""The judge's word on any picture: what it sees in it, and whether that is what a unit stands for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from vital.types import Images
from vital.world.networks.architectures import SIZE, normalized
from vital.world.networks.weights import network
from vital.world.scenes.concepts import Concept
from vital.world.scenes.vocabulary import FACTORS

Words = Mapping[str, str]


@torch.no_grad()
def judged(pictures: Images, judge: nn.Module | None = None, batch: int = 100) -> list[Words]:
    """Name what is in pictures (B, 3, H, W) in [0, 1]: for each, factor -> the likeliest value, "" for no accent.

    `judge` is the shipped one unless given. Pictures of another size are scaled to 64 pixels. Raises `WeightsError`
    where the networks are not trained.

    >>> from vital.world.networks.architectures import Judge
    >>> judged(torch.zeros(1, 3, 64, 64), Judge().eval())[0].keys() == FACTORS.keys()
    True
    """
    judge = judge or network("judge")
    words: list[Words] = []
    for part in torch.split(fitted(pictures), batch):
        best = {factor: scores.argmax(1).tolist() for factor, scores in judge(normalized(part)).items()}
        words += [{f: (*FACTORS[f], "")[best[f][i]] for f in FACTORS} for i in range(len(part))]
    return words


def fitted(pictures: Images) -> Images:
    """Scale pictures to the size that the world's networks know, in single precision."""
    pictures = pictures.detach().cpu().float()
    if pictures.shape[2:] == (SIZE, SIZE):
        return pictures
    return nn.functional.interpolate(pictures, (SIZE, SIZE), mode="bilinear", antialias=True).clamp(0, 1)


def agrees(concept: Concept, words: Words) -> bool:
    """Whether what the judge sees is the concept: all of its words, each for its own factor.

    >>> agrees(Concept((("solid", "cube"),)), {"solid": "cube", "colour": "red"})
    True
    """
    return all(words.get(factor) == value for factor, value in concept.wants)


def in_words(concept: Concept, words: Words) -> str:
    """Say what the judge sees of a concept's factors, in the concept's order.

    >>> in_words(Concept((("colour", "red"), ("solid", "cube"))), {"solid": "cone", "colour": "red"})
    'red cone'
    """
    seen = tuple((factor, words[factor]) for factor, _ in concept.wants)
    return (
        Concept(seen).name if all(value for _, value in seen) else " ".join(v or "no accent" for _, v in seen)
    )
