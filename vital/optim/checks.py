"""What `optimize` is given, held against what it takes: one sentence for each thing that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vital.errors import InvalidValueError, WeightsError
from vital.models import Model
from vital.optim.optimizer import Optimizer
from vital.terms import Sum, Term, as_sum
from vital.types import Parameterization, Transform
from vital.units import Unit
from vital.utils.options import FACTOR, check_seed, check_whole
from vital.utils.parts import check_layers, check_numbers_of, check_part_class

EXAMPLE = "vital.objectives.Channel('layer4:3')"


def as_terms(given: Any) -> list[Sum]:
    """One term or several, as sums; raises `InvalidValueError` with what to give instead of a unit or a function."""
    one = isinstance(given, Term | Unit | str) or callable(given) or not isinstance(given, Iterable)
    terms = [given] if one else list(given)
    for term in terms:
        if not isinstance(term, Term):
            raise InvalidValueError(f"the term is {_shown(term)}; {_instead(term)}")
    sums = [as_sum(term) for term in terms]
    for part in (part for term in sums for _, part in term.parts):
        check_part_class(type(part))
        check_numbers_of(part)
        check_layers(part)
    if not sums or not all(term.parts for term in sums):
        raise InvalidValueError("there is no term to optimize; give at least one")
    return sums


def _instead(given: Any) -> str:
    """What to give instead of something that is no term."""
    if isinstance(given, str | Unit):
        unit = Unit.parse(given)
        name = "Direction" if unit.source else "Logit" if unit.is_class else "Channel"
        return f"give vital.objectives.{name}({str(unit)!r}), or call vital.render, which takes units"
    if isinstance(given, type) and issubclass(given, Term):
        return f"it is a class; call it, as in {EXAMPLE}"
    if callable(given):
        return (
            "a function does not say which layers it reads; make a subclass of vital.Term, "
            "or give a function of Lucent's T to vital.objectives.FromLucent"
        )
    return f"give a vital.Term, such as {EXAMPLE}"


def as_transforms(given: Any) -> tuple[Transform, ...]:
    """One transform or several; raises `InvalidValueError` with what to give instead of a function."""
    one = isinstance(given, Transform) or callable(given) or not isinstance(given, Iterable)
    transforms = (given,) if one else tuple(given)
    for transform in transforms:
        if not isinstance(transform, Transform):
            hint = "give transforms, such as vital.transforms.Jitter(4)"
            if isinstance(transform, type):
                hint = "it is a class; call it first"
            elif callable(transform):
                hint = "wrap a function of an image as vital.transforms.Lambda(function)"
            raise InvalidValueError(f"{_shown(transform)} is not a transform of vital; {hint}")
        check_part_class(type(transform))
        check_numbers_of(transform)
    return transforms


def as_frames(given: Any, steps: int) -> frozenset[int]:
    """The steps at which to keep a picture."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidValueError(
            f"frames is {_shown(given)}; give the steps at which to keep a picture, such as [0, {steps}]"
        )
    frames = list(given)
    for step in frames:
        check_whole("a step in frames", step, 0)
        if step > steps:
            raise InvalidValueError(
                f"a step in frames is {step}; allowed are whole numbers from 0 to {steps}"
            )
    return frozenset(frames)


def as_keys(given: Sequence[str] | None, count: int) -> Sequence[str]:
    """A key for each of `count` terms, by default their numbers."""
    if isinstance(given, str):
        raise InvalidValueError(f"keys is {given!r}; give a list with one key for each term")
    keys = [str(i) for i in range(count)] if given is None else given
    if len(keys) != count:
        raise InvalidValueError(f"there are {len(keys)} keys for {count} terms; give one each")
    return keys


def as_seeds(given: Any, count: int) -> list[int]:
    """A seed for each of `count` terms: the one for all, or one each."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [check_seed(given)] * count
    if len(given) != count:
        raise InvalidValueError(
            f"there are {len(given)} seeds for {count} terms; give one for all, or one each"
        )
    return [check_seed(seed, "a seed") for seed in given]


def check_parts(model: Any, parameterization: Any, optimizer: Any) -> None:
    """Raise `InvalidValueError` unless each is of its kind."""
    for what, given, kind, hint in (
        ("network", model, Model, "give vital.Model(network, size=...), or what vital.load_model returns"),
        (
            "parameterization",
            parameterization,
            Parameterization,
            "give one, such as vital.params.Fourier(224)",
        ),
        ("optimizer", optimizer, Optimizer | None, "give one, such as vital.Optimizer(lr=0.05)"),
    ):
        if not isinstance(given, kind):
            raise InvalidValueError(f"the {what} is {_shown(given)}; {hint}")
    check_part_class(type(parameterization))
    check_numbers_of(parameterization)


def check_numbers(steps: Any, n_transforms: Any, redirect: Any) -> None:
    """Raise `InvalidValueError` unless they are whole numbers and large enough."""
    check_whole("steps", steps, 1)
    check_whole("n_transforms", n_transforms, 1, FACTOR)
    check_whole("redirect", redirect, 0)


def check_weights(model: Model) -> None:
    """Raise `WeightsError` unless all weights are finite; an attention mask is a buffer and may hold infinities."""
    buffers = dict(model.module.named_buffers())
    for name, weights in [*model.module.named_parameters(), *buffers.items()]:
        if bad := int((weights.isnan() if name in buffers else ~weights.isfinite()).sum()):
            raise WeightsError(
                f"{model.name}: {bad} of the {weights.numel()} weights in {name!r} are not finite"
            )


def _shown(given: Any) -> str:
    """What was given, or its type where its text is long."""
    text = repr(given)
    return text if len(text) <= 60 and "\n" not in text else f"something of the type {type(given).__name__}"
