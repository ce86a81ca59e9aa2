"""How many steps each method is given: its own number, the first one's, or as many as fit into the first one's time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from vital.compare.cost import step_seconds, steps_of, with_steps
from vital.compare.gallery import Studio
from vital.compare.kept import Kept, network_key
from vital.compare.records import Score
from vital.describe.identity import hashed
from vital.errors import ModelError, unknown
from vital.recipes import Method

Equal = Literal["", "steps", "seconds"]


def check_equal(equal: str) -> None:
    """Raise `UnknownName` for an equality that there is not."""
    if equal not in get_args(Equal):
        raise unknown("equality", equal, [name for name in get_args(Equal) if name])


def paced(studio: Studio, recipes: Mapping[str, Method], equal: Equal) -> tuple[dict[str, Method], list[str]]:
    """The methods with the numbers of steps that make a comparison equal, and why others are left out.

    "" leaves each its own number; "steps" gives all of them the number of the first. "seconds" gives each as many as
    fit into the time of the first one's steps (`step_seconds`; what comes before the steps is not counted), at least
    one; a method that cannot be timed is left out, and where it is the first, the next one takes its place. Times are
    measured once for a method with its options, the network, the bank and the units, and kept in `pace/`, so that a run
    taken up goes on with the same numbers. Raises `ModelError` where no method can be timed.
    """
    check_equal(equal)
    if not equal or not recipes:
        return dict(recipes), []
    if equal == "steps":
        steps = steps_of(next(iter(recipes.values())))
        return {name: with_steps(recipe, steps) for name, recipe in recipes.items()}, []
    times, notes = _times(studio, recipes)
    first = next(iter(times))
    budget = steps_of(recipes[first]) * times[first]
    return {name: with_steps(recipes[name], max(1, round(budget / t))) for name, t in times.items()}, notes


def _times(studio: Studio, recipes: Mapping[str, Method]) -> tuple[dict[str, float], list[str]]:
    """Seconds a step of the methods that can be timed, and why others cannot."""
    times, notes = dict[str, float](), list[str]()
    for name, recipe in recipes.items():
        try:
            times[name] = _seconds(studio, name, recipe)
        except ModelError as error:
            notes.append(f"{name} is left out, since it cannot be timed: {error}")
    if not times:
        raise ModelError("; ".join(notes))
    return times, notes


def _seconds(studio: Studio, name: str, recipe: Method) -> float:
    """Seconds a step, kept or measured now; how many steps there are to be makes no difference."""
    group = studio.together
    options = with_steps(recipe, 1).options()
    key = hashed("pace", name, options, network_key(studio.model), studio.bank.key, [*map(str, group)])

    def timed() -> list[Score]:
        if not studio.rendering:
            raise ModelError(f"no time of {name} is kept, and nothing is rendered")
        seconds = step_seconds(studio.model, group, recipe, studio.bank)
        return [Score("", "seconds a step", seconds, name)]

    (score,) = Kept(studio.path / "pace").scores(name, key, timed)
    return score.value
