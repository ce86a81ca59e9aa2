"""Passes in which every call of every part of a network is noted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from vital.models import Model
from vital.models.outputs import (
    asked,
    eval_mode,
    first_tensor,
    grey_image,
    output_of,
    tensors_of,
    warn_of_others,
)
from vital.utils.foreign import RAISED
from vital.utils.memory import short_of_memory

SAMPLED = 4096
"""How many numbers of a tensor are kept, to tell whether another one is the same."""

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Numbers:
    """The shape and type of a tensor, and some of the numbers that belong to its first image.

    `first` has them should the images lie along axis 0, and along axis 1; None where they cannot.
    """

    shape: Shape
    kind: torch.dtype
    first: tuple[Tensor | None, Tensor | None]

    @classmethod
    def of(cls, tensor: Tensor | None, images: int) -> Numbers | None:
        """Those of a tensor in a pass over so many images."""
        if tensor is None:
            return None
        return cls(tuple(tensor.shape), tensor.dtype, (_first(tensor, 0, images), _first(tensor, 1, images)))


def _first(tensor: Tensor, axis: int, images: int) -> Tensor | None:
    """Numbers of the first image, evenly spread; windows of an image stand in rows of their own."""
    if tensor.ndim <= axis or not tensor.numel() or tensor.shape[axis] % images:
        return None
    flat = tensor.detach().narrow(axis, 0, tensor.shape[axis] // images).reshape(-1)
    some = flat[:: max(1, len(flat) // SAMPLED)]
    return (some.abs() if some.is_complex() else some).float()


@dataclass(frozen=True, eq=False)
class Call:
    """One tensor that one call of a part returned, None where it returned none, and the tensors that it was given.

    Of several that came back the first has the name of the part, the others also a key, `part[key]`. `drew` says
    whether random numbers were drawn in the call, where that was asked for.
    """

    part: str
    given: tuple[Numbers | None, ...]
    made: Numbers | None
    key: str = ""
    first: bool = True
    drew: bool = False

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.part if self.first else f"{self.part}[{self.key}]"

    @property
    def shape(self) -> Shape | None:
        """The shape of what was returned."""
        return None if self.made is None else self.made.shape


Answer: TypeAlias = Callable[[Any], Tensor | None]
"""What finds the tensor in what the network returned."""


def calls(module: nn.Module, given: Tensor) -> list[tuple[str, Shape | None]]:
    """Run a network in eval mode and list its parts as they finish: each call's name and the shape it returned.

    The shape is None where no tensor came back; the network itself comes last, under the empty name.

    >>> calls(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.zeros(2, 3))
    [('0', (2, 4)), ('1', (2, 4)), ('', (2, 4))]
    """
    return [(call.name, call.shape) for call in _calls(module, given, []) if call.first]


def record(model: Model, images: Tensor) -> list[Call]:
    """The calls of a pass over images in [0, 1]; raises `ModelError` for a network that does not run."""
    with asked(model, f"run on an image of shape {tuple(images.shape[1:])}"):
        returned: list[Any] = []

        def answer(output: Any) -> Tensor | None:
            returned.append(output)
            return output_of(model, output, len(images))

        found = _calls(model.module, model.as_input(model.normalize(images)), [], answer)
        warn_of_others(model, returned[-1], len(images))
        return found


def record_some(
    model: Model, images: Tensor, *, draws: bool = False
) -> tuple[list[Call], BaseException | None]:
    """The calls of a pass as far as it comes, and what ended it before its end.

    With `draws` the calls say whether they drew random numbers.
    """
    found: list[Call] = []
    try:
        _calls(
            model.module,
            model.as_input(model.normalize(images)),
            found,
            partial(output_of, model, images=len(images)),
            draws=draws,
        )
    except RAISED as error:  # a network may fail in any way
        if short_of_memory(error):
            return [], error
        return found, error
    return found, None


def _calls(
    module: nn.Module, given: Tensor, found: list[Call], answer: Answer = first_tensor, draws: bool = False
) -> list[Call]:
    state = random_state if draws else lambda: None
    waiting: list[tuple[tuple[Numbers | None, ...], object]] = []
    images = len(given)

    def before(part: nn.Module, inputs: Any, named: Any) -> None:
        del part
        tensors = tensors_of((inputs, named)).values()
        waiting.append((tuple(Numbers.of(tensor, images) for tensor in tensors), state()))

    def after(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(part: nn.Module, inputs: Any, output: Any) -> None:
            del part, inputs
            shown, earlier = waiting.pop()
            drew = earlier != state()
            tensors = (tensors_of(output) if name else {"": answer(output)}) or {"": None}
            for i, (key, tensor) in enumerate(tensors.items()):
                found.append(Call(name, shown, Numbers.of(tensor, images), key, not i, drew))

        return note

    with ExitStack() as stack:
        stack.enter_context(borrowed(module))
        stack.enter_context(torch.no_grad())
        for name, part in module.named_modules():
            if isinstance(part, torch.jit.ScriptModule):  # takes no hooks
                continue
            stack.callback(part.register_forward_pre_hook(before, with_kwargs=True).remove)
            stack.callback(part.register_forward_hook(after(name)).remove)
        output = module(given)
    if isinstance(module, torch.jit.ScriptModule):
        found.append(Call("", (Numbers.of(given, images),), Numbers.of(answer(output), images)))
    return found


def random_state() -> object:
    """What changes when a random number is drawn, be it of torch, of Python or of numpy."""
    return (
        *(one.get_state().numpy().tobytes() for one in _generators()),
        random.getstate(),
        _numpy_position(),
    )


def _generators() -> list[torch.Generator]:
    """Those of torch that networks draw from; of CUDA there are none before it is in use."""
    return [torch.default_generator, *torch.cuda.default_generators]


def _numpy_position() -> int:
    """How many of its numbers numpy has drawn, of the generator that networks draw from."""
    state: Any = np.random.get_state()  # noqa: NPY002
    return int(state[2])


@contextmanager
def unseen() -> Iterator[None]:
    """Draw random numbers from seeds of our own, and leave all as it was."""
    own, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(range(len(torch.cuda.default_generators))):
            for one in _generators():
                one.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        random.setstate(own)
        np.random.set_state(arrays)  # noqa: NPY002


def passes_gradient(model: Model) -> bool:
    """Whether a gradient comes from any part of the network to the image, be it not from the last one.

    >>> passes_gradient(Model(nn.Sequential(nn.ReLU()), size=(4, 4)))
    True
    """
    found: list[bool] = []

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        del module, inputs
        tensor = first_tensor(output)
        found.append(tensor is not None and tensor.requires_grad)

    grey = grey_image(model).requires_grad_()
    with ExitStack() as stack:
        stack.enter_context(borrowed(model.module))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(asked(model, f"run on an image of shape {tuple(grey.shape[1:])}"))
        for part in model.module.modules():
            stack.callback(part.register_forward_hook(hook).remove)
        with model.casting():
            model.module(model.as_input(model.normalize(grey)))
    return any(found)


class _Straight:
    """What stands for reentrant checkpoints, which run without gradients and would hide layers from the hooks."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *given: Any) -> Any:
        """Run the function."""
        del preserve
        return function(*given)


@contextmanager
def borrowed(module: nn.Module) -> Iterator[None]:
    """The module in eval mode, without gradients for its weights or checkpoints; all as before afterwards."""
    flags = [(p, p.requires_grad) for p in module.parameters()]
    before = checkpoint.CheckpointFunction
    try:
        checkpoint.CheckpointFunction = _Straight  # type: ignore[assignment,misc]
        with eval_mode(module):
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            yield
    finally:
        checkpoint.CheckpointFunction = before  # type: ignore[misc]
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
