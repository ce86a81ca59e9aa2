"""One forward pass, watched. The only file that touches hooks.

`survey` learns once how a network's layers are laid out; a `Tracer` then turns images into `Trace`s. On every way
out the hooks are gone and the caller's gradient flags and train/eval modes are as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vital.errors import BadUnit, ModelError, first_line
from vital.models import Model
from vital.models.outputs import eval_mode, first_tensor
from vital.types import Images, Layer, PerImage
from vital.units import OUTPUT, Unit, find_layer, resolve

INPUT_OF = "<"
_SURVEYS: WeakKeyDictionary[Model, dict[str, Layer]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Trace:
    """What one forward pass showed.

    `image` (B, C, H, W) is the picture as it will be saved, in [0, 1]; `seen` is the same after the random views;
    `input` after normalisation. `acts` maps a layer to (B, C), (B, C, H, W) or (B, C, T), channels always second;
    `"class"` is the network's output. Each picture stands `copies` times in a row when several views of it are
    seen in one pass.
    """

    image: Images
    seen: Images
    input: Tensor
    acts: Mapping[str, Tensor]
    model: Model
    copies: int = 1

    def __getitem__(self, layer: str) -> Tensor:
        return self.acts[layer]

    def __len__(self) -> int:
        return len(self.seen)

    def rows(self, start: int, stop: int) -> Trace:
        """The same pass, for the images `start` to `stop` alone."""
        part = slice(start, stop)
        acts = {name: act[part] for name, act in self.acts.items()}
        return Trace(self.image[part], self.seen[part], self.input[part], acts, self.model, self.copies)

    def map(self, unit: Unit) -> Tensor:
        """The unit's activation at every place it has: (B, places); `BadUnit` when there is no such unit."""
        (unit,) = resolve_units(self.model, unit)
        act = self.acts[unit.layer][:, unit.index]
        if unit.position is not None:
            act = act[:, unit.position[0], unit.position[1]]
        return self._tokens(act, unit).flatten(1) if act.ndim > 1 else act[:, None]

    def vectors(self, unit: Unit) -> Tensor:
        """All channels at the unit's places: (B, C, places); `BadUnit` when there is no such unit."""
        (unit,) = resolve_units(self.model, unit)
        act = self.acts[unit.layer]
        if unit.position is not None:
            act = act[:, :, unit.position[0], unit.position[1]]
        return self._tokens(act, unit).flatten(2) if act.ndim > 2 else act[:, :, None]

    def read(self, unit: Unit) -> PerImage:
        """The unit's value: the mean over its places, (B,)."""
        return self.map(unit).mean(1)

    def _tokens(self, act: Tensor, unit: Unit) -> Tensor:
        if not unit.tokens or unit.tokens == "all":
            return act
        prefix = survey(self.model)[unit.layer].prefix
        return act[..., :prefix][..., :1] if unit.tokens == "cls" else act[..., prefix:]


class Tracer:
    """Shows images to a network and keeps the activations of some layers.

    Use it as a context manager: inside, the network is in eval mode, its parameters ask for no gradient and the
    hooks are in place; afterwards everything is as before. The pass stops after the deepest of `layers`.
    A layer written `<name` stands for the input of the module `name`.

    >>> model = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), size=(8, 8))
    >>> with Tracer(model, ["0"]) as tracer:
    ...     trace = tracer(torch.rand(2, 3, 8, 8))
    >>> trace["0"].shape
    torch.Size([2, 4, 6, 6])
    """

    def __init__(self, model: Model, layers: Iterable[str]) -> None:
        self.model = model
        known = survey(model)
        self.layers = tuple(dict.fromkeys(layers))
        self._info = {name: find_layer(name.removeprefix(INPUT_OF), known) for name in self.layers}
        self._raw: dict[str, Tensor] = {}
        self._versions: dict[str, int] = {}
        self._cloned: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Tracer:
        with ExitStack() as stack:
            stack.enter_context(_borrowed(self.model.module))
            for name in self.layers:
                stack.callback(self._watch(name).remove)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._raw.clear()
        self._stack.close()

    def __call__(
        self, image: Images, seen: Images | None = None, *, copies: int = 1, redirect: bool = False
    ) -> Trace:
        """One pass over `seen` (`image` itself by default), which holds each image `copies` times in a row.

        `redirect` lets gradients through rectifiers that would give an image none at all (see `Redirect`).
        """
        seen = image if seen is None else seen
        shown = image.repeat_interleave(copies, 0) if copies > 1 else image
        given = self.model.normalise(seen)
        # The last bits of a matrix product depend on its number of rows. In float64 on a CPU, where a picture
        # does not depend on its company at all, every image goes through the network alone.
        exact = given.dtype == torch.float64 and given.device.type == "cpu"
        with Redirect() if redirect else ExitStack():
            parts = [self._acts(part) for part in (torch.split(given, 1) if exact else (given,))]
        acts = {name: torch.cat([part[name] for part in parts]) for name in self.layers} if exact else parts[0]
        return Trace(shown, seen, given, acts, self.model, copies)

    def _acts(self, given: Tensor) -> dict[str, Tensor]:
        self._pass(given)
        if changed := self._overwritten():
            self._cloned |= changed
            self._pass(given)
        acts = {name: self._info[name].canonical(self._raw[name]) for name in self.layers}
        self._raw = {}
        return acts

    def _pass(self, given: Tensor) -> None:
        self._raw = {}
        if not self.layers:
            return
        try:
            output = self.model.module(given)
        except _Halt:
            return
        except (RuntimeError, ValueError, AssertionError) as error:
            raise ModelError(
                f"{self.model.name} cannot run on an input of shape {tuple(given.shape)}: {first_line(error)}"
            ) from error
        if OUTPUT in self.layers:
            self._keep(OUTPUT, first_tensor(output))

    def _overwritten(self) -> set[str]:
        """Layers whose output a later in-place operation wrote over; they are copied from now on."""
        return {n for n, raw in self._raw.items() if raw._version != self._versions[n]}

    def _keep(self, name: str, value: Tensor | None) -> None:
        if value is None:
            raise ModelError(f"layer {name!r} of {self.model.name} returned no tensor")
        self._raw[name] = value.clone() if name in self._cloned else value
        self._versions[name] = self._raw[name]._version

    def _watch(self, name: str) -> Any:
        if name == OUTPUT:
            return _Nothing()
        module = self.model.module.get_submodule(self._info[name].name)
        if name.startswith(INPUT_OF):
            return module.register_forward_pre_hook(self._on_input(name))
        return module.register_forward_hook(self._on_output(name))

    def _on_input(self, name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            del module
            self._keep(name, first_tensor(inputs))
            self._halt_when_done()

        return hook

    def _on_output(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            self._keep(name, first_tensor(output))
            self._halt_when_done()

        return hook

    def _halt_when_done(self) -> None:
        if len(self._raw) == len(self.layers):
            raise _Halt


class Redirect(TorchFunctionMode):
    """A way out of a dead start.

    Where the whole gradient at a rectifier is zero for an image, because it is off everywhere, let through those
    parts of the incoming gradient that would switch it on (Lucid's `redirected_relu`). It acts on every ReLU and
    ReLU6, module or function, while it is active.
    """

    _CAPS: Mapping[Any, float | None] = {
        F.relu: None, F.relu_: None, torch.relu: None, torch.relu_: None, Tensor.relu: None, Tensor.relu_: None,
        F.relu6: 6.0,
    }  # fmt: skip

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._CAPS:
            return _RedirectedReLU.apply(args[0] if args else kwargs["input"], self._CAPS[func])
        if func is F.hardtanh and (clamp := _clamp(*args, **kwargs))[1] == 0:
            return _RedirectedReLU.apply(clamp[0], clamp[2])
        return func(*args, **kwargs)


def _clamp(
    input: Tensor,  # noqa: A002 (a caller may use the name)
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> tuple[Tensor, float, float]:
    """What a call of `hardtanh` asks for; with 0 below it is a capped rectifier, and what `nn.ReLU6` calls."""
    del inplace
    return input, min_val, max_val


class _RedirectedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cap: float | None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.cap = cap
        return x.clamp(0, cap)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,), (grad,) = ctx.saved_tensors, grads
        zero = torch.zeros_like(grad)
        passed = torch.where(x > 0 if ctx.cap is None else (x > 0) & (x < ctx.cap), grad, zero)
        redirected = torch.where((x <= 0) & (grad > 0), zero, grad)
        dead = passed.flatten(1).abs().amax(1) == 0
        return torch.where(dead.view(-1, *[1] * (x.ndim - 1)), redirected, passed), None


class _Halt(BaseException):
    """Ends a pass after the deepest layer; not an Exception, so that no network code swallows it."""


class _Nothing:
    def remove(self) -> None:
        """There is no hook to remove."""


def survey(model: Model) -> dict[str, Layer]:
    """Every layer of the network by name, in the order in which it finishes, from one pass over two images.

    The network's output is the layer `"class"`. The answer is kept as long as the model lives.
    """
    if model not in _SURVEYS:
        _SURVEYS[model] = _survey(model)
    return _SURVEYS[model]


def resolve_units(model: Model, units: str | Unit | Iterable[str | Unit]) -> list[Unit]:
    """Read units and hold them against the network (see `vital.units`)."""
    return resolve(units, survey(model), model.classes)


def _survey(model: Model) -> dict[str, Layer]:
    calls = _record(model, model.size)
    prefix_hint = _prefix_hint(model.module)
    layers = {n: _layout(n, c, i, prefix_hint) for i, (n, c) in enumerate(calls.items())}
    if any(layer.channel_axis < 0 for layer in layers.values()):
        wider = _record_or_none(model, (model.size[0], 2 * model.size[1]))
        layers = {n: _settle(layer, calls[n], wider) for n, layer in layers.items()}
    return layers


def _record(model: Model, size: tuple[int, int]) -> dict[str, list[tuple[int, ...] | None]]:
    """The output shapes of every call of every module, in the order of the last calls."""
    calls: dict[str, list[tuple[int, ...] | None]] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            tensor = first_tensor(output)
            calls[name] = [*calls.pop(name, []), None if tensor is None else tuple(tensor.shape)]

        return note

    images = torch.full((2, model.channels, *size), 0.5, dtype=model.dtype, device=model.device)
    with ExitStack() as stack:
        stack.enter_context(_borrowed(model.module))
        stack.enter_context(torch.no_grad())
        for name, module in model.module.named_modules():
            if name:
                stack.callback(module.register_forward_hook(hook(name)).remove)
        try:
            output = first_tensor(model.module(model.normalise(images)))
        except (RuntimeError, ValueError, AssertionError) as error:
            shape = (model.channels, *size)
            raise ModelError(f"{model.name} cannot run on an image of shape {shape}: {first_line(error)}") from error
    calls[OUTPUT] = [None if output is None else tuple(output.shape)]
    return calls


def _record_or_none(model: Model, size: tuple[int, int]) -> dict[str, list[tuple[int, ...] | None]] | None:
    try:
        return _record(model, size)
    except ModelError:
        return None


def _layout(name: str, calls: list[tuple[int, ...] | None], order: int, prefix_hint: int | None) -> Layer:
    """What one recorded shape says; a `channel_axis` of −1 means that it does not say enough."""
    shape = calls[-1]
    if len(calls) > 1:
        return _unusable(name, order, f"it runs {len(calls)} times in one pass; name the block around it")
    if shape is None:
        return _unusable(name, order, "it returns no tensor")
    if len(shape) == 3 and shape[1] == 2 and shape[0] != 2:
        return _tokens(name, (shape[2], shape[0]), order, prefix_hint, batch_axis=1)
    if len(shape) < 2 or shape[0] != 2:
        return _unusable(name, order, f"its output {shape} for two images has no axis for the image")
    if len(shape) == 2:
        return Layer(name, "vector", shape[1:], order=order)
    if len(shape) == 3:
        return _tokens(name, (shape[2], shape[1]), order, prefix_hint)
    if len(shape) == 4:
        _, a, b, c = shape
        axis = 1 if b == c != a else 3 if a == b != c else -1
        return _map(name, shape, axis, order)
    return _unusable(name, order, f"its output {shape} has {len(shape)} axes")


def _settle(layer: Layer, calls: list[tuple[int, ...] | None], wider: Any) -> Layer:
    """Tell space from channels by which axis grew when the image did."""
    if layer.channel_axis >= 0:
        return layer
    square = calls[-1]
    assert square is not None
    if square[2:] == (1, 1):
        return _map(layer.name, square, 1, layer.order)
    if wider is None or layer.name not in wider:
        return _unusable(layer.name, layer.order, f"its output {square} does not say which axis holds the channels")
    grown = [i for i, (s, w) in enumerate(zip(square, wider[layer.name][-1], strict=True)) if s != w]
    axis = 1 if grown == [3] else 3 if grown == [2] else -1
    if axis < 0:
        return _unusable(layer.name, layer.order, f"its output {square} does not say which axis holds the channels")
    return _map(layer.name, square, axis, layer.order)


def _map(name: str, shape: tuple[int, ...], axis: int, order: int) -> Layer:
    _, a, b, c = shape
    return Layer(name, "map", (c, a, b) if axis == 3 else (a, b, c), channel_axis=axis, order=order)


def _tokens(name: str, shape: tuple[int, int], order: int, hint: int | None, batch_axis: int = 0) -> Layer:
    guesses = [hint] if hint is not None else [0, 1]
    prefix = next((p for p in guesses if _is_square(shape[1] - p)), 0)
    return Layer(name, "tokens", shape, batch_axis, 2, prefix, order)


def _unusable(name: str, order: int, problem: str) -> Layer:
    return Layer(name, "vector", (0,), order=order, problem=problem)


def _is_square(n: int) -> bool:
    return n > 0 and round(n**0.5) ** 2 == n


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
def _borrowed(module: nn.Module) -> Iterator[None]:
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


__all__ = ["BadUnit", "Redirect", "Trace", "Tracer", "first_tensor", "resolve_units", "survey"]
