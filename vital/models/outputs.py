"""What a network returns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vital.errors import InvalidValueError, ModelError, OutOfMemoryError, VitalError, unknown
from vital.models.model import Model
from vital.models.modules import built_for
from vital.utils.foreign import RAISED, described
from vital.utils.memory import short_of_memory

SMALL = 16
"""A side of images that many networks cannot halve often enough."""
NO_TENSOR = (
    "no tensor with a row for each image; name a layer before it, or wrap the network in a module whose forward "
    "returns one, such as the scores of its head"
)


def first_tensor(output: Any) -> Tensor | None:
    """Find the tensor in what a module returned: itself, or the first one in a tuple, list, mapping or dataclass.

    >>> first_tensor({"out": (torch.zeros(2),)})
    tensor([0., 0.])
    """
    return next(iter(tensors_of(output).values()), None)


def tensors_of(output: Any, name: str = "") -> dict[str, Tensor]:
    """Every tensor in what a module returned, by the keys, numbers and fields that lead to it.

    >>> list(tensors_of({"out": torch.zeros(2), "maps": [torch.zeros(3), None, torch.zeros(4)]}))
    ['out', 'maps.0', 'maps.2']
    """
    if isinstance(output, Tensor):
        return {name: output}
    inside: Mapping[Any, Any] = {}
    if isinstance(output, Mapping):
        inside = output
    elif isinstance(output, list | tuple):
        inside = dict(zip(getattr(output, "_fields", range(len(output))), output, strict=True))
    elif is_dataclass(output) and not isinstance(output, type):
        inside = {field.name: getattr(output, field.name) for field in fields(output)}
    found: dict[str, Tensor] = {}
    for key, value in inside.items():
        found |= tensors_of(value, f"{name}.{key}" if name else str(key))
    return found


def output_of(model: Model, output: Any, images: int = 1) -> Tensor | None:
    """The tensor of the layer `class` in what the network returned: that of `Model.head`, else the first with scores.

    That is the first floating one with an axis beside that of the images, which one number for each of `images` gets.
    A list with a table for each image, as detectors return, has none.
    Raises `UnknownNameError` for a head that is not there, and `InvalidValueError` where there is one tensor alone.

    >>> output_of(Model(nn.Identity(), head="logits"), {"embedding": torch.zeros(1, 2), "logits": torch.ones(1, 3)})
    tensor([[1., 1., 1.]])
    """
    found = tensors_of(output)
    if model.head is None and _by_image(output, images):
        return None
    if model.head is None:
        chosen = next(iter((_scores(found) or found).values()), None)
        return chosen.unsqueeze(1) if chosen is not None and chosen.shape == (images,) else chosen
    if str(model.head) in found:
        return found[str(model.head)]
    try:
        return list(found.values())[int(model.head)]
    except (ValueError, IndexError):
        if [*found] == [""]:
            raise InvalidValueError(
                f"{model.name} returns one tensor, and head is {str(model.head)!r}; leave head out (--head)"
            ) from None
        raise unknown(f"output of {model.name}", str(model.head), list(found)) from None


def warn_of_others(model: Model, output: Any, images: int = 1) -> None:
    """Warn where a network returned several tensors that the layer `class` could mean, and nobody said which."""
    found = _scores(tensors_of(output))
    if model.head is None and len(found) > 1 and not _by_image(output, images):
        shown = ", ".join(f"{name} {tuple(tensor.shape[1:])}" for name, tensor in found.items())
        warnings.warn(
            f"{model.name} returns {len(found)} tensors ({shown}); class is the first, {next(iter(found))}. "
            f"To choose another say head, such as load_model(..., head={list(found)[1]!r}) or --head {list(found)[1]}",
            stacklevel=2,
        )


def _by_image(output: Any, images: int) -> bool:
    """Whether this is a list with a table for each image, such as its boxes and their scores."""
    return (
        isinstance(output, list | tuple)
        and len(output) == images
        and all(isinstance(part, Mapping) for part in output)
    )


def _scores(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those among tensors that can hold scores of images."""
    return {name: t for name, t in tensors.items() if t.ndim > 1 and t.is_floating_point()}


def answered(model: Model, given: Tensor, what: str | None = None) -> Tensor:
    """Run the network on what `Model.normalize` gave, and find the tensor in its answer.

    Raises `ModelError` where it cannot, which says that it cannot `what`: by default, run on this input.

    >>> answered(Model(nn.Identity()), torch.ones(1))
    tensor([[1.]])
    """
    with model.casting(), asked(model, what or f"run on an input of shape {tuple(given.shape)}"):
        found = output_of(model, model.module(model.as_input(given)), len(given))
    if found is None:
        raise ModelError(f"{model.name} returned {NO_TENSOR}")
    return found


def count_outputs(model: Model) -> int:
    """Count the network's outputs, that is, the channels that it returns for one grey image.

    Raises `ModelError` where it cannot run on an image of its own size.

    >>> count_outputs(Model(nn.Conv2d(3, 5, 1), size=(4, 4)))
    5
    """
    return _count(output_of(model, answer_to_grey(model)))


def fitting_heads(model: Model) -> list[str]:
    """The names of the tensors that have as many outputs as there are class names, in a network that returns several.

    >>> net = nn.Sequential(nn.Conv2d(3, 2, 1))
    >>> fitting_heads(Model(net, size=(4, 4), classes=("cat", "dog")))
    ['']
    """
    found = tensors_of(answer_to_grey(model))
    return [name for name, tensor in _scores(found).items() if _count(tensor) == len(model.classes)]


def grey_image(model: Model) -> Tensor:
    """One grey image of the network's own size, (1, C, H, W).

    >>> grey_image(Model(nn.Identity(), size=(1, 2), channels=1)).tolist()
    [[[[0.5, 0.5]]]]
    """
    return torch.full((1, model.channels, *model.size), 0.5, dtype=model.image_dtype, device=model.device)


def answer_to_grey(model: Model) -> Any:
    """What the network returns for one grey image of its own size; `ModelError` where it cannot run."""
    grey = grey_image(model)
    run = asked(model, f"run on an image of shape {tuple(grey.shape[1:])}")
    with eval_mode(model.module), torch.no_grad(), run:
        return model.module(model.as_input(model.normalize(grey)))


def _count(output: Tensor | None) -> int:
    return output.shape[1] if output is not None and output.ndim > 1 else 0


@contextmanager
def asked(model: Model, what: str, size: Sequence[int] = ()) -> Iterator[None]:
    """Turn whatever the network raises into a `ModelError` of one sentence: it cannot `what`, and why.

    `size` is that of the images which it is shown, by default its own.
    Where memory does not suffice it is an `OutOfMemoryError`, which nobody takes for a fault of the network.

    >>> with asked(Model(nn.Identity(), "net"), "run on an image of shape (3, 8, 8)"):
    ...     raise TypeError("missing an argument")
    Traceback (most recent call last):
    ...
    vital.errors.ModelError: net cannot run on an image of shape (3, 8, 8): TypeError: missing an argument; mend it, \
or wrap it in a module that can
    """
    try:
        yield
    except VitalError:
        raise
    except RAISED as error:  # a network may fail in any way
        if short_of_memory(error):
            why = f"{model.device} has too little memory; use a smaller batch or size, or another device"
            raise OutOfMemoryError(f"{model.name} cannot {what}: {why}") from error
        why = f"{described(error)}; {_step(model, size or model.size)}"
        raise ModelError(f"{model.name} cannot {what}: {why}") from error


def _step(model: Model, size: Sequence[int]) -> str:
    """What to do where a network does not run on images of a size."""
    built, own = built_for(model.module), model.size
    if built and built != tuple(size):
        return f"it is built for {built[0]} x {built[1]}: say size={built} (--input-size {built[0]})"
    if size[0] < own[0] or size[1] < own[1]:
        return f"give pictures of {own[0]} x {own[1]}, its own size, or more, or say fit (--fit)"
    if min(size) < SMALL:
        return "give it larger images, by size (--input-size)"
    return "mend it, or wrap it in a module that can"


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a network in eval mode; every part is back in its own mode afterwards.

    What `torch.export` or `torch.jit.freeze` made has no mode but that in which it was made.
    """
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    try:
        with suppress(NotImplementedError, AttributeError):
            module.eval()
        yield
    finally:
        for part, mode in modes:
            part.training = mode
