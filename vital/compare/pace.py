"""How many steps each method is given: its own number, the first one's, or as many as fit into the first one's time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from vital.compare.cost import step_seconds, steps_of, with_steps
from vital.compare.gallery import Studio
from vital.errors import unknown
from vital.files import as_json, read_json, write
from vital.recipes import Method

Equal = Literal["", "steps", "seconds"]


def paced(studio: Studio, recipes: Mapping[str, Method], equal: Equal) -> dict[str, Method]:
    """The methods with the numbers of steps that make a comparison equal; "" leaves each its own.

    "steps" gives all of them the number of the first. "seconds" gives each as many as fit into the time of the first
    one's steps (`step_seconds`; what comes before the steps is not counted), at least one. The times are measured once
    and kept in pace.json, so that a run taken up goes on with the same numbers.
    """
    if equal not in get_args(Equal):
        raise unknown("equality", equal, [name for name in get_args(Equal) if name])
    if not equal or not recipes:
        return dict(recipes)
    steps = steps_of(next(iter(recipes.values())))
    if equal == "steps":
        return {name: with_steps(recipe, steps) for name, recipe in recipes.items()}
    times = _times(studio, recipes)
    budget = steps * times[next(iter(recipes))]
    return {name: with_steps(recipe, max(1, round(budget / times[name]))) for name, recipe in recipes.items()}


def _times(studio: Studio, recipes: Mapping[str, Method]) -> dict[str, float]:
    """Seconds a step by method, from pace.json or measured now."""
    file = studio.path / "pace.json"
    known = read_json(file) if file.exists() else {}
    new = [name for name in recipes if name not in known]
    known |= {name: step_seconds(studio.model, studio.together, recipes[name], studio.bank) for name in new}
    if new:
        write(file, as_json(known))
    return {name: float(known[name]) for name in recipes}
