"""What can be true of a scene: single factor values, and pairs of them.

A concept about things is true where one thing of the scene has all that it asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import torch
from torch import Tensor

from vital.errors import unknown
from vital.world.scenes.grammar import Scene, Thing
from vital.world.scenes.vocabulary import FACTORS, SCENE_FACTORS, THING_FACTORS

_PHRASES = {
    "accent": "with {}",
    "place": "at the {}",
    "background": "on {}",
    "light": "lit from the {}",
    "camera": "seen from {}",
}


@dataclass(frozen=True)
class Concept:
    """One or two factor values that a scene may have.

    >>> striped_cube = Concept((("material", "striped"), ("solid", "cube")))
    >>> striped_cube.name, striped_cube.holds(Scene())
    ('striped cube', False)
    """

    wants: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        for factor, value in self.wants:
            if value not in FACTORS.get(factor, ()):
                raise unknown(
                    *((factor, value, FACTORS[factor]) if factor in FACTORS else ("factor", factor, FACTORS))
                )

    @property
    def name(self) -> str:
        """The concept in words."""
        return " ".join(_PHRASES.get(factor, "{}").format(value) for factor, value in self.wants)

    def holds(self, scene: Scene) -> bool:
        """Tell whether the scene shows it."""
        if any(getattr(scene, factor) != value for factor, value in self.wants if factor in SCENE_FACTORS):
            return False
        own = [want for want in self.wants if want[0] in THING_FACTORS]
        return any(all(getattr(thing, factor) == value for factor, value in own) for thing in scene.things)


@cache
def concepts(pairs: bool = True) -> tuple[Concept, ...]:
    """List all concepts: every value of every factor, then (unless `pairs` is False) every pair of two factors' values.

    A pair names its parts in the order of a caption.

    >>> [c.name for c in concepts()[:2]], len(concepts(pairs=False))
    (['small', 'large'], 52)
    """
    order = ("size", "colour", "accent", "material", "solid", "place", *SCENE_FACTORS)
    single = [(factor, value) for factor in order for value in FACTORS[factor]]
    found = [Concept((want,)) for want in single]
    if pairs:
        found += [
            Concept(two) for two in combinations(single, 2) if two[0][0] != two[1][0] and _possible(two)
        ]
    return tuple(found)


def _possible(wants: Sequence[tuple[str, str]]) -> bool:
    """Whether any scene can have both: an accent is not the color, and only patterned materials have one."""
    chosen = dict(wants)
    if "accent" not in chosen:
        return True
    try:
        own = {factor: value for factor, value in chosen.items() if factor in THING_FACTORS}
        Thing(**{"material": "striped", "colour": "red" if chosen["accent"] != "red" else "blue"} | own)
    except ValueError:
        return False
    return True


def labels(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    """Number the factors of the thing in front and of the scene: factor -> (B,) int64; −1 for no accent.

    >>> labels([Scene()])["solid"]
    tensor([1])
    """
    return {
        factor: torch.tensor([_index(values, scene.value(factor)) for scene in scenes], dtype=torch.int64)
        for factor, values in FACTORS.items()
    }


def _index(values: Sequence[str], value: str) -> int:
    return values.index(value) if value else -1


def truths(scenes: Sequence[Scene], wanted: Sequence[Concept]) -> Tensor:
    """Tell for each scene and concept whether it holds: (B, K) bool; the same as `holds`, for many at once.

    >>> truths([Scene()], [Concept((("solid", "sphere"),)), Concept((("solid", "cube"),))])
    tensor([[ True, False]])
    """
    found = torch.zeros(len(scenes), len(wanted), dtype=torch.bool)
    for place in (0, 1):
        rows = [i for i, scene in enumerate(scenes) if len(scene.things) > place]
        shown = [_with_front(scenes[i], place) for i in rows]
        numbers = labels(shown)
        for column, concept in enumerate(wanted):
            held = torch.ones(len(rows), dtype=torch.bool)
            for factor, value in concept.wants:
                held &= numbers[factor] == FACTORS[factor].index(value)
            found[rows, column] |= held
    return found


def _with_front(scene: Scene, place: int) -> Scene:
    around = {factor: getattr(scene, factor) for factor in SCENE_FACTORS}
    return Scene(scene.things[place], **around)
