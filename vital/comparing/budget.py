"""How many steps each method is given: its own number, the first one's, or as many as fit into the first one's time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, get_args

from vital.comparing.cost import step_seconds, steps_of, with_steps
from vital.comparing.records import Score
from vital.comparing.renderer import Renderer
from vital.comparing.score_cache import ScoreCache, network_key
from vital.errors import ModelError, unknown
from vital.rendering import Method
from vital.units import Unit
from vital.utils.hashing import key_of

GROUPS, TURNS = 3, 3
Budget = Literal["steps", "time"]


def check_budget(budget: str | None) -> None:
    """Raise `UnknownNameError` for a budget that there is not."""
    if budget is not None and budget not in get_args(Budget):
        raise unknown("budget", budget, get_args(Budget))


def apply_budget(
    renderer: Renderer, methods: Mapping[str, Method], budget: Budget | None
) -> tuple[dict[str, Method], list[str]]:
    """The methods with the numbers of steps that make a comparison equal, and why others are left out.

    None leaves each its own number; "steps" gives all of them the number of the first. "time" gives each as many as
    fit into the time of the first one's steps (`step_seconds`; what comes before the steps is not counted), at least
    one; a method that cannot be timed is left out, and where it is the first, the next one takes its place. Times are
    those of up to three groups of units, the fastest of three turns. They are measured once for a method with its
    options, the network, the bank and the units, and kept in `times/`, so that a run taken up goes on with the same
    numbers. Raises `ModelError` where no method can be timed.
    """
    check_budget(budget)
    if budget is None or not methods:
        return dict(methods), []
    if budget == "steps":
        steps = steps_of(next(iter(methods.values())))
        return {name: with_steps(method, steps) for name, method in methods.items()}, []
    times, notes = _times(renderer, methods)
    first = next(iter(times))
    seconds = steps_of(methods[first]) * times[first]
    return {name: with_steps(methods[name], max(1, round(seconds / t))) for name, t in times.items()}, notes


def _times(renderer: Renderer, methods: Mapping[str, Method]) -> tuple[dict[str, float], list[str]]:
    """Seconds that a step takes of the methods that can be timed, kept or measured now, and why others cannot."""
    cache, some = ScoreCache(renderer.path / "times"), _some(renderer)
    keys = {name: _key(renderer, name, method, some) for name, method in methods.items()}
    new = {name: method for name, method in methods.items() if not cache.holds(keys[name])}
    made, failed = _measured(renderer, new, some)
    times = {
        name: cache.scores(name, keys[name], partial(_as_scores, name, made))[0].value
        for name in methods
        if name not in failed
    }
    notes = [f"{name} is left out, since it cannot be timed: {why}" for name, why in failed.items()]
    if not times:
        raise ModelError("; ".join(notes))
    return times, notes


def _as_scores(name: str, made: Mapping[str, float]) -> list[Score]:
    return [Score("", "seconds a step", made[name], name)]


def _some(renderer: Renderer) -> list[Sequence[Unit]]:
    """Groups of units that are rendered together, spread over all: layers may differ in what they take."""
    every = renderer.groups
    return every[:: math.ceil(len(every) / GROUPS)]


def _key(renderer: Renderer, name: str, method: Method, some: Sequence[Sequence[Unit]]) -> str:
    """What decides a time."""
    units = [[*map(str, group)] for group in some]
    return key_of(
        "time of both kinds of steps",
        name,
        method.options(),
        network_key(renderer.model),
        renderer.bank.key,
        units,
    )


def _measured(
    renderer: Renderer, methods: Mapping[str, Method], some: Sequence[Sequence[Unit]]
) -> tuple[dict[str, float], dict[str, str]]:
    """The seconds that a step of each method takes, for one unit, and why some cannot be timed.

    The methods take turns, so that a busy minute meets all of them, and the fastest turn counts.
    """
    if not renderer.render_missing:
        return {}, {name: f"no time of {name} is kept, and nothing is rendered" for name in methods}
    best, failed = dict.fromkeys(methods, math.inf), dict[str, str]()
    for _ in range(TURNS):
        for name, method in methods.items():
            if name not in failed:
                try:
                    best[name] = min(best[name], _seconds(renderer, method, some))
                except ModelError as error:
                    failed[name] = str(error)
    return {name: seconds for name, seconds in best.items() if name not in failed}, failed


def _seconds(renderer: Renderer, method: Method, some: Sequence[Sequence[Unit]]) -> float:
    """Seconds that a step takes for one unit. Raises `ModelError` where no group can be rendered."""
    seconds, count, why = 0.0, 0, ""
    for group in some:
        try:
            seconds += step_seconds(renderer.model, group, method, renderer.bank)
            count += len(group)
        except ModelError as error:
            why = str(error)
    if not count:
        raise ModelError(why)
    return seconds / count
