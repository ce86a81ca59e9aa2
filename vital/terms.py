"""The one idea: a Term looks at a Trace and returns one loss per image; lower is better, always.

Objectives and regularizing penalties are both Terms. They add, subtract and scale (`a - 2 * b`, `a / 2`, `-a`,
`sum([a, b])`), never change, and print as the expression that makes them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from typing import ClassVar, Literal

from torch import Tensor

from vital.errors import InvalidValueError, UnknownNameError
from vital.tracing import Trace
from vital.types import PerImage
from vital.units import Unit
from vital.utils.parts import check_part_class, checked_loss, named
from vital.utils.public import public
from vital.utils.registry import Registry

GRADIENT = "gradient"
"""The rule that is none: gradient × activation, for networks through which relevance cannot be followed."""


@dataclass(frozen=True)
class RelevanceRequest:
    """A request: how much the activations of `layers` take part in what `unit` responds to, by a rule and from a start.

    What comes stands in `Trace.relevance`; it is a constant for the gradient. See `vital.attribution`. The rule
    `GRADIENT` needs no recorded pass.
    """

    unit: Unit
    layers: tuple[str, ...]
    rule: str = "zplus"
    start: str = "waking"

    @property
    def recorded(self) -> bool:
        """Whether the pass has to be recorded."""
        return self.rule != GRADIENT


@public
class Term(ABC):
    """A loss per image.

    A concrete term is a frozen dataclass with `repr=False`, so that it prints as the call that makes it. `layers`
    names what it wants to see; `couples` says that an image's loss depends on the other images of its unit; `detached`
    says what the gradient treats as a constant although it changes with the image, where a term does so.
    """

    couples: ClassVar[bool] = False
    detached: ClassVar[str] = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose activations the term reads."""
        return ()

    @property
    def relevance_request(self) -> RelevanceRequest | None:
        """Whose relevance the term reads, and where; None for a term that reads activations alone."""
        return None

    @abstractmethod
    def __call__(self, trace: Trace) -> PerImage:
        """The loss of each image in the trace, shape (B,)."""

    def __add__(self, other: Term) -> Sum:
        if not isinstance(other, Term):
            return NotImplemented
        return Sum(_parts(self) + _parts(other))

    def __radd__(self, other: Literal[0]) -> Term:
        """0 + term is the term, so that `sum` adds terms up."""
        return self if _is_number(other) and other == 0 else NotImplemented

    def __neg__(self) -> Sum:
        return self * -1

    def __sub__(self, other: Term) -> Sum:
        return self + -other if isinstance(other, Term) else NotImplemented

    def __mul__(self, factor: float) -> Sum:
        if not _is_number(factor):
            return NotImplemented
        return _weighted((float(factor) * weight, term) for weight, term in _parts(self))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Sum:
        if not _is_number(divisor):
            return NotImplemented
        if divisor == 0 or not math.isfinite(divisor):
            raise InvalidValueError(
                f"a term cannot be divided by {divisor}; allowed are finite numbers other than 0"
            )
        return _weighted((weight / float(divisor), term) for weight, term in _parts(self))

    def __repr__(self) -> str:
        shown = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            required = field.default is MISSING and field.default_factory is MISSING
            default = field.default if field.default_factory is MISSING else field.default_factory()
            if field.repr and (required or value != default):
                shown.append(repr(value) if required else f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class Sum(Term):
    """A weighted sum of terms; adding, subtracting and scaling terms makes one.

    >>> from vital import regularizers as reg
    >>> reg.L2() - reg.L1() / 2
    L2() - 0.5 * L1()
    """

    parts: tuple[tuple[float, Term], ...] = ()

    @property
    def couples(self) -> bool:  # type: ignore[override]
        """Whether any part couples images."""
        return any(term.couples for _, term in self.parts)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all parts, each once."""
        return tuple(dict.fromkeys(layer for _, term in self.parts for layer in term.layers))

    @property
    def relevance_request(self) -> RelevanceRequest | None:
        """The request of the parts. Raises `InvalidValueError` where two parts ask for different relevance."""
        requests = list(
            dict.fromkeys(term.relevance_request for _, term in self.parts if term.relevance_request)
        )
        if len(requests) > 1:
            raise InvalidValueError(
                f"two terms ask for different relevance: {requests[0]} and {requests[1]}; one is allowed"
            )
        return requests[0] if requests else None

    def __call__(self, trace: Trace) -> PerImage:
        """The weighted sum of the parts, (B,)."""
        total = trace.seen.new_zeros(len(trace))
        for loss in self.losses(trace).values():
            total = total + loss
        return total

    def losses(self, trace: Trace) -> dict[str, PerImage]:
        """The weighted loss of each part under its own name."""
        return {
            name: weight * _loss(term, trace)
            for (weight, term), name in zip(self.parts, self.names(), strict=True)
        }

    def names(self) -> Iterator[str]:
        """The parts' class names, numbered where one stands twice."""
        seen: dict[str, int] = {}
        for _, term in self.parts:
            name = type(term).__name__
            seen[name] = seen.get(name, 0) + 1
            yield name if seen[name] == 1 else f"{name} {seen[name]}"

    def __repr__(self) -> str:
        if not self.parts:
            return "Sum()"
        text = "".join(
            f" {'-' if weight < 0 else '+'} {_scaled(abs(weight), term)}" for weight, term in self.parts
        )
        return ("-" if text.startswith(" -") else "") + text[3:]


def _loss(term: Term, trace: Trace) -> PerImage:
    """What a term makes of a trace, held against what it has to be."""
    try:
        loss = term(trace)
    except UnknownNameError as error:
        raise UnknownNameError(f"the term {named(term)}: {error}") from error
    return checked_loss(term, loss, len(trace))


def _scaled(weight: float, term: Term) -> str:
    number = f"{weight:g}" if float(f"{weight:g}") == weight else repr(weight)
    return repr(term) if weight == 1 else f"{number} * {term!r}"


def _is_number(x: object) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _weighted(parts: Iterable[tuple[float, Term]]) -> Sum:
    """The sum, whose weights have to be finite."""
    made = Sum(tuple(parts))
    if wrong := [weight for weight, _ in made.parts if not math.isfinite(weight)]:
        raise InvalidValueError(f"a term cannot be weighted with {wrong[0]}; allowed are finite numbers")
    return made


def _parts(term: Term) -> tuple[tuple[float, Term], ...]:
    return term.parts if isinstance(term, Sum) else ((1.0, term),)


def as_sum(term: Term) -> Sum:
    """The term as a weighted sum, so that every part has a name."""
    return Sum(_parts(term))


def per_image_mean(x: Tensor) -> PerImage:
    """The mean over all axes but the first."""
    return x.flatten(1).mean(1)


OBJECTIVES: Registry[type[Term]] = Registry(
    "objective", group="vital.objectives", package="vital.objectives", kind=Term, check=check_part_class
)
REGULARIZERS: Registry[type[Term]] = Registry(
    "regularizer", group="vital.regularizers", package="vital.regularizers", kind=Term, check=check_part_class
)
