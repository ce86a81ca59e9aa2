"""A way out of a dead start: rectifiers that let gradients through while an image excites none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Redirect(TorchFunctionMode):
    """A way out of a dead start.

    Where the whole gradient at a rectifier is zero for an image, because it is off everywhere, let through those
    parts of the incoming gradient that would switch it on (Lucid's `redirected_relu`; of a full ReLU6, those that
    would bring it down from its cap). It acts on every ReLU and ReLU6, module or function, while it is active.
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
        off, full = x <= 0, torch.zeros_like(x, dtype=torch.bool) if ctx.cap is None else x >= ctx.cap
        passed = torch.where(off | full, zero, grad)
        redirected = torch.where((off & (grad > 0)) | (full & (grad < 0)), zero, grad)
        dead = passed.flatten(1).abs().amax(1) == 0
        return torch.where(dead.view(-1, *[1] * (x.ndim - 1)), redirected, passed), None
