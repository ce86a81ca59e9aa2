"""A small vision transformer for 32 × 32 pictures, to be trained dense or competing on CIFAR-10.

vital lwta train examples/cifar_vit.py:vit --images train.npz --test test.npz --competitors 4 --out runs/cifar
"""

import torch
from torch import Tensor, nn

SIZE, MEAN, STD = 32, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Layer(nn.Module):
    """Self-attention and a perceptron, each beside a shortcut."""

    def __init__(self, width: int) -> None:
        nn.Module.__init__(self)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """Patches of 4 × 4 with their places: images to tokens (B, 64, width)."""

    def __init__(self, width: int) -> None:
        nn.Module.__init__(self)
        self.look, self.places = nn.Conv2d(3, width, 4, 4), nn.Parameter(0.02 * torch.randn(1, 64, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.look(x).flatten(2).transpose(1, 2) + self.places


def vit(width: int = 64) -> nn.Module:
    mean = nn.Sequential(nn.LayerNorm(width), nn.Unflatten(1, (1, 64)), nn.AvgPool2d((64, 1)), nn.Flatten())
    return nn.Sequential(
        Patches(width), *(Layer(width) for _ in range(4)), mean, nn.Linear(width, len(CLASSES))
    )
