"""Local winner takes all: units in blocks, of which one passes its response and the others are 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from vital.attribution.operations import Context, Shares, operation
from vital.errors import InvalidValueError
from vital.lwta.sampling import WARM, Generators, WinnerSampler
from vital.tracing import Step
from vital.utils.devices import perhaps


def winners(x: Tensor, competitors: int, axis: int = 1) -> Tensor:
    """Mark the winner of each block: a bool tensor of the shape of x, with exactly one True per block and place.

    Units of `axis` stand in blocks of `competitors` in a row; of equal responses the first wins. The winner is the
    largest response, whatever its sign: it is read from this mask, never from what a layer returned, where a
    negative winner stands beside losers that are 0.

    >>> winners(torch.tensor([[-3.0, -1.0, 2.0, 1.0]]), 2).tolist()
    [[False, True, True, False]]
    """
    blocks, across = _blocks(x, competitors, axis)
    top = blocks.amax(across, keepdim=True)
    best = blocks == top
    unclear = (best.count_nonzero() != top.numel()) | top.isnan().any()  # ties, or no number
    if perhaps(unclear):  # argmax takes longer
        first = blocks.argmax(across, keepdim=True)
        best = torch.zeros_like(best).scatter_(across, first, value=True)
    return best.reshape(x.shape)


def chances(x: Tensor, competitors: int, axis: int = 1, temperature: float = 1.0) -> Tensor:
    """How likely each unit is to win its block: the softmax of x / temperature over the block, shaped like x.

    At temperature 1 this is the distribution that sampled winners have, so that a unit's expected response is
    x · chances(x).

    >>> chances(torch.zeros(1, 4), 4).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    blocks, across = _blocks(x, competitors, axis)
    return (blocks / temperature).softmax(across).reshape(x.shape)


def divergence(x: Tensor, competitors: int, axis: int = 1) -> Tensor:
    """How far the winners' distribution is from uniform: Σ KL(q ‖ 1/U) = Σ q log q + log U, in nats.

    Summed over the blocks and places of an image, as a mean over images (B, ...): a number from 0 on.

    >>> divergence(torch.zeros(2, 8), 4).item()
    0.0
    """
    blocks, across = _blocks(x, competitors, axis)
    mean = (blocks.softmax(across) * blocks).sum()  # Σ q log q = Σ q x − log Σ exp x
    per_image = (mean - blocks.logsumexp(across).sum()) / len(x)
    return per_image + math.log(competitors) * x[0].numel() / competitors


def _blocks(x: Tensor, competitors: int, axis: int) -> tuple[Tensor, int]:
    """See x in blocks (..., blocks, competitors, ...); the axis along which units compete."""
    axis %= x.ndim
    _divided(x.shape[axis], competitors)
    return x.reshape(*x.shape[:axis], -1, competitors, *x.shape[axis + 1 :]), axis + 1


def _divided(width: int, competitors: int) -> None:
    if competitors < 1 or width % competitors:
        raise InvalidValueError(
            f"{width} units cannot compete in blocks of {competitors}; allowed are {allowed(width)}"
        )


def allowed(width: int) -> str:
    """List the block sizes that divide a width.

    >>> allowed(12)
    '1, 2, 3, 4, 6, 12'
    """
    return ", ".join(str(u) for u in range(1, width + 1) if width % u == 0)


def compete(
    x: Tensor, competitors: int, axis: int = 1, temperature: float = 1.0, noise: Tensor | None = None
) -> Tensor:
    """Pass the response of each block's winner; losers are 0. Shaped like x.

    Formula: y = x · m, with m the one-hot mask of the block's largest x + noise.

    With Gumbel `noise`, shaped like x, winners are samples of softmax(x) (Jang et al. 2017, Maddison et al. 2017),
    and the gradient is straight-through: that of x · softmax((x + noise) / temperature) at the values of the mask, by
    which it reaches losers. This is for learning.

    Without noise the largest response wins, and the mask is a constant for the gradient: winners get theirs exactly.
    Where all winners of an image get none, because what is asked for loses everywhere, losers get their own times
    softmax(x / temperature), so that a search can wake them. This is for looking.

    Relevance takes the mask as a constant gate: all of it goes to x.

    Source: Panousis and Chatzis, "DISCOVER", NeurIPS 2023; the deterministic path is this project's own.

    >>> compete(torch.tensor([[-3.0, -1.0, 2.0, 1.0]]), 2).tolist()
    [[-0.0, -1.0, 2.0, 0.0]]
    """
    if has_torch_function((x,)):
        found: Tensor = handle_torch_function(compete, (x,), x, competitors, axis, temperature, noise)
        return found
    if noise is None:
        mask = winners(x, competitors, axis)
        if not (x.requires_grad and torch.is_grad_enabled()):
            return _passed(x, mask)
        made: Tensor = _Waking.apply(x, mask, competitors, axis, temperature)
        return made
    loud = x + noise
    soft = chances(loud, competitors, axis, temperature)
    return x * (winners(loud.detach(), competitors, axis) + (soft - soft.detach()))


def _passed(x: Tensor, mask: Tensor) -> Tensor:
    return mask.to(x.dtype).mul_(x)  # in half the time of x * mask, which casts as it goes


class _Waking(torch.autograd.Function):
    """x · mask; gradients go to winners, and to losers where an image's winners get none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, *settings: Any) -> Tensor:
        ctx.save_for_backward(x, mask)
        ctx.settings = settings
        return _passed(x, mask)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, mask), (grad,) = ctx.saved_tensors, grads
        passed = grad * mask
        if grad.ndim < 2:
            return passed, None, None, None, None
        silent = passed.abs().amax(tuple(range(1, grad.ndim))) == 0
        if perhaps(silent.any()):
            soft = chances(x.detach(), *ctx.settings)
            passed = torch.where(silent.view(-1, *[1] * (grad.ndim - 1)), grad * soft, passed)
        return passed, None, None, None, None


@operation("compete")
def gate(step: Step, r: tuple[Tensor, ...], context: Context) -> Shares:
    """All relevance to the responses; the mask is a constant."""
    del context
    yield step.inputs[0], r[0]


class LWTA(nn.Module):
    """An activation module of which each unit competes with the others of its block, at every place on its own.

    `competitors` is U, the units of a block; `axis` holds the channels (1 in maps (B, C, H, W), -1 in tokens (B, T,
    C)). With U = 1 nobody competes, and it is the `plain` activation. In training winners are sampled; in evaluation
    the largest response wins, unless `sampled` says otherwise. Raises `InvalidValueError` where U does not divide the
    units.

    >>> LWTA(4).eval()(torch.randn(2, 8, 3, 3)).count_nonzero().item()
    36
    """

    def __init__(self, competitors: int, axis: int = 1, plain: nn.Module | None = None) -> None:
        nn.Module.__init__(self)
        if competitors < 1:
            raise InvalidValueError(
                f"blocks of {competitors} units are asked for; allowed are whole numbers from 1"
            )
        self.competitors, self.axis = competitors, axis
        self.plain = (plain or nn.ReLU()) if competitors == 1 else None
        self.sampler: WinnerSampler | None = None

    def extra_repr(self) -> str:
        """Say the settings."""
        return f"{self.competitors}, axis={self.axis}"

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        if self.plain is not None:
            found: Tensor = self.plain(x)
            return found
        sampler = self.sampler or (WinnerSampler() if self.training else None)
        if sampler is None:
            return compete(x, self.competitors, self.axis)
        if self.sampler is not None and not sampler.deterministic:
            sampler.found.append(divergence(x, self.competitors, self.axis))
        return compete(x, self.competitors, self.axis, sampler.temperature, sampler.noise(x))

    def winners(self, x: Tensor) -> Tensor:
        """Mark the winners among responses that this layer was given, as it passes them in evaluation."""
        return winners(x, self.competitors, self.axis)


class LWTALinear(nn.Module):
    """A linear layer whose units compete in blocks of `competitors`.

    Raises `InvalidValueError` where these do not divide them.

    >>> LWTALinear(6, 8, 4).eval()(torch.randn(5, 6)).count_nonzero(1).tolist()
    [2, 2, 2, 2, 2]
    """

    def __init__(self, inputs: int, outputs: int, competitors: int = 2, *, bias: bool = True) -> None:
        nn.Module.__init__(self)
        _divided(outputs, competitors)
        self.linear, self.lwta = nn.Linear(inputs, outputs, bias=bias), LWTA(competitors, -1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        found: Tensor = self.lwta(self.linear(x))
        return found


class LWTAConv2d(nn.Module):
    """A convolution whose channels compete in blocks of `competitors` at every place; `options` are nn.Conv2d's.

    Raises `InvalidValueError` for channels that `competitors` does not divide.

    >>> LWTAConv2d(3, 8, 3, competitors=4).eval()(torch.randn(1, 3, 5, 5)).count_nonzero().item()
    18
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, competitors: int = 2, **options: Any) -> None:
        nn.Module.__init__(self)
        _divided(outputs, competitors)
        self.conv, self.lwta = nn.Conv2d(inputs, outputs, kernel, **options), LWTA(competitors, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        found: Tensor = self.lwta(self.conv(x))
        return found


def competing(network: nn.Module) -> dict[str, LWTA]:
    """Find the layers whose units compete, by name; those with U = 1 are not among them.

    >>> list(competing(nn.Sequential(nn.Linear(3, 4), LWTA(2))))
    ['1']
    """
    return {n: m for n, m in network.named_modules() if isinstance(m, LWTA) and m.competitors > 1}


@contextmanager
def sampled(
    network: nn.Module,
    generators: Generators = None,
    temperature: float = WARM,
    *,
    deterministic: bool = False,
) -> Iterator[WinnerSampler]:
    """Sample the winners of every competing layer inside the block, in training and in evaluation alike.

    What the block gives knows the divergence of the passes made in it. Where `deterministic`, the largest responses
    win, in training too. Afterwards the layers are as before.

    >>> net = nn.Sequential(nn.Linear(3, 4), LWTA(2))
    >>> with sampled(net, torch.Generator().manual_seed(0)) as sampler:
    ...     y = net(torch.randn(5, 3))
    >>> bool(sampler.divergence() > 0)
    True
    """
    sampler, layers = WinnerSampler(generators, temperature, deterministic), competing(network).values()
    before = [layer.sampler for layer in layers]
    try:
        for layer in layers:
            layer.sampler = sampler
        yield sampler
    finally:
        for layer, old in zip(layers, before, strict=True):
            layer.sampler = old
