"""The one idea: a Term looks at a Trace and returns one loss per image; lower is better, always.

Objectives and regularizing penalties are both Terms. They add, subtract and scale (`a - 2 * b`, `a / 2`, `-a`,
`sum([a, b])`), never change, and print as the expression that makes them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from typing import Any, ClassVar, Literal, Self, TypeVar

import torch
from torch import Tensor

from vital.errors import InvalidValueError, UnknownNameError
from vital.tracing import Trace
from vital.types import Images, PerImage
from vital.units import Unit
from vital.utils.devices import constants
from vital.utils.foreign import foreign
from vital.utils.parts import check_part_class, checked_loss, named
from vital.utils.public import public
from vital.utils.registry import Registry

T = TypeVar("T", bound="Term")

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
    says what the gradient treats as a constant although it changes with the image, where a term does so. `stack` may
    say how the terms of several units are computed in one go.
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

    @property
    def beside(self) -> Images | None:
        """An image to be seen beside the pictures, through the same transforms; its activations: `Trace.beside`."""
        return None

    @abstractmethod
    def __call__(self, trace: Trace) -> PerImage:
        """The loss of each image in the trace, shape (B,)."""

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term that stands for several of this kind and of the same layers, one for each unit of a batch.

        It sees the images of all units, in their order and as many of each, and gives what each term gives for its
        own. By default the terms take turns in a loop, so that a term of one's own need not think of it.
        """
        return Looped(tuple(terms))

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

    @property
    def beside(self) -> Images | None:
        """The image of the parts. Raises `InvalidValueError` where two parts ask for different ones."""
        images = [image for _, term in self.parts if (image := term.beside) is not None]
        if any(not _equal(image, images[0]) for image in images):
            raise InvalidValueError("two terms ask for different images beside the picture; one is allowed")
        return images[0] if images else None

    def __call__(self, trace: Trace) -> PerImage:
        """The weighted sum of the parts, (B,)."""
        total = trace.seen.new_zeros(len(trace))
        for loss in self.losses(trace).values():
            total = total + loss
        return total

    def losses(self, trace: Trace) -> dict[str, PerImage]:
        """The weighted loss of each part under its own name."""
        return {
            name: weight * loss_of(term, trace)
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


@dataclass(frozen=True, repr=False)
class Looped(Term):
    """Several terms that take turns: each sees the images of its own unit."""

    terms: tuple[Term, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the terms."""
        return self.terms[0].layers

    def __call__(self, trace: Trace) -> PerImage:
        """The losses of all, (B,)."""
        own = [trace.slot(i, len(self.terms)) for i in range(len(self.terms))]
        return torch.cat([loss_of(term, part) for term, part in zip(self.terms, own, strict=True)])

    def __repr__(self) -> str:
        return repr(self.terms[0])


class Batched(Term):
    """A term that computes the losses of several units in one go, where they are `alike`."""

    @classmethod
    @abstractmethod
    def losses_of(cls, terms: Sequence[Self], trace: Trace) -> PerImage:
        """The losses of images that the terms share evenly, in order: (B,)."""

    @classmethod
    def alike(cls, terms: Sequence[Self]) -> bool:
        """Whether terms that read the same layers can be computed in one go; by default all can."""
        del terms
        return True

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return one term for all of them; a loop where they are not alike."""
        return Stacked(tuple(terms)) if cls.alike(terms) else Looped(tuple(terms))

    def __call__(self, trace: Trace) -> PerImage:
        """The loss of each image in the trace, (B,)."""
        return self.losses_of((self,), trace)


class Imagewise(Term):
    """A term of which equal ones are one: it looks at each image alone, whichever unit that belongs to."""

    @classmethod
    def stack(cls, terms: Sequence[Self]) -> Term:
        """Return the first where all are equal; otherwise a loop."""
        return terms[0] if same(terms) else Looped(tuple(terms))


@dataclass(frozen=True, repr=False)
class Stacked(Term):
    """Several batched terms as one."""

    terms: tuple[Any, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of the terms."""
        return tuple(self.terms[0].layers)

    def __call__(self, trace: Trace) -> PerImage:
        """The losses of all, (B,)."""
        loss: PerImage = type(self.terms[0]).losses_of(self.terms, trace)
        return loss

    def __repr__(self) -> str:
        return repr(self.terms[0])


def stacked(terms: Sequence[Term]) -> Term:
    """One term for several of one kind that read the same layers; a loop where a subclass computes its own loss."""
    kind = type(terms[0])
    computes, stacks = (next(c for c in kind.__mro__ if name in vars(c)) for name in ("__call__", "stack"))
    promised = Imagewise in computes.__bases__ if stacks is Imagewise else issubclass(stacks, computes)
    return kind.stack(terms) if promised else Looped(tuple(terms))


def with_tensors(term: T, **tensors: Tensor) -> T:
    """The same term with other tensors, which no one else will see: their digests stay those of the first."""
    made = copy(term)
    for name, tensor in tensors.items():
        object.__setattr__(made, name, tensor)
    return made


def same(terms: Sequence[Term], *names: str) -> bool:
    """Whether terms of one kind have equal fields: those named, or all that make them. Tensors are held by content."""
    chosen = names or tuple(f.name for f in fields(terms[0]) if f.init)  # type: ignore[arg-type]
    return all(_equal(getattr(terms[0], n), getattr(term, n)) for term in terms[1:] for n in chosen)


def _equal(a: object, b: object) -> bool:
    if a is b:
        return True
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return isinstance(a, Tensor) and isinstance(b, Tensor) and a.device == b.device and torch.equal(a, b)
    return bool(a == b)


def per_slot(numbers: Sequence[float], trace: Trace) -> Tensor:
    """A number for each unit as one for each of its images, (B,), on the device of the trace."""
    each = len(trace) // len(numbers)
    return constants([number for number in numbers for _ in range(each)], trace.seen)


def loss_of(term: Term, trace: Trace) -> PerImage:
    """What a term makes of a trace, held against what it has to be."""
    try:
        with foreign(f"the term {named(term)} failed"):
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
