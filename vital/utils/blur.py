"""A Gaussian blur of a batch, each image with its own width."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_blur(images: Tensor, sigmas: Tensor | float, reach: int) -> Tensor:
    """Blur images (B, C, H, W) with a Gaussian of `sigmas` pixels, (B, 1) or one for all; the edge goes on outside.

    The kernel has `reach` pixels on each side. Nothing waits for the device, as kornia's blur does to check the widths.

    >>> gaussian_blur(torch.ones(1, 1, 3, 3), 1.0, 3).mean().round(decimals=4).item()
    1.0
    """
    away = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernels = (-0.5 * (away / sigmas).square()).softmax(-1).expand(len(images), -1)  # the sum of each is 1
    each = kernels.repeat_interleave(images.shape[1], 0)[:, None]
    padded = F.pad(images, (reach,) * 4, mode="replicate").flatten(0, 1)[None]
    down = F.conv2d(padded, each[..., None], groups=len(each))
    blurred: Tensor = F.conv2d(down, each[..., None, :], groups=len(each))
    return blurred[0].view_as(images)
