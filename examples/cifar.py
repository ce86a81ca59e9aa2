"""A small residual network and a small vision transformer for 32 × 32 pictures, to be trained dense or competing.

    vital lwta train examples/cifar.py:resnet --images train.npz --test test.npz --competitors 4 --out runs/cifar

`train.npz` and `test.npz` hold CIFAR-10: `images` (N, 32, 32, 3), 8 bit, and `labels` (N).
"""

import torch
from torch import Tensor, nn

SIZE, MEAN, STD = 32, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Block(nn.Module):
    """Two convolutions with batch norm, and a way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        nn.Module.__init__(self)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn1, self.bn2, self.relu1, self.relu2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after), nn.ReLU(), nn.ReLU()
        self.around = nn.Identity() if stride == 1 else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.around(x))


def resnet() -> nn.Module:
    """Three stages of one block, 78,000 weights."""
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, len(CLASSES)))
    return nn.Sequential(stem, Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2), head)


class Layer(nn.Module):
    """Self-attention and a perceptron, each beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        nn.Module.__init__(self)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.up, self.act, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.down(self.act(self.up(self.norm2(x))))


class ViT(nn.Module):
    """Patches of 4 × 4, four layers, and the mean over tokens."""

    def __init__(self, width: int = 64, depth: int = 4, heads: int = 4) -> None:
        nn.Module.__init__(self)
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(0.02 * torch.randn(1, (SIZE // 4) ** 2, width))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        return self.head(self.norm(self.layers(x)).mean(1))


def vit() -> nn.Module:
    """Make the transformer, 210,000 weights."""
    return ViT()
