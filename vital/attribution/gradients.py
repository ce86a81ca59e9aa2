"""Maps from gradients: they work where relevance cannot be followed, and are not relevance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import INPUT_OF, Trace, Tracer, list_layers
from vital.types import Images, PerImage
from vital.units import Unit


def gradient_times_activation(
    model: Model, images: Images, unit: str | Unit, layers: Iterable[str]
) -> dict[str, Tensor]:
    """Each activation times the unit's gradient by it: a · ∂u/∂a (Shrikumar et al. 2016).

    u is the unit's value, the mean over its places, and every tensor is shaped like the layer's activations in a
    `Trace`. It works on any network that can be differentiated. It is not layer-wise relevance propagation, and
    does not conserve anything in general.

    >>> model = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), size=(8, 8))
    >>> gradient_times_activation(model, torch.rand(2, 3, 8, 8), "1:0", ["0"])["0"].shape
    torch.Size([2, 4, 6, 6])
    """
    unit, layers = model.unit(unit), tuple(layers)
    return gradient_times_activation_of(_trace(model, images, unit, layers), unit, layers)


def gradient_times_activation_of(trace: Trace, unit: str | Unit, layers: Iterable[str]) -> dict[str, Tensor]:
    """The same for a pass that has been made; its other gradients stay to be taken."""
    unit = trace.model.unit(unit)
    slopes = gradients_of(trace, trace.read(unit), unit.layer, layers)
    return {name: g * trace[name].detach() for name, g in slopes.items()}


def guided_backpropagation(
    model: Model, images: Images, unit: str | Unit, layers: Iterable[str]
) -> dict[str, Tensor]:
    """The positive part of the unit's gradient, of which every ReLU let the positive part through alone.

    Springenberg et al. 2015. Shaped like the layers' activations in a `Trace`. Raises `InvalidValueError` where the
    network has no ReLU or ReLU6 before the unit, for the method says nothing about other activation functions.
    """
    unit, layers = model.unit(unit), tuple(layers)
    with _Guided() as guided:
        trace = _trace(model, images, unit, layers)
    if not guided.seen:
        raise InvalidValueError(
            f"{model.name} has no ReLU before {unit}; guided backpropagation is defined by ReLUs"
        )
    slopes = gradients_of(trace, trace.read(unit), unit.layer, layers)
    return {name: g.clamp(min=0) for name, g in slopes.items()}


def _trace(model: Model, images: Images, unit: Unit, layers: tuple[str, ...]) -> Trace:
    with torch.enable_grad(), Tracer(model, [unit.layer, *layers]) as tracer:
        return tracer(images.detach().to(model.device, model.image_dtype).requires_grad_())


def gradients_of(trace: Trace, values: PerImage, layer: str, layers: Iterable[str]) -> dict[str, Tensor]:
    """The gradient of values that were read at a layer, by the activations of earlier layers; 0 where none passes."""
    known, found = list_layers(trace.model), {}
    raw = trace.run.raw if trace.run else {}
    for name in layers:
        if not (values.requires_grad and raw[name].requires_grad):
            found[name] = torch.zeros_like(trace[name])
            continue
        (got,) = torch.autograd.grad(values.sum(), [raw[name]], retain_graph=True, allow_unused=True)
        if got is None:
            raise InvalidValueError(f"the layer {name!r} is not before {layer}, where the gradient starts")
        whole = known[name.removeprefix(INPUT_OF)].canonical(got)
        found[name] = whole[trace.first : trace.first + len(trace)].to(trace[name].dtype)
    return found


class _Guided(TorchFunctionMode):
    """Rectifies the gradient at every ReLU and ReLU6."""

    RELUS = frozenset({F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_})
    seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        cap = None if func in self.RELUS else _cap(func, kwargs)
        if func not in self.RELUS and cap is None:
            return func(*args, **kwargs)
        self.seen = True
        return _GuidedReLU.apply(args[0] if args else kwargs["input"], cap)


def _cap(func: Any, kwargs: Any) -> float | None:
    """The upper bound of a rectifier that has one; None for anything else."""
    if func is F.relu6:
        return 6.0
    return float(kwargs["max_val"]) if func is F.hardtanh and kwargs.get("min_val") == 0 else None


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cap: float | None) -> Tensor:
        ctx.save_for_backward((x > 0) if cap is None else (x > 0) & (x < cap))
        return x.clamp(0, cap)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (on,), (grad,) = ctx.saved_tensors, grads
        return grad.clamp(min=0) * on, None
