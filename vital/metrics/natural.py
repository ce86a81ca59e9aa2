"""How a picture looks as a picture, whatever it shows: contrast, saturation, the spectrum's slope, clipped values.

Pictures are (B, C, H, W) in [0, 1]. Every function gives one number per picture, (B,) float64, that depends on no other
picture, and raises `InvalidValueError` for another shape, for no pictures, and for values that are not numbers in [0,
1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.types import Images

WEIGHTS = (0.2126, 0.7152, 0.0722)
"""How much red, green and blue count in the luminance (ITU-R BT.709, on the values as they are stored)."""

HALF_LEVEL = 0.5 / 255
LOWEST, FEWEST = 2, 3
"""The slope begins at so many cycles per picture, and needs so many rings of the spectrum: a side of 16 pixels."""

FLAT = 1e-6
"""A picture whose luminance has a smaller standard deviation has no slope."""


def contrast(pictures: Images) -> Tensor:
    """How strongly the values of a picture vary over its pixels: (B,), from 0 to 0.5.

    Formula: mean over channels of √(mean over pixels of (x − x̄)²)
    Source: root mean square contrast, Peli, JOSA A 1990

    >>> half = torch.cat([torch.zeros(1, 3, 4, 2), torch.ones(1, 3, 4, 2)], 3)
    >>> contrast(torch.cat([half, half / 2])).tolist()
    [0.5, 0.25]
    """
    return _checked(pictures).flatten(2).std(2, correction=0).mean(1)


def saturation(pictures: Images) -> Tensor:
    """How colorful the pixels of a picture are: (B,), from 0 to 1; 0 for pictures of one channel.

    Formula: mean over pixels of (max − min) / max over channels, 0 for a black pixel
    Source: the S of HSV, Smith, SIGGRAPH 1978

    >>> saturation(torch.tensor([1.0, 0.5, 0.5]).view(1, 3, 1, 1).expand(1, 3, 4, 4)).tolist()
    [0.5]
    """
    x = _checked(pictures)
    high, low = x.amax(1), x.amin(1)
    return ((high - low) / high.clamp_min(1e-12)).flatten(1).mean(1)


def spectral_slope(pictures: Images) -> Tensor:
    """How fast the spectrum of a picture falls from coarse to fine: (B,); about −1 for photographs, 0 for white noise.

    Formula: the least-squares slope of log A(f) against log f, A the mean amplitude |F(luminance)| over a ring of
        frequencies half a cycle to either side of f = 2, 3, …, S / 4 cycles per picture
    Source: Field, JOSA A 1987; Torralba and Oliva, Network 2003

    S is the shorter side, so that S / 4 is half the Nyquist frequency: above, what scaled and stored the picture
    decides, and below 2 cycles the mean and the Hann window that is applied. Rings count alike. Not a number for a flat
    picture (`FLAT`), and for all whose shorter side has less than 16 pixels.

    >>> noise = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> abs(float(spectral_slope(noise))) < 0.2
    True
    """
    x = luminance(_checked(pictures))
    ring, radius = _rings(x.shape[1], x.shape[2])
    rings = range(LOWEST, min(x.shape[1:]) // 4 + 1)
    if len(rings) < FEWEST:
        return torch.full((len(x),), math.nan, dtype=torch.float64)
    amplitude = torch.fft.fft2(_windowed(x)).abs()
    places = [ring == number for number in rings]
    frequencies = torch.stack([radius[place].mean() for place in places]).log()
    heights = torch.stack([amplitude[:, place].mean(1) for place in places], 1).clamp_min(1e-12).log()
    across = frequencies - frequencies.mean()
    slope: Tensor = (heights @ across) / (across @ across)
    return torch.where(x.flatten(1).std(1, correction=0) < FLAT, math.nan, slope)


def _rings(height: int, width: int) -> tuple[Tensor, Tensor]:
    """For every place of a spectrum its ring, and its frequency in cycles per shorter side: (H, W) each."""
    down, across = (torch.fft.fftfreq(side, dtype=torch.float64) for side in (height, width))
    radius = min(height, width) * (down[:, None] ** 2 + across**2).sqrt()
    return radius.round().long(), radius


def _windowed(x: Tensor) -> Tensor:
    down, across = (torch.hann_window(side, dtype=torch.float64, device=x.device) for side in x.shape[1:])
    return x * (down[:, None] * across)


def clipped(pictures: Images) -> Tensor:
    """The share of a picture's values that lie at the ends, within half an 8-bit level of 0 or 1: (B,), from 0 to 1.

    Formula: mean over pixels and channels of [x ≤ 0.5 / 255 or x ≥ 1 − 0.5 / 255]

    >>> clipped(torch.tensor([0.0, 0.001, 0.5, 1.0]).view(1, 1, 2, 2)).tolist()
    [0.75]
    """
    x = _checked(pictures).flatten(1)
    return ((x <= HALF_LEVEL) | (x >= 1 - HALF_LEVEL)).double().mean(1)


def luminance(pictures: Images) -> Tensor:
    """How bright each pixel is: (B, H, W); of other than three channels the mean.

    >>> luminance(torch.ones(1, 3, 2, 2)).shape
    torch.Size([1, 2, 2])
    """
    if pictures.shape[1] != len(WEIGHTS):
        return pictures.mean(1)
    weights = torch.tensor(WEIGHTS, dtype=pictures.dtype, device=pictures.device)
    return (pictures * weights[:, None, None]).sum(1)


def picture_statistics(pictures: Images) -> dict[str, Tensor]:
    """All of these numbers of pictures, as they are: name -> (B,).

    >>> list(picture_statistics(torch.rand(2, 3, 16, 16)))
    ['contrast', 'saturation', 'spectral slope', 'clipped']
    """
    return {name: statistic(pictures) for name, statistic in STATISTICS.items()}


STATISTICS = {
    "contrast": contrast,
    "saturation": saturation,
    "spectral slope": spectral_slope,
    "clipped": clipped,
}
"""The statistics by name."""

RATIOS = ("contrast", "saturation")
"""The statistics that are told as a ratio to natural images; the others as a difference."""


def natural_statistics(pictures: Images, real: Images | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How far pictures are from natural images in these numbers: name -> (B,).

    Formula: contrast and saturation: s(x) / mean of s over real; spectral slope and clipped: s(x) − mean of s over real

    1 is natural for the ratios, 0 for the differences. `real` are natural images (N, C, H, W), at the pictures' size,
    since all but saturation depend on it; or what `picture_statistics` said of them, for many. Where the mean over real
    is 0, as the saturation of grey images is, the ratio is not a number; natural images without a slope do not count.

    >>> real = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> found = natural_statistics((real - 0.5) / 2 + 0.5, real)
    >>> round(float(found["contrast"].mean()), 2), float(found["clipped"].max()) <= 0
    (0.5, True)
    """
    known = real if isinstance(real, Mapping) else picture_statistics(real)
    found = {}
    for name, values in picture_statistics(pictures).items():
        usual = known[name].nanmean()
        found[name] = values / torch.where(usual > 0, usual, math.nan) if name in RATIOS else values - usual
    return found


def _checked(pictures: Images) -> Tensor:
    if pictures.ndim != 4 or not pictures.numel():
        raise InvalidValueError(
            f"pictures of the shape {tuple(pictures.shape)} are given; allowed is (B, C, H, W)"
        )
    x = pictures.detach().cpu().double()
    if not (x.amin() >= 0 and x.amax() <= 1):
        raise InvalidValueError(
            f"the pictures hold values from {float(x.amin()):g} to {float(x.amax()):g}; allowed is [0, 1]"
        )
    return x
