"""Measures of pictures, the table of them, and how their numbers are read: which way is good, and what ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from vital.comparing.context import EvalContext
from vital.comparing.records import Score, Shown
from vital.errors import unknown
from vital.utils.registry import Registry

Better = Literal["higher", "lower", "one", "zero"]
"""Which values of a metric are good: high ones, low ones, those near 1, or those near 0."""

Scores = Callable[[EvalContext, Shown], Iterable[Score]]

SIGNS: dict[Better, str] = {"higher": "↑", "lower": "↓", "one": "→1", "zero": "→0"}
PART = " · "
"""In the name of a metric, between it and the part of it that is told: "distance (held out) · layer3"."""


@dataclass(frozen=True)
class Measure:
    """A measure of pictures: its scores, and the parts of the context that it reads (`vital.comparing.score_cache`).

    By one that is not `ranked`, a table calls no method the best: its number is shown, and ranks nothing until it is
    on record that it agrees with blind reading (`vital.metrics.agreement`). A `natural` one says how near pictures are
    to natural images; where these themselves do worse than every method, it says nothing.
    """

    scores: Scores
    reads: tuple[str, ...]
    ranked: bool = True
    natural: bool = False


@dataclass(frozen=True)
class Way:
    """How a metric is read: which way is good, and the measure that it is of, "" for those that none is."""

    better: Better
    measure: str = ""


COSTS: dict[str, Better] = {
    "steps": "lower",
    "seconds": "lower",
    "CPU seconds": "lower",
    "peak MB": "lower",
}
_WAYS: dict[str, Way] = {
    **{name: Way(better) for name, better in COSTS.items()},
    "twins, used": Way("higher"),
    "twins, others": Way("lower"),
    "twins, faithful": Way("higher"),
}

MEASURES: Registry[Measure] = Registry("measure of pictures")


def measure(
    name: str, reads: str, *, ranked: bool = True, natural: bool = False, **better: Better
) -> Callable[[Scores], Scores]:
    """Return a decorator that files a measure, with the beginnings of its metrics' names and which way is good.

    `reads` names the parts of the context that it looks at; without `ranked` no method is called the best by it, and a
    `natural` one says how near pictures are to natural images. In the beginning of a name, `_` stands for a space and
    `*` for anything.
    """

    def add(item: Scores) -> Scores:
        MEASURES.register(name)(Measure(item, tuple(reads.split()), ranked, natural))
        _WAYS.update({begin.replace("_", " "): Way(way, name) for begin, way in better.items()})
        return item

    return add


def _way(metric: str) -> Way:
    """How a metric is read, by the longest beginning of its name that is known."""
    known = [begin for begin in _WAYS if fnmatchcase(metric, f"{begin}*")]
    if not known:
        raise unknown("metric", metric, _WAYS)
    return _WAYS[max(known, key=len)]


def better(metric: str) -> Better:
    """Which way is good for a metric, by the beginning of its name.

    >>> better("judge resnet20"), better("own rank"), better("contrast, of natural")
    ('higher', 'lower', 'one')
    """
    return _way(metric).better


def sign(metric: str) -> str:
    """An arrow to where a metric is good.

    >>> sign("judge resnet20"), sign("contrast, of natural")
    ('↑', '→1')
    """
    return SIGNS[better(metric)]


def ranked(metric: str) -> bool:
    """Whether a table may call a method the best by this metric.

    >>> ranked("judge resnet20"), ranked("judge resnet20, squinting")
    (True, False)
    """
    name = _way(metric).measure
    return not name or MEASURES[name].ranked


def of_naturalness(metric: str) -> bool:
    """Whether a metric says how near pictures are to natural images.

    >>> of_naturalness("path similarity"), of_naturalness("percentile"), of_naturalness("seconds")
    (True, False, False)
    """
    name = _way(metric).measure
    return bool(name) and MEASURES[name].natural


def loss(metric: str, value: float) -> float:
    """How far a value is from good, lower is better: what methods are compared by.

    >>> loss("contrast, of natural", 1.5), loss("spectral slope, off natural", -0.2), loss("percentile", 99.0)
    (0.5, 0.2, -99.0)
    """
    way = better(metric)
    return {"higher": -value, "lower": value, "one": abs(value - 1), "zero": abs(value)}[way]
