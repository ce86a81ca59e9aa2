"""Objectives for one unit: a neuron, a channel, a class output, and the way between two units."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vital.errors import InvalidValueError, UnitError
from vital.terms import OBJECTIVES, Term
from vital.tracing import Trace
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
class OneUnit(Term):
    """A term that reads one unit."""

    unit: str | Unit
    _unit: Unit = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        keep(self, "unit", one_unit(self.unit))

    @property
    def layers(self) -> tuple[str, ...]:
        """The unit's layer."""
        return (self._unit.layer,)


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

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the activation at the position, (B,)."""
        places, act = trace.map(self._unit), trace[self._unit.layer]
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
    name asks for (`#cls`, `#patches`, `#all`). Units: the layer's own.

    >>> 2 * Channel("layer4:162") + Channel("blocks.9.mlp:55#cls")
    2 * Channel('layer4:162') + Channel('blocks.9.mlp:55#cls')
    """

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the mean activation, (B,)."""
        return -trace.read(self._unit)


@OBJECTIVES.register("logit", example="obj.Logit('class:3')")
@dataclass(frozen=True, repr=False)
class Logit(OneUnit):
    """Make the network give the image to one class.

    Formula: −z_c, or with softmax=True −log softmax(z)_c
    Source: Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, 2014, who prefer the logit

    z is the network's output. The log-probability also rises when the other classes fall. `unit` is
    `class:INDEX` or `class:NAME`; anything else raises `UnitError`.

    >>> Logit("class:tabby", softmax=True)
    Logit('class:tabby', softmax=True)
    """

    softmax: bool = False

    def __post_init__(self) -> None:
        OneUnit.__post_init__(self)
        if not self._unit.is_class:
            raise UnitError(f"{self.unit} is not a class; write class:INDEX or class:NAME, or use Channel")

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the logit or the log-probability, (B,)."""
        if not self.softmax:
            return -trace.read(self._unit)
        return (torch.logsumexp(trace.vectors(self._unit), 1) - trace.map(self._unit)).mean(1)


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

    def __call__(self, trace: Trace) -> PerImage:
        """The squared lack, (B,)."""
        return (1 - trace.read(self._unit) / self.value).clamp(min=0).square()


@OBJECTIVES.register("interpolate", example="obj.Interpolate('layer2:1', 'layer3:4')")
@dataclass(frozen=True, repr=False)
class Interpolate(Term):
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

    def __call__(self, trace: Trace) -> PerImage:
        """Minus the mixed activation, (B,)."""
        way = self._way(trace, images_of(trace, self))
        return -torch.lerp(trace.read(self._start), trace.read(self._end), way)

    @staticmethod
    def _way(trace: Trace, images: int) -> Tensor:
        way = torch.linspace(0, 1, images, dtype=trace.seen.dtype, device=trace.seen.device)
        return way.repeat_interleave(trace.n_transforms)


def images_of(trace: Trace, term: Term) -> int:
    """The number of pictures in a slot, each counted once; fewer than two raise `InvalidValueError`."""
    images = len(trace) // trace.n_transforms
    if images < 2:
        raise InvalidValueError(
            f"{type(term).__name__} compares the images of a unit, but the parameterization makes {images}; "
            "give one with at least 2 images"
        )
    return images
