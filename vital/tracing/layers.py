"""How a network's layers are laid out, learned once from a pass over two images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from vital.errors import ModelError
from vital.models import Model
from vital.models.outputs import asked, eval_mode, first_tensor, output_of, warn_of_others
from vital.types import Layer
from vital.units import OUTPUT
from vital.utils.public import public

_SURVEYS: WeakKeyDictionary[Model, dict[str, Layer]] = WeakKeyDictionary()


@public
def list_layers(model: Model) -> dict[str, Layer]:
    """Every layer of the network by name, in the order in which it finishes, from one pass over two images.

    The network's output is the layer `"class"`. The answer is kept as long as the model lives.

    Parameters
    ----------
    model
        The network.

    Returns
    -------
    dict of Layer
        The layers by name, each with its kind, its shape and, where it cannot be used, its problem.

    Raises
    ------
    ModelError
        For a network that does not run.

    Examples
    --------
    >>> net = Model(nn.Sequential(nn.Conv2d(3, 4, 3)), size=(8, 8))
    >>> list(list_layers(net)), list_layers(net)["0"].shape
    (['0', 'class'], (4, 6, 6))

    """
    if model not in _SURVEYS:
        _SURVEYS[model] = _survey(model)
    return _SURVEYS[model]


def _survey(model: Model) -> dict[str, Layer]:
    calls = _record(model, model.size)
    prefix_hint = _prefix_hint(model.module)
    layers = {n: _layout(n, c, i, prefix_hint, model.size) for i, (n, c) in enumerate(calls.items())}
    if any(layer.channel_axis < 0 for layer in layers.values()):
        wider = _record_or_none(model, (model.size[0], 2 * model.size[1]))
        layers = {n: _settle(layer, calls[n], wider) for n, layer in layers.items()}
    return layers


def calls(
    module: nn.Module, given: Tensor, answer: Callable[[Any], Tensor | None] = first_tensor
) -> list[tuple[str, tuple[int, ...] | None]]:
    """Run a network in eval mode and list its parts as they finish: each call's name and the shape it returned.

    The shape is None where no tensor came back; the network itself comes last, under the empty name. `answer` finds
    the tensor in what it returned.

    >>> calls(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.zeros(2, 3))
    [('0', (2, 4)), ('1', (2, 4)), ('', (2, 4))]
    """
    found: list[tuple[str, tuple[int, ...] | None]] = []

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            tensor = first_tensor(output) if name else answer(output)
            found.append((name, None if tensor is None else tuple(tensor.shape)))

        return note

    with ExitStack() as stack:
        stack.enter_context(borrowed(module))
        stack.enter_context(torch.no_grad())
        for name, part in module.named_modules():
            stack.callback(part.register_forward_hook(hook(name)).remove)
        module(given)
    return found


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

    shape = (1, model.channels, *model.size)
    grey = torch.full(shape, 0.5, dtype=model.dtype, device=model.device, requires_grad=True)
    with ExitStack() as stack:
        stack.enter_context(borrowed(model.module))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(asked(model, f"run on an image of shape {shape[1:]}"))
        for part in model.module.modules():
            stack.callback(part.register_forward_hook(hook).remove)
        with model.casting():
            model.module(model.as_input(model.normalize(grey)))
    return any(found)


def _record(model: Model, size: tuple[int, int]) -> dict[str, list[tuple[int, ...] | None]]:
    """The output shapes of every call of every module, in the order of the last calls."""
    found: dict[str, list[tuple[int, ...] | None]] = {}
    images = torch.full((2, model.channels, *size), 0.5, dtype=model.dtype, device=model.device)

    returned: list[Any] = []

    def answer(output: Any) -> Tensor | None:
        returned.append(output)
        return output_of(model, output)

    with asked(model, f"run on an image of shape {(model.channels, *size)}"):
        made = calls(model.module, model.as_input(model.normalize(images)), answer)
    if size == model.size:
        warn_of_others(model, returned[-1])
    for called, shape in made:
        name = called or OUTPUT
        found[name] = [*found.pop(name, []), shape]
    return found


def _record_or_none(model: Model, size: tuple[int, int]) -> dict[str, list[tuple[int, ...] | None]] | None:
    try:
        return _record(model, size)
    except ModelError:
        return None


def _layout(
    name: str, calls: list[tuple[int, ...] | None], order: int, prefix_hint: int | None, size: tuple[int, int]
) -> Layer:
    """What one recorded shape says; a `channel_axis` of −1 means that it does not say enough."""
    shape = calls[-1]
    if shape is None or len(calls) > 1:
        runs = f"it runs {len(calls)} times in one pass; name the block around it"
        return _unusable(name, order, runs if shape is not None else "it returns no tensor")
    match shape:
        case (2, channels):
            return Layer(name, "vector", (channels,), order=order)
        case (2, tokens, channels):
            return _tokens(name, (channels, tokens), order, prefix_hint, size)
        case (tokens, 2, channels):
            return _tokens(name, (channels, tokens), order, prefix_hint, size, batch_axis=1)
        case (2, a, b, c):  # two equal sides are those of a map where the image has two equal sides
            axis = -1 if size[0] != size[1] else 1 if b == c != a else 3 if a == b != c else -1
            return _map(name, shape, axis, order)
    axes = f"has {len(shape)} axes" if shape[:1] == (2,) else "for two images has no axis for the image"
    return _unusable(name, order, f"its output {shape} {axes}")


def _settle(layer: Layer, calls: list[tuple[int, ...] | None], wider: Any) -> Layer:
    """Tell space from channels by which axis grew when the image did."""
    if layer.channel_axis >= 0:
        return layer
    square = calls[-1] or ()
    if square[2:] == (1, 1):
        return _map(layer.name, square, 1, layer.order)
    if wider is None or layer.name not in wider:
        return _unusable(
            layer.name, layer.order, f"its output {square} does not say which axis holds the channels"
        )
    grown = [i for i, (s, w) in enumerate(zip(square, wider[layer.name][-1], strict=True)) if s != w]
    axis = 1 if grown == [3] else 3 if grown == [2] else -1
    if axis < 0:
        return _unusable(
            layer.name, layer.order, f"its output {square} does not say which axis holds the channels"
        )
    return _map(layer.name, square, axis, layer.order)


def _map(name: str, shape: tuple[int, ...], axis: int, order: int) -> Layer:
    _, a, b, c = shape
    return Layer(name, "map", (c, a, b) if axis == 3 else (a, b, c), channel_axis=axis, order=order)


def _tokens(
    name: str,
    shape: tuple[int, int],
    order: int,
    hint: int | None,
    size: tuple[int, int],
    batch_axis: int = 0,
) -> Layer:
    guesses = [hint] if hint is not None else [0, 1]
    prefix = next((p for p in guesses if _is_grid(shape[1] - p, size)), 0)
    return Layer(name, "tokens", shape, batch_axis, 2, prefix, order)


def _unusable(name: str, order: int, problem: str) -> Layer:
    return Layer(name, "vector", (0,), order=order, problem=problem)


def _is_grid(n: int, size: tuple[int, int]) -> bool:
    """Whether n square patches can tile an image: n = (H / s)(W / s) makes n · H · W a square."""
    area = n * size[0] * size[1]
    return n > 0 and math.isqrt(area) ** 2 == area


def _prefix_hint(module: nn.Module) -> int | None:
    """How many class and register tokens the network says that it puts in front (timm, torchvision, open_clip)."""
    for part in module.modules():
        if isinstance(count := getattr(part, "num_prefix_tokens", None), int):
            return count
        if isinstance(getattr(part, "class_token", None), Tensor):
            return 1
        if isinstance(getattr(part, "class_embedding", None), Tensor):
            return 1
    return None


@contextmanager
def borrowed(module: nn.Module) -> Iterator[None]:
    """The module in eval mode and without gradients for its weights; both as before afterwards."""
    flags = [(p, p.requires_grad) for p in module.parameters()]
    try:
        with eval_mode(module):
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
