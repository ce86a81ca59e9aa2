"""Modules as they come: compiled, of inference tensors, with tensors of an earlier run, or with several inputs."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from vital.errors import InvalidValueError, ModelError
from vital.utils.foreign import RAISED, described

_WRAP = "wrap it in a module whose forward takes the image alone and"


QUANTIZED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
"""Where the modules live that compute with whole numbers."""


def ready(given: object) -> nn.Module:
    """The module itself, or what can be watched and differentiated in its place.

    That is the original of a compiled module, wherever it stands, and a copy of one that was made in inference mode.
    Raises `InvalidValueError` for what is no module.

    >>> net = nn.Sequential(nn.ReLU())
    >>> ready(net) is ready(torch.compile(net)) is net
    True
    """
    if not isinstance(given, nn.Module):
        hint = "give a torch.nn.Module, or what vital.load_model returns"
        raise InvalidValueError(f"the network is of the type {type(given).__name__}; {hint}")
    module: nn.Module = given
    while isinstance(original := getattr(module, "_orig_mod", None), nn.Module):
        module = original
    _check_weights(module)
    compiled = {id(part): part._orig_mod for part in module.modules() if "_orig_mod" in part._modules}  # noqa: SLF001
    if compiled:
        shared = {id(t): t for t in (*module.parameters(), *module.buffers())}
        module = copied(module, shared | compiled)
    if any(t.is_inference() for t in (*module.parameters(), *module.buffers())):
        module = copied(module)
    return module


def _check_weights(module: nn.Module) -> None:
    """Raise `ModelError` for a module whose weights are still to come: lazy ones, and those on the device meta."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            hint = "run it once on a batch of images, or build it with the sizes that it is to have"
            raise ModelError(f"{type(module).__name__} has no weights yet: {name!r} is lazy; {hint}")
        if tensor.is_meta:
            hint = "load its weights, or build it on another device"
            raise ModelError(
                f"{type(module).__name__} has no weights: {name!r} is on the device meta; {hint}"
            )
    for name, part in module.named_modules():
        if type(part).__module__.startswith(QUANTIZED):
            raise ModelError(
                f"{type(module).__name__}: the module {name!r} is quantized, and no gradient passes through it; "
                "give the network that it was made of"
            )
    stranded = [(name, tensor) for name, tensor in module.named_buffers() if _layout(tensor)]
    for name, tensor in (*module.named_parameters(), *stranded):
        if why := _unusual(tensor):
            raise ModelError(
                f"{type(module).__name__}: the weights {name!r} are {why}, through which no gradient passes; "
                "give the network that it was made of, in floats of 16 bits or more"
            )


def _unusual(weights: Tensor) -> str:
    """What weights are that cannot be computed with as the floats of others are; empty for these.

    >>> _unusual(torch.zeros(2)), _unusual(torch.zeros(2, dtype=torch.cfloat))
    ('', 'complex64')
    """
    if weights.is_quantized:
        return "quantized"
    if layout := _layout(weights):
        return layout
    plain = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    return "" if weights.dtype in plain else str(weights.dtype).removeprefix("torch.")


def _layout(tensor: Tensor) -> str:
    """How a tensor lies in memory; empty for one that is a plain block of numbers.

    >>> _layout(torch.zeros(2)), _layout(torch.eye(2).to_sparse())
    ('', 'sparse coo')
    """
    if tensor.is_nested:
        return "nested"
    return (
        "" if tensor.layout == torch.strided else str(tensor.layout).removeprefix("torch.").replace("_", " ")
    )


def copied(module: nn.Module, kept: dict[int, Any] | None = None) -> nn.Module:
    """A copy that shares no tensors; those of an earlier run, which it keeps, lose their past.

    `kept` are objects by their ids, and what stands for them in the copy. Raises `ModelError` for a module that cannot
    be copied.
    """
    memo = dict(kept or {})
    with torch.inference_mode(mode=False):
        for part in module.modules():
            memo |= {id(t): t.detach().clone() for t in _tensors(vars(part)) if t.grad_fn is not None}
        try:
            return copy.deepcopy(module, memo)
        except RAISED as error:  # a module may hold anything
            raise ModelError(f"{type(module).__name__} cannot be copied: {described(error)}") from error


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def check_inputs(module: nn.Module, name: str) -> None:
    """Raise `ModelError` with what to write for a network that wants more than an image.

    >>> check_inputs(nn.Bilinear(2, 2, 2), "net")
    Traceback (most recent call last):
    ...
    vital.errors.ModelError: net takes 2 inputs (input1, input2); wrap it in a module whose forward takes the image \
alone and gives it the others
    """
    try:
        wanted = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # compiled code
        return
    places = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    names = [p.name for p in wanted if p.kind in places and p.default is inspect.Parameter.empty]
    if len(names) > 1:
        raise ModelError(
            f"{name} takes {len(names)} inputs ({', '.join(names)}); {_WRAP} gives it the others"
        )


def wrapping_hint(module: nn.Module) -> str:
    """How to wrap a network that reads something else than images; empty where its operations do not say so."""
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding)
    first = next((part for part in module.modules() if isinstance(part, kinds)), None)
    if isinstance(first, nn.Conv3d):
        return f"it reads volumes; {_WRAP} makes a volume of it, such as self.net(image[:, :, None])"
    if isinstance(first, nn.Conv1d):
        return f"it reads sequences; {_WRAP} makes a sequence of it, such as self.net(image.flatten(2))"
    if isinstance(first, nn.Embedding) and not any(isinstance(part, nn.Conv2d) for part in module.modules()):
        return f"it reads numbers of tokens; {_WRAP} makes its inputs of it"
    return ""


def built_for(module: Any) -> tuple[int, int] | None:
    """The size that a network of transformers, or a transformer of torchvision, says that it is built for.

    >>> built_for(nn.Identity()) is None
    True
    """
    own = getattr(module, "config", module)
    size = getattr(getattr(own, "vision_config", own), "image_size", None)
    pair = [size, size] if type(size) is int else size
    if not isinstance(pair, list | tuple) or [type(side) for side in pair] != [int, int] or min(pair) < 1:
        return None
    return pair[0], pair[1]
