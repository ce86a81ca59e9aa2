"""A small world to try things on: draws colored shapes and trains a network to name them, in half a minute.

python examples/shapes.py [FOLDER [STEPS]] writes weights.safetensors and images.npz into the folder (runs/shapes).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

CLASSES = ("red disc", "red cross", "red triangle", "blue disc", "blue cross", "blue triangle")
COLORS = torch.tensor([[0.9, 0.15, 0.1], [0.1, 0.3, 0.95]])
SIZE, MEAN, STD = 64, 0.5, 0.25


def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
    """One shape per label, of random place, size and grey ground: (N, 3, 64, 64) in [0, 1]."""
    right, down, size, grey = torch.rand(4, len(labels), 1, 1, generator=generator)
    x = torch.linspace(-1, 1, SIZE).view(1, 1, SIZE) - 0.6 * (right - 0.5)
    y = torch.linspace(-1, 1, SIZE).view(1, SIZE, 1) - 0.6 * (down - 0.5)
    cross = torch.maximum(torch.minimum(x.abs(), y.abs()) * 2.7, torch.maximum(x.abs(), y.abs()) * 0.9)
    triangle = torch.maximum(y, (x.abs() * 3**0.5 - y) / 2) * 1.6
    distance = torch.stack([torch.hypot(x, y), cross, triangle])[labels % 3, torch.arange(len(labels))]
    cover = ((0.45 + 0.25 * size - distance) * 30).sigmoid()[:, None]
    image = cover * COLORS[labels // 3][:, :, None, None] + (1 - cover) * (0.3 + 0.5 * grey[:, None])
    return (image + 0.05 * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def network() -> nn.Module:
    """Five convolutions and a linear layer: the function that `vital` calls."""
    shapes = ((3, 24, 2), (24, 32, 2), (32, 64, 2), (64, 64, 1), (64, 128, 2))
    parts = ((nn.Conv2d(i, o, 3, s, padding=1), nn.BatchNorm2d(o), nn.ReLU()) for i, o, s in shapes)
    stages = (nn.Sequential(*part) for part in parts)
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, len(CLASSES)))


if __name__ == "__main__":
    folder = Path(sys.argv[1] if sys.argv[1:] else "runs/shapes")
    steps = int(sys.argv[2]) if sys.argv[2:] else 400
    torch.manual_seed(0)
    net, generator = network(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters())
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    for _ in range(steps):
        labels = torch.randint(len(CLASSES), (64,), generator=generator)
        loss = nn.functional.cross_entropy(net((draw(labels, generator) - MEAN) / STD), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    labels = torch.arange(300) % len(CLASSES)
    images = draw(labels, generator)
    right = (net.eval()((images - MEAN) / STD).argmax(1) == labels).sum()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), folder / "weights.safetensors")
    np.savez_compressed(folder / "images.npz", images=(images * 255).byte().numpy(), labels=labels.numpy())
    print(f"{right} of {len(labels)} fresh drawings named right; wrote network and drawings to {folder}")
