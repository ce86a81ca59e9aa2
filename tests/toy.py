"""Small seeded networks, pictures and a plain canvas, for tests that need something real to look at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from vital.models import Model
from vital.tracing import Trace, Tracer
from vital.types import Images, Parameterization, Parameters

CLASSES = ("tench, Tinca tinca", "tabby, tabby cat", "hen", "cat", "alp", "fox", "owl", "drum", "cup", "kite")
M = TypeVar("M", bound=nn.Module)
MEAN, STD = (0.48, 0.46, 0.41), (0.25, 0.22, 0.28)


def network(*, smooth: bool = False, batch_norm: bool = True) -> nn.Sequential:
    """Three convolutions with batch norm and a linear head; `smooth` has softplus where others have ReLU."""
    act = (lambda: nn.Softplus(beta=2.0)) if smooth else nn.ReLU

    def norm(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()

    parts = OrderedDict(
        layer1=nn.Conv2d(3, 8, 3, stride=2, padding=1), norm1=norm(8), act1=act(),
        layer2=nn.Conv2d(8, 16, 3, stride=2, padding=1), norm2=norm(16), act2=act(),
        layer3=nn.Conv2d(16, 24, 3, stride=2, padding=1), norm3=norm(24), act3=act(),
        pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), head=nn.Linear(24, 10),
    )  # fmt: skip
    return seeded(nn.Sequential(parts))


class TokenBlock(nn.Module):
    """Self-attention and a two-layer network, each beside a shortcut."""

    def __init__(self, width: int, act: nn.Module) -> None:
        nn.Module.__init__(self)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), act, nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, T, D) in, tokens out."""
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        return x + self.mlp(self.norm2(x))


class TokenNetwork(nn.Module):
    """A vision transformer of two blocks over 4 x 4 patches and a class token."""

    def __init__(self, width: int = 12, *, smooth: bool = False) -> None:
        nn.Module.__init__(self)
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.block1 = TokenBlock(width, nn.Softplus() if smooth else nn.GELU())
        self.block2 = TokenBlock(width, nn.Softplus() if smooth else nn.GELU())
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, 32, 32) to logits (B, 10)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1)
        tokens = self.block2(self.block1(tokens))
        logits: Tensor = self.head(tokens[:, 0])
        return logits


def seeded(module: M, seed: int = 0) -> M:
    """The module with weights and running statistics drawn from a seed."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=draw)
            fan = max(1, value[0].numel()) if value.ndim > 1 else 4
            value.copy_(noise / fan**0.5 * 1.5)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
    return module


def model(*, smooth: bool = False, batch_norm: bool = True, double: bool = False) -> Model:
    """The convolutional network as a `Model` for images of 32 x 32."""
    return wrap(network(smooth=smooth, batch_norm=batch_norm), double=double)


def token_model(*, smooth: bool = False, double: bool = False) -> Model:
    """The token network as a `Model` for images of 32 x 32."""
    return wrap(seeded(TokenNetwork(smooth=smooth)), double=double)


def wrap(
    module: nn.Module, *, double: bool = False, name: str = "toy", size: int = 32, **settings: Any
) -> Model:
    """Any module as a `Model` with the toy's preprocessing and class names."""
    module = module.double() if double else module
    given = {"mean": MEAN, "std": STD, "classes": CLASSES} | settings
    return Model(module, name=name, size=(size, size), **given)


def images(count: int = 1, seed: int = 0, *, size: int = 32, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Noise images (count, 3, size, size) in float64, uniform between `low` and `high`."""
    draw = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(count, 3, size, size, generator=draw, dtype=torch.float64)


def trace(
    model: Model, layers: Sequence[str], image: Tensor, seen: Tensor | None = None, n_transforms: int = 1
) -> Trace:
    """One pass of the model over images."""
    with Tracer(model, layers) as tracer:
        seen = seen if seen is None else seen.to(model.dtype)
        return tracer(image.to(model.dtype), seen, n_transforms=n_transforms)


@dataclass(frozen=True)
class Canvas(Parameterization):
    """Pixels as they are, without bounds: `images` noise pictures of one size per slot."""

    size: int = 32
    images: int = 1
    low: float = 0.0
    high: float = 1.0

    def init(self, generator: torch.Generator) -> Parameters:
        """Uniform noise between `low` and `high`."""
        noise = torch.rand(1, self.images, 3, self.size, self.size, generator=generator, dtype=torch.float64)
        return {"pixels": self.low + (self.high - self.low) * noise}

    def decode(self, parameters: Parameters) -> Images:
        """The pixels, slot after slot."""
        return parameters["pixels"].flatten(0, 1) * 1.0
