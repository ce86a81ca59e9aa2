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

    `needed` (B,) says for which images it does so; None for all. After the backward pass `acted` says for which it had
    to, and is None where there was no rectifier.
    """

    def __init__(self, needed: Tensor | None = None) -> None:
        TorchFunctionMode.__init__(self)
        self.needed = needed
        self.acted: Tensor | None = None

    _CAPS: Mapping[Any, float | None] = {
        F.relu: None, F.relu_: None, torch.relu: None, torch.relu_: None, Tensor.relu: None, Tensor.relu_: None,
        F.relu6: 6.0,
    }  # fmt: skip

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._CAPS:
            return _RedirectedReLU.apply(args[0] if args else kwargs["input"], self._CAPS[func], self)
        if func is F.hardtanh and (clamp := _clamp(*args, **kwargs))[1] == 0:
            return _RedirectedReLU.apply(clamp[0], clamp[2], self)
        return func(*args, **kwargs)

    def applied(self, dead: Tensor, redirected: Tensor) -> Tensor:
        """For which images a rectifier that is dead for some lets redirected gradients through, which is noted."""
        needed = self.needed if self.needed is not None and len(self.needed) == len(dead) else None
        dead = dead if needed is None else dead & needed
        acted = dead & redirected.flatten(1).any(1)
        if self.needed is not None and needed is None:  # images are not the first axis here
            acted = acted.any().expand_as(self.needed)
        self.acted = acted if self.acted is None or len(self.acted) != len(acted) else self.acted | acted
        return dead


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
    def forward(ctx: Any, x: Tensor, cap: float | None, redirect: Redirect) -> Tensor:
        ctx.save_for_backward(x)
        ctx.cap, ctx.redirect = cap, redirect
        return x.clamp(0, cap)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,), (grad,) = ctx.saved_tensors, grads
        passed, redirected = grad.where(x > 0, 0), grad.where(x > 0, grad.clamp(max=0))
        if ctx.cap is not None:
            below = x < ctx.cap
            passed, redirected = passed.where(below, 0), redirected.where(below, grad.clamp(min=0))
        dead = ~passed.flatten(1).any(1)
        dead = ctx.redirect.applied(dead, redirected)
        return torch.where(dead.view(-1, *[1] * (x.ndim - 1)), redirected, passed), None, None
