"""Scenes and the sentences that describe them.

    a large red and white striped cube in the middle on grass, lit from the left, seen from above
    a small blue glass sphere on the left with a large pink plain cone on the right behind it on sand, lit from …

A caption says all that is known of a scene but its `variation`: the small accidents (the exact angle, the grain of
the wood, the clouds) by which pictures of one description differ. Variation 0 has none of them, so that every
caption stands for exactly one picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from vital.errors import InvalidValueError, UsageError, unknown
from vital.world.scenes.vocabulary import ACCENTS, COLORS, FACTORS, PATTERNED, SCENE_FACTORS, THING_FACTORS

EXAMPLE = "a large red and white striped cube in the middle on snow"
HELP = (
    "write: a SIZE COLOR [and COLOR] MATERIAL SOLID in the middle|on the left|on the right on BACKGROUND, "
    f"such as {EXAMPLE!r}"
)
VARIATIONS = 2**31
_THING = re.compile(r"an? (\w+) (\w+)(?: and (\w+))? (\w+) (\w+) (?:in|on) the (\w+)")
_SCENE = re.compile(r"(.+) on (\w+)(?:, lit from the (\w+))?(?:, seen from (?:the )?(\w+))?")
_BETWEEN, _BEHIND = " with ", " behind it"


def _check(what: str, value: str, known: Sequence[str] | dict[str, tuple[str, ...]]) -> None:
    if value not in known:
        raise unknown(what, str(value), known)


@dataclass(frozen=True)
class Thing:
    """One solid in a scene. `accent` is the second color: patterned materials have one, others have none ("").

    >>> Thing("cube", "striped", "red", "white").phrase()
    'a large red and white striped cube in the middle'
    """

    solid: str = "sphere"
    material: str = "plain"
    colour: str = "red"
    accent: str = ""
    size: str = "large"
    place: str = "middle"

    def __post_init__(self) -> None:
        for factor, values in THING_FACTORS.items():
            if factor != "accent" or self.accent:
                _check(factor, getattr(self, factor), values)
        if self.material in PATTERNED and not self.accent:
            raise InvalidValueError(
                f"the material {self.material!r} needs an accent, which is a second color, such as "
                f"'{self.colour} and {_other(self.colour)} {self.material}'"
            )
        if self.material not in PATTERNED and self.accent:
            raise InvalidValueError(
                f"the material {self.material!r} has no accent, and it is {self.accent!r}; "
                f"{', '.join(PATTERNED)} have"
            )
        if self.accent == self.colour:
            raise InvalidValueError(
                f"the accent {self.accent!r} is the color itself; allowed is any other color"
            )

    def phrase(self) -> str:
        """Describe the thing and its place."""
        colors = f"{self.colour} and {self.accent}" if self.accent else self.colour
        where = f"{'in' if self.place == 'middle' else 'on'} the {self.place}"
        return f"a {self.size} {colors} {self.material} {self.solid} {where}"


@dataclass(frozen=True)
class Scene:
    """A thing, perhaps a second one `behind` it in another place, and what is around them.

    `variation` seeds what no caption says; 0 means none of it. Raises `UnknownNameError` and `InvalidValueError` for
    scenes that cannot be.
    """

    thing: Thing = Thing()
    behind: Thing | None = None
    background: str = "grass"
    light: str = "left"
    camera: str = "front"
    variation: int = 0

    def __post_init__(self) -> None:
        for factor, values in SCENE_FACTORS.items():
            _check(factor, getattr(self, factor), values)
        if self.behind and self.behind.place == self.thing.place:
            raise InvalidValueError(
                f"both things are on the {self.thing.place}; the one behind needs another place"
            )
        if not 0 <= self.variation < VARIATIONS:
            allowed = f"allowed are whole numbers from 0 below {VARIATIONS}"
            raise InvalidValueError(f"the variation is {self.variation}; {allowed}")

    @property
    def things(self) -> tuple[Thing, ...]:
        """The thing in front, and the one behind it where there is one."""
        return (self.thing, self.behind) if self.behind else (self.thing,)

    @property
    def described(self) -> Scene:
        """The scene as its caption has it: without variation."""
        return replace(self, variation=0)

    def value(self, factor: str) -> str:
        """Name the value of one factor: of the thing in front, or of the whole scene; "" for no accent.

        >>> Scene().value("solid")
        'sphere'
        """
        _check("factor", factor, FACTORS)
        return str(getattr(self.thing if factor in THING_FACTORS else self, factor))


def _other(color: str) -> str:
    """An accent that goes with a color."""
    return next(name for name in ACCENTS if name != color)


def caption(scene: Scene) -> str:
    """Describe a scene; `parse` is the inverse.

    >>> caption(Scene(Thing("cone", colour="blue"), background="snow"))
    'a large blue plain cone in the middle on snow, lit from the left, seen from the front'
    """
    things = scene.thing.phrase()
    if scene.behind:
        things += _BETWEEN + scene.behind.phrase() + _BEHIND
    seen = "above" if scene.camera == "above" else f"the {scene.camera}"
    return f"{things} on {scene.background}, lit from the {scene.light}, seen from {seen}"


def parse(text: str) -> Scene:
    """Read a caption: the scene that it describes, with variation 0.

    Case and doubled spaces do not count, and the light and camera may be left out. Raises `UnknownNameError` with the
    nearest names for a word that is not known, and `UsageError` for a sentence that is none.

    >>> parse("a large blue plain cone in the middle on snow").thing.colour
    'blue'
    >>> parse("a large purpel plain cone in the middle on snow")
    Traceback (most recent call last):
    ...
    vital.errors.UnknownNameError: unknown colour 'purpel'; did you mean 'purple'?
    """
    line = " ".join(text.lower().split()).rstrip(".")
    match = _SCENE.fullmatch(line)
    if not match:
        raise UsageError(f"{text!r} does not describe a scene; {HELP}")
    front, between, behind = match[1].partition(_BETWEEN)
    if bool(between) != behind.endswith(_BEHIND):
        raise UsageError(f"{text!r} does not describe a scene: a second thing is written: with a … behind it")
    second = _thing(behind.removesuffix(_BEHIND)) if between else None
    return Scene(_thing(front), second, match[2], match[3] or "left", match[4] or "front")


def _thing(text: str) -> Thing:
    match = _THING.fullmatch(text)
    if not match:
        raise UsageError(f"{text!r} does not describe a thing; {HELP}")
    size, color, accent, material, solid, place = match.groups("")
    return Thing(solid, material, color, accent, size, place)


def sample(generator: torch.Generator, count: int, *, pairs: float = 0.0, **fixed: str) -> list[Scene]:
    """Draw scenes with independent factors, each value as likely as the next.

    `fixed` holds factors of the thing in front, or of the scene, to a value: `sample(g, 5, solid="cube")`. `pairs`
    is the share of scenes with a second thing behind the first. The accent is drawn from `ACCENTS` without the
    color itself, and only patterned materials keep it. Raises `UnknownNameError` and `InvalidValueError`.

    >>> scenes = sample(torch.Generator().manual_seed(0), 2, solid="cube")
    >>> [s.thing.solid for s in scenes]
    ['cube', 'cube']
    """
    if count < 0 or not 0 <= pairs <= 1:
        raise InvalidValueError(
            f"{count} scenes, {pairs} of them with two things; allowed are counts from 0, shares to 1"
        )
    for factor, value in fixed.items():
        _check("factor", factor, FACTORS)
        _check(factor, value, FACTORS[factor])
    if "accent" in fixed and fixed.get("material", PATTERNED[0]) not in PATTERNED:
        raise InvalidValueError(
            f"the material {fixed['material']!r} has no accent; {', '.join(PATTERNED)} have"
        )
    return [_draw(generator, pairs, fixed) for _ in range(count)]


def _draw(generator: torch.Generator, pairs: float, fixed: dict[str, str]) -> Scene:
    numbers = iter(torch.rand(20, generator=generator, dtype=torch.float64).tolist())
    thing = _draw_thing(numbers, fixed)
    around = {name: fixed.get(name) or _pick(values, numbers) for name, values in SCENE_FACTORS.items()}
    variation = 1 + int(next(numbers) * (VARIATIONS - 1))
    behind = None
    if next(numbers) < pairs:
        elsewhere = [place for place in THING_FACTORS["place"] if place != thing.place]
        behind = _draw_thing(numbers, {"place": _pick(elsewhere, numbers)})
    return Scene(thing, behind, variation=variation, **around)


def _draw_thing(numbers: Iterator[float], fixed: dict[str, str]) -> Thing:
    patterned = PATTERNED if "accent" in fixed else THING_FACTORS["material"]
    others = [name for name in COLORS if name != fixed.get("accent")]
    choices = {**THING_FACTORS, "material": patterned, "colour": others}
    drawn = {
        name: fixed.get(name) or _pick(choices[name], numbers)
        for name in ("solid", "material", "colour", "size", "place")
    }
    accent = _pick([name for name in ACCENTS if name != drawn["colour"]], numbers)
    return Thing(accent=(fixed.get("accent") or accent) if drawn["material"] in PATTERNED else "", **drawn)


def _pick(values: Sequence[str], numbers: Iterator[float]) -> str:
    return values[int(next(numbers) * len(values))]
