"""How pictures are varied while the world's networks learn."""

from __future__ import annotations

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor, nn

from vital.types import Images


def moved(images: Images, generator: torch.Generator, reach: int = 3) -> Images:
    """Shift a batch by up to `reach` pixels each way, its edges repeated, so that no pixel can be learned by heart.

    >>> moved(torch.zeros(1, 3, 8, 8), torch.Generator()).shape
    torch.Size([1, 3, 8, 8])
    """
    x, y = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
    wide = nn.functional.pad(images, (reach,) * 4, mode="replicate")
    return wide[..., y : y + images.shape[2], x : x + images.shape[3]]


def roughened(images: Images, generator: torch.Generator) -> Images:
    """Change how pictures look but not what they show: contrast, brightness, a tint, blur, fine and coarse noise.

    Each normalized picture has its own strengths, from none to 30 % contrast, ± 0.08 brightness and ± 0.04 tint (of
    the range of pictures, [0, 1]), noise of up to 0.2 per pixel and 0.1 over four; two in five are blurred. A network
    that saw clean renderings alone is swayed by noise that nobody sees.

    >>> roughened(torch.zeros(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """
    count, _, height, width = images.shape

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator).to(images.device)

    contrast, brightness, tint = 1 + 0.6 * (drawn(1, 1, 1) - 0.5), drawn(1, 1, 1) - 0.5, drawn(3, 1, 1) - 0.5
    images = contrast * images + 0.6 * brightness + 0.3 * tint
    images = torch.where(drawn(1, 1, 1) < 0.4, gaussian_blur2d(images, (3, 3), (0.85, 0.85)), images)
    fine = torch.randn(images.shape, generator=generator).to(images.device)
    few = torch.randn(count, 3, height // 4, width // 4, generator=generator).to(images.device)
    coarse = nn.functional.interpolate(few, (height, width), mode="bicubic")
    rough = images + 0.8 * drawn(1, 1, 1) * fine + 0.4 * drawn(1, 1, 1) * coarse
    return rough.contiguous(memory_format=torch.channels_last)
