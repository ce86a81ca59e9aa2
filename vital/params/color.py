"""From a decorrelated canvas to an image and back.

A *canvas* is (B, C, H, W) of unbounded numbers. With three channels its axes are the principal axes of natural
colors, so that equal steps along them are equally likely in photographs:

    image = sigmoid(canvas @ M),   M = [[ .5628,  .5845,  .5845],
                                        [ .1948,  0,     -.1948],
                                        [ .0433, -.1082,  .0649]]

M is the transposed square root of the color correlation of ImageNet, divided by the largest norm of its columns
(Olah et al., Feature Visualization, 2017; Lucid). Images with another number of channels have no such axes: for
them the canvas is the logit of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vital.types import Images
from vital.utils.devices import made_once

_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_HALF_LEVEL = 1 / 512


def matrix(like: Tensor) -> Tensor:
    """Return M, (3, 3), one row per axis of the canvas, in the type and place of `like`.

    >>> matrix(torch.zeros(())).mul(10_000).round().int().tolist()
    [[5628, 5845, 5845], [1948, 0, -1948], [433, -1082, 649]]
    """
    return _matrix(like.dtype, like.device)


@made_once(maxsize=8)
def _matrix(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made once, for a copy in each step would make the host wait."""
    root = torch.tensor(_ROOT, dtype=torch.float64)
    rows: Tensor = (root / root.norm(dim=0).max()).T.contiguous().to(device, dtype)
    return rows


def correlate(canvas: Tensor) -> Tensor:
    """Mix the axes of a canvas into colors: canvas @ M; nothing changes unless there are three channels."""
    return _mix(canvas, matrix(canvas)) if canvas.shape[1] == 3 else canvas


def decorrelate(colors: Tensor) -> Tensor:
    """Split colors into the axes of a canvas: colors @ M⁻¹, the inverse of `correlate`.

    >>> colors = torch.rand(1, 3, 2, 2, dtype=torch.float64)
    >>> torch.allclose(correlate(decorrelate(colors)), colors)
    True
    """
    inverse = matrix(torch.zeros((), dtype=torch.float64)).inverse()
    return _mix(colors, inverse) if colors.shape[1] == 3 else colors


def to_image(canvas: Tensor, *, mixed: bool = True) -> Images:
    """Turn a canvas into an image in [0, 1]: sigmoid(canvas @ M), or sigmoid(canvas) where not `mixed`."""
    return torch.sigmoid(correlate(canvas) if mixed else canvas)


def to_canvas(image: Images, *, mixed: bool = True) -> Tensor:
    """Turn an image in [0, 1] into its canvas, the inverse of `to_image`.

    Black and white lie infinitely far out; the image is first kept half an 8-bit level away from them.

    >>> image = torch.rand(1, 3, 2, 2, dtype=torch.float64) * 0.9 + 0.05
    >>> torch.allclose(to_image(to_canvas(image)), image)
    True
    """
    colors = torch.logit(image, eps=_HALF_LEVEL)
    return decorrelate(colors) if mixed else colors


def _mix(x: Tensor, rows: Tensor) -> Tensor:
    """Multiply x @ rows over the channels, as a sum in fixed order."""
    first, second, third = rows.to(x).view(3, 1, 3, 1, 1)
    mixed: Tensor = x[:, 0:1] * first + x[:, 1:2] * second + x[:, 2:3] * third
    return mixed
