"""Objectives for one unit: a neuron, a channel, a class output, and the way between two units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from vital.errors import InvalidValueError, UnitError
from vital.models.scores import surprisal
from vital.objectives._vectors import check_window, over_places
from vital.terms import OBJECTIVES, Batched, Term, per_slot, same
from vital.tracing import Trace
from vital.tracing.readout import kind_of
from vital.types import PerImage
from vital.units import Unit


def one_unit(given: str | Unit) -> Unit:
    """Read the unit of an objective; raises `UnitError` for what is not one unit, and for a direction.

    >>> str(one_unit("layer4:0162"))
    'layer4:162'
    """
    unit = Unit.parse(given)
    if unit.source:
        raise UnitError(f"{unit} is a direction, not a unit of its own; write Direction({str(unit)!r})")
    return unit


def keep(term: Term, name: str, unit: Unit) -> None:
    """Let a term hold a unit that was read, as `_name`, and its usual spelling, as `name`."""
    object.__setattr__(term, name, str(unit))
    object.__setattr__(term, f"_{name}", unit)


@dataclass(frozen=True, repr=False)
class OneUnit(Batched):
    """A term that reads one unit."""

    unit: str | Unit
    _unit: Unit = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        keep(self, "unit", one_unit(self.unit))

    @property
    def layers(self) -> tuple[str, ...]:
        """The unit's layer."""
        return (self._unit.layer,)

    @classmethod
    def alike(cls, terms: Sequence[Self]) -> bool:
        """Whether the units are read in the same way."""
        return len({kind_of(term._unit) for term in terms}) == 1  # noqa: SLF001


@OBJECTIVES.register("neuron", example="obj.Neuron('layer2:1@3,3')")
@dataclass(frozen=True, repr=False)
class Neuron(OneUnit):
    """Make one unit at one position as active as possible.

    Formula: −f_c(row, column)
    Source: Erhan et al., Visualizing Higher-Layer Features of a Deep Network, 2009; neuron, Lucid

    The position is the one in the unit's name (`layer4:162@3,3`), or the center of the map: of an even side,
    the place after the middle. `#patches` takes the center of the grid of patches. Units: the layer's
    own. A direction of a file is read there too, as its projection. Raises `UnitError` for `#all`, which has no
    center.

    >>> Neuron("layer4:162@3,3")
    Neuron('layer4:162@3,3')
    """

    def __post_init__(self) -> None:
        keep(self, "unit", Unit.parse(self.unit))
        if self._unit.tokens == "all":
            raise UnitError(
                f"{self.unit} names all tokens, a neuron is one; write #cls, #patches or use Channel"
            )

    @classmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """Minus the activation at the position, (B,)."""
        units = units_of(terms)
        places, act = trace.map(units), trace[units[0].layer]
        if places.shape[1] == 1:
            return -places[:, 0]
        height, width = act.shape[2:] if act.ndim == 4 else _grid(places.shape[1], *trace.seen.shape[2:])
        return -places[:, height // 2 * width + width // 2]


def _grid(patches: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the patches of an image, which has their grid's shape."""
    rows = max(1, round((patches * height / width) ** 0.5))
    return rows, patches // rows


@OBJECTIVES.register("channel", example="obj.Channel('layer2:1')")
@dataclass(frozen=True, repr=False)
class Channel(OneUnit):
    """Make one unit as active as possible all over the image.

    Formula: −mean_i f_{c,i}
    Source: channel, Lucid (Olah, Mordvintsev, Schubert, Feature Visualization, Distill 2017)

    The mean goes over the unit's places: the whole map, one position (`@row,column`), or the tokens that its
    name asks for (`#cls`, `#patches`, `#all`). Units: the layer's own. With a `window` of weights over the places,
    (H, W) of a map or (T,) of tokens, it is Σ_i w_i f_{c,i} / Σ_i |w_i|; one of another size than the map is resized
    to it. The weights of channels instead of places are a `Direction`.

    >>> 2 * Channel("layer4:162") + Channel("blocks.9.mlp:55#cls")
    2 * Channel('layer4:162') + Channel('blocks.9.mlp:55#cls')
    """

    window: Tensor | None = field(default=None, compare=False, repr=False)
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "digest", check_window(self.window, self._unit))

    @classmethod
    def alike(cls, terms: Sequence[Self]) -> bool:
        """Whether the units are read in the same way, all with a window or none."""
        return super().alike(terms) and len({term.window is None for term in terms}) == 1

    @classmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """Minus the mean activation, (B,)."""
        units = units_of(terms)
        if terms[0].window is None:
            return -trace.read(units)
        sides = trace[units[0].layer].shape[2:]
        return -over_places(trace.map(units), [term.window for term in terms], sides)


@OBJECTIVES.register("logit", example="obj.Logit('class:3')")
@dataclass(frozen=True, repr=False)
class Logit(OneUnit):
    """Make the network give the image to one class.

    Formula: −z_c, or with softmax=True −log softmax(z)_c; −log sigmoid(z_c) where the classes are independent
    Source: Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, 2014, who prefer the logit

    z is the network's output. The log-probability of a softmax also rises when the other classes fall. What it is
    goes by `Model.output`: of a regression, an embedding, and one output of which nothing is known it is −z_c too.
    `unit` is `class:INDEX` or `class:NAME`; anything else raises `UnitError`.

    >>> Logit("class:tabby", softmax=True)
    Logit('class:tabby', softmax=True)
    """

    softmax: bool = False

    def __post_init__(self) -> None:
        OneUnit.__post_init__(self)
        if not self._unit.is_class:
            raise UnitError(f"{self.unit} is not a class; write class:INDEX or class:NAME, or use Channel")

    @classmethod
    def alike(cls, terms: Sequence[Self]) -> bool:
        """Whether all are logits, or log-probabilities."""
        return super().alike(terms) and same(terms, "softmax")

    @classmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """Minus the logit or the log-probability, (B,)."""
        units = units_of(terms)
        if not terms[0].softmax:
            return -trace.read(units)
        return surprisal(trace.model, trace.map(units), trace.vectors(units))


@OBJECTIVES.register("reach", example="obj.Reach('layer2:1', 0.5)")
@dataclass(frozen=True, repr=False)
class Reach(OneUnit):
    """Bring one unit to a value that it has on natural images, and no further.

    Formula: max(0, 1 − mean_i f_{c,i} / v)²
    Source: this project; a one-sided form of activation matching, so that the term is silent once v is reached

    `unit` may be a direction of a file, whose value is its projection. `value`, v, is a natural value of the unit,
    such as that of its reference images, in the layer's own units. The term has no units, and is 1 for a silent unit.
    Raises `InvalidValueError` unless the value is a finite number above 0.

    >>> Reach("layer4:162", 0.8)
    Reach('layer4:162', 0.8)
    """

    value: float

    def __post_init__(self) -> None:
        keep(self, "unit", Unit.parse(self.unit))
        if not 0 < self.value < math.inf:
            raise InvalidValueError(f"the value to reach is {self.value}; allowed are finite numbers above 0")

    @classmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """The squared lack, (B,)."""
        natural = per_slot([term.value for term in terms], trace)
        return (1 - trace.read(units_of(terms)) / natural).clamp(min=0).square()


@OBJECTIVES.register("interpolate", example="obj.Interpolate('layer2:1', 'layer3:4')")
@dataclass(frozen=True, repr=False)
class Interpolate(Batched):
    """Go from one unit to another over the images of a slot.

    Formula: −(1 − t_i) · mean f_a − t_i · mean f_b, with t_i = i / (n − 1) for image i of n
    Source: channel_interpolate, Lucid

    The first image shows `start` alone, the last one `end` alone. It wants a parameterization with at least
    two images per slot, best one whose images share parts, and raises `InvalidValueError` otherwise.

    >>> Interpolate("layer4:1", "layer4:2").layers
    ('layer4',)
    """

    start: str | Unit
    end: str | Unit
    _start: Unit = field(init=False, compare=False, repr=False)
    _end: Unit = field(init=False, compare=False, repr=False)

    couples = True

    def __post_init__(self) -> None:
        keep(self, "start", one_unit(self.start))
        keep(self, "end", one_unit(self.end))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of both units, each once."""
        return tuple(dict.fromkeys((self._start.layer, self._end.layer)))

    @classmethod
    def alike(cls, terms: Sequence[Self]) -> bool:
        """Whether the units are read in the same way."""
        return len({(kind_of(t._start), kind_of(t._end)) for t in terms}) == 1  # noqa: SLF001

    @classmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """Minus the mixed activation, (B,)."""
        images = images_of(trace, terms[0], len(terms))
        way = per_slot([i / (images - 1) for _ in terms for i in range(images)], trace)
        starts, ends = [t._start for t in terms], [t._end for t in terms]  # noqa: SLF001
        return -torch.lerp(trace.read(starts), trace.read(ends), way)


def units_of(terms: Sequence[OneUnit]) -> list[Unit]:
    """The unit of each term."""
    return [term._unit for term in terms]  # noqa: SLF001


def images_of(trace: Trace, term: Term, slots: int = 1) -> int:
    """The number of pictures in a slot, each counted once; fewer than two raise `InvalidValueError`."""
    images = len(trace) // trace.n_transforms // slots
    if images < 2:
        raise InvalidValueError(
            f"{type(term).__name__} compares the images of a unit, but the parameterization makes {images}; "
            "give one with at least 2 images"
        )
    return images
