"""What a network returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vital.errors import ModelError, OutOfMemoryError, VitalError, first_line
from vital.models.model import Model
from vital.utils.memory import short_of_memory


def first_tensor(output: Any) -> Tensor | None:
    """Find the tensor in what a module returned: itself, or the first one in a tuple, list or mapping.

    >>> first_tensor({"out": (torch.zeros(2),)})
    tensor([0., 0.])
    """
    if isinstance(output, Tensor):
        return output
    values = (
        output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    )
    return next((t for v in values if (t := first_tensor(v)) is not None), None)


def answered(model: Model, given: Tensor) -> Tensor:
    """Run the network on what `Model.normalize` gave, and find the tensor in its answer; else raises `ModelError`.

    >>> answered(Model(nn.Identity()), torch.ones(1))
    tensor([1.])
    """
    with model.casting():
        found = first_tensor(model.module(model.as_input(given)))
    if found is None:
        raise ModelError(f"{model.name} returned no tensor")
    return found


def count_outputs(model: Model) -> int:
    """Count the network's outputs, that is, the channels that it returns for one grey image.

    Raises `ModelError` where it cannot run on an image of its own size.

    >>> count_outputs(Model(nn.Conv2d(3, 5, 1), size=(4, 4)))
    5
    """
    shape = (1, model.channels, *model.size)
    grey = torch.full(shape, 0.5, dtype=model.dtype, device=model.device)
    with eval_mode(model.module), torch.no_grad(), asked(model, f"run on an image of shape {shape[1:]}"):
        output = first_tensor(model.module(model.as_input(model.normalize(grey))))
    return output.shape[1] if output is not None and output.ndim > 1 else 0


@contextmanager
def asked(model: Model, what: str) -> Iterator[None]:
    """Turn whatever the network raises into a `ModelError` of one sentence: it cannot `what`, and why.

    Where memory does not suffice it is an `OutOfMemoryError`, which nobody takes for a fault of the network.

    >>> with asked(Model(nn.Identity(), "net"), "run on an image of shape (3, 8, 8)"):
    ...     raise TypeError("missing an argument")
    Traceback (most recent call last):
    ...
    vital.errors.ModelError: net cannot run on an image of shape (3, 8, 8): missing an argument
    """
    try:
        yield
    except VitalError:
        raise
    except Exception as error:  # a network may fail in any way
        if short_of_memory(error):
            why = f"{model.device} has too little memory; use a smaller batch or size, or another device"
            raise OutOfMemoryError(f"{model.name} cannot {what}: {why}") from error
        raise ModelError(f"{model.name} cannot {what}: {first_line(error)}") from error


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a network in eval mode; every part is back in its own mode afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for part, mode in modes:
            part.training = mode
