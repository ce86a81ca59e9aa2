"""What a part gives, held against what it has to give: one sentence that names the part where it does not fit.

A part is a term, a transform, a parameterization, a method or a describer. Shapes are looked at in every step; what
has to wait for the device is looked at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import fields, is_dataclass
from inspect import get_annotations
from typing import Any, TypeVar

import torch
from torch import Tensor

from vital.errors import ForeignCodeError, InvalidValueError, first_line, said
from vital.types import Images, Parameterization, Parameters, PerImage, Transform
from vital.utils.foreign import foreign
from vital.utils.random import Random

T = TypeVar("T", Transform, Parameterization)
LONG = 80
FAR = 1.0
"""How far the mean of a first picture may lie outside [0, 1]: random starts go beyond it a little."""


def named(part: object) -> str:
    """The part as the text that makes it, or its class where that is long.

    >>> named(3), named("a" * 100)
    ('3', 'str')
    """
    try:
        text = repr(part)
    except Exception:  # noqa: BLE001  as of a number of thousands of digits
        return said(part)
    return text if len(text) <= LONG and "\n" not in text else type(part).__name__


def told(given: object) -> str:
    """What was given, in words.

    >>> told(torch.zeros(2, 3)), told(None), told(0.5)
    ('a tensor of shape (2, 3)', 'None', '0.5')
    """
    if isinstance(given, Tensor):
        kind = "" if given.is_floating_point() else f" and type {given.dtype}"
        return f"a tensor of shape {tuple(given.shape)}{kind}"
    return named(given)


def check_part_class(kind: type) -> None:
    """Raise `InvalidValueError` unless a class of parts is a frozen dataclass, so that it prints and never changes."""
    fields = [name for name, hint in get_annotations(kind).items() if "ClassVar" not in str(hint)]
    if not is_dataclass(kind) or (fields and "__dataclass_fields__" not in vars(kind)):
        raise InvalidValueError(
            f"the class {kind.__name__} is not a dataclass; write @dataclass(frozen=True) right above it"
        )
    if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise InvalidValueError(
            f"the dataclass {kind.__name__} is not frozen; write @dataclass(frozen=True) above it"
        )


def check_numbers_of(part: object) -> None:
    """Raise `InvalidValueError` where a number among the fields of a part is not finite."""
    for field in fields(part):  # type: ignore[arg-type]
        value = getattr(part, field.name, None)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidValueError(
                f"{field.name} of {type(part).__name__} is {value}; allowed are finite numbers"
            )


def check_layers(term: Any) -> None:
    """Raise `InvalidValueError` unless a term names its layers in a tuple."""
    layers = term.layers
    if not isinstance(layers, tuple | list) or not all(isinstance(layer, str) for layer in layers):
        raise InvalidValueError(
            f"the layers of the term {named(term)} are {layers!r}; allowed are tuples of names, such as ('layer4',)"
        )


def checked_loss(term: object, loss: object, count: int) -> PerImage:
    """The losses of a term. Raises `InvalidValueError` unless there is one for each of `count` images."""
    if isinstance(loss, Tensor) and loss.shape == (count,) and loss.is_floating_point():
        return loss
    hint = ""
    if isinstance(loss, Tensor) and loss.ndim == 0:
        hint = "; take the mean over all axes but the first, as in loss.flatten(1).mean(1)"
    elif isinstance(loss, Tensor) and loss.ndim > 1 and len(loss) == count:
        hint = "; take the mean over the other axes, as in loss.flatten(1).mean(1)"
    raise InvalidValueError(
        f"the term {named(term)} returned {told(loss)}; allowed is a float tensor of shape ({count},), "
        f"one loss for each image{hint}"
    )


def check_gradient(term: object, loss: Tensor, acts: Collection[Tensor]) -> None:
    """Raise `InvalidValueError` where a term loses the gradient that reached the activations, if it reads any."""
    if not loss.requires_grad and (not acts or any(act.requires_grad for act in acts)):
        raise InvalidValueError(
            f"no gradient passes through {named(term)}; let each loss depend on what it reads, by operations on "
            "float tensors alone"
        )


def transformed(transform: Transform, images: Images, random: Random) -> Images:
    """What a transform makes of images.

    Raises `InvalidValueError` unless it is as many images of as many channels, and where the transform takes `random`
    for a generator of torch.
    """
    try:
        with foreign(f"the transform {named(transform)} failed"):
            seen: object = transform(images, random)
    except ForeignCodeError as error:
        if not isinstance(error.__cause__, TypeError | AttributeError) or type(random).__name__ not in str(
            error
        ):
            raise
        raise InvalidValueError(
            f"the transform {named(transform)} cannot draw from its random numbers; they are no torch.Generator but a "
            "vital.transforms.Random with a row for each image, as in random.uniform(-1, 1, 3) of shape (B, 3): "
            f"{first_line(error.__cause__)}"
        ) from error.__cause__
    if isinstance(seen, Tensor) and seen.ndim == 4 and seen.shape[:2] == images.shape[:2]:
        if seen.is_floating_point() and (seen.requires_grad or not images.requires_grad):
            return seen
        fault = "images without gradient; use operations on float tensors alone"
    else:
        fault = f"{told(seen)}; allowed is {tuple(images.shape[:2])} with any height and width"
    raise InvalidValueError(f"the transform {named(transform)} returned {fault}")


def check_one_size(transform: object, made: Sequence[Images]) -> None:
    """Raise `InvalidValueError` where a transform made images of several sizes in one step."""
    sizes = list(dict.fromkeys(tuple(image.shape[2:]) for image in made))
    if len(sizes) > 1:
        raise InvalidValueError(
            f"the transform {named(transform)} made images of {sizes[0]} and of {sizes[1]} pixels in one step; sizes "
            "must not be random"
        )


def checked_at(part: T, kind: type[Any], progress: float) -> T:
    """The part after a share of the run. Raises `InvalidValueError` unless that is such a part too."""
    with foreign(f"at of {named(part)} failed"):
        later: object = part.at(progress)
    if isinstance(later, kind):
        return later  # type: ignore[no-any-return]
    raise InvalidValueError(
        f"at of {named(part)} returned {told(later)}; allowed is a {kind.__name__}, such as itself"
    )


def checked_start(parameterization: object, drawn: object) -> Parameters:
    """What a parameterization drew for a slot. Raises `InvalidValueError` unless it is a dict of tensors for one."""
    if isinstance(drawn, dict) and drawn and all(isinstance(t, Tensor) for t in drawn.values()):
        wrong = [(name, t) for name, t in drawn.items() if t.ndim == 0 or len(t) != 1]
        if not wrong:
            return drawn
        given = f"{told(wrong[0][1])} as {wrong[0][0]!r}"
    else:
        given = told(drawn)
    raise InvalidValueError(
        f"init of the parameterization {named(parameterization)} returned {given}; allowed is a dict of tensors with "
        "a first axis of length 1, that of the slot"
    )


def checked_images(parameterization: object, images: object, count: int, channels: int) -> Images:
    """What a parameterization decoded. Raises `InvalidValueError` unless it is so many images of so many channels."""
    fits = isinstance(images, Tensor) and images.ndim == 4 and tuple(images.shape[:2]) == (count, channels)
    if isinstance(images, Tensor) and fits and images.is_floating_point():
        return images
    raise InvalidValueError(
        f"decode of the parameterization {named(parameterization)} returned {told(images)}; allowed is a float tensor "
        f"of shape ({count}, {channels}, height, width), {count} images for a network of {channels} channels"
    )


@torch.no_grad()
def check_first_images(parameterization: object, images: Images) -> None:
    """Raise `InvalidValueError` where the pictures at the start are not finite, or far from [0, 1]."""
    mean = float(images.mean())
    if not -FAR <= mean <= 1 + FAR:
        raise InvalidValueError(
            f"the parameterization {named(parameterization)} starts from pictures with a mean of {mean:.3g}; "
            "allowed are finite values from 0 to 1; divide by 255, or take the sigmoid"
        )


def checked_list(what: str, part: object, given: Any, kind: type[Any], count: int) -> Sequence[Any]:
    """A list with one thing of a kind for each unit. Raises `InvalidValueError` for another."""
    if not isinstance(given, list | tuple):
        fault = told(given)
    elif wrong := [one for one in given if not isinstance(one, kind)]:
        fault = f"{told(wrong[0])} in a list"
    elif len(given) != count:
        fault = f"a list of {len(given)}"
    else:
        return given
    raise InvalidValueError(
        f"{what} {named(part)} gave {fault}; allowed is a list with one {kind.__name__} for each of {count} units"
    )
