"""A small residual network for 32 × 32 pictures, to be trained dense or competing on CIFAR-10.

vital lwta train examples/cifar_resnet.py:resnet --images train.npz --test test.npz --competitors 4 --out runs/cifar
"""

from torch import Tensor, nn

SIZE, MEAN, STD = 32, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Block(nn.Module):
    """Two convolutions with batch norm, and a way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        nn.Module.__init__(self)
        one, two = (
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
        )
        self.inner = nn.Sequential(one, nn.BatchNorm2d(after), nn.ReLU(), two, nn.BatchNorm2d(after))
        self.around = nn.Identity() if stride == 1 else nn.Conv2d(before, after, 1, stride, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.inner(x) + self.around(x))


def resnet() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, len(CLASSES)))
    return nn.Sequential(stem, Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2), head)
