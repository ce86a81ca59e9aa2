"""Images by their Fourier coefficients, with decorrelated colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import BadValue
from vital.parameterisations.base import PARAMETERISATIONS, Canvas, Size, check, falloff, normal, sides
from vital.types import Parameters

_CONTRAST = 4.0


@PARAMETERISATIONS.register("fourier", example="par.Fourier(32)")
@dataclass(frozen=True)
class Fourier(Canvas):
    """Fourier coefficients of the canvas, scaled so that all frequencies move with natural strength.

        canvas = irfft2(z · max(f, 1/max(H, W))^(−decay)) / 4,   image = sigmoid(canvas @ M)

    with the orthonormal inverse transform, f in cycles per pixel, z ~ N(0, sd²) at the start, and the colour matrix M
    of `vital.parameterisations.color` (`decorrelate`; only with three channels). The defaults are Lucid's (Olah et
    al., Feature Visualization, 2017), whose own coefficients have the same scale; a larger `decay` gives smoother
    images. Parameters: `spectrum` (S, C, H, W // 2 + 1, 2), real and imaginary parts.

    >>> par = Fourier((5, 7))
    >>> par.decode(par.init(torch.Generator().manual_seed(0))).shape
    torch.Size([1, 3, 5, 7])
    """

    size: Size
    channels: int = 3
    decorrelate: bool = True
    decay: float = 1.0
    sd: float = 0.01

    def __post_init__(self) -> None:
        check(self.size, self.channels, self.sd)
        if not 0 <= self.decay <= 8:
            raise BadValue(f"decay is {self.decay}; allowed are numbers from 0 to 8")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        return (self.channels, *sides(self.size))

    @property
    def mixed(self) -> bool:
        """Whether the canvas has decorrelated colours."""
        return self.decorrelate

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw coefficients from N(0, sd²)."""
        channels, height, width = self.shape
        return {"spectrum": normal(generator, (1, channels, height, width // 2 + 1, 2), self.sd)}

    def paint(self, parameters: Parameters) -> Tensor:
        """Return the scaled inverse transform, (S, C, H, W)."""
        spectrum = parameters["spectrum"]
        scaled = torch.view_as_complex(spectrum * self._scale(spectrum)[..., None])
        canvas: Tensor = torch.fft.irfft2(scaled, s=sides(self.size), norm="ortho") / _CONTRAST
        return canvas

    def fade(self, parameters: Parameters, share: Tensor) -> None:
        """Take a share of all waves away but of the constant one: how bright a picture is, is no detail."""
        spectrum = parameters["spectrum"]
        constant = spectrum[:, :, 0, 0].clone()
        spectrum.mul_(1 - share.view(-1, 1, 1, 1, 1))
        spectrum[:, :, 0, 0] = constant

    def unpaint(self, canvas: Tensor) -> Parameters:
        """Return the coefficients of a canvas, exactly."""
        spectrum = torch.view_as_real(torch.fft.rfft2(canvas * _CONTRAST, norm="ortho"))
        return {"spectrum": spectrum / self._scale(canvas)[..., None]}

    def _scale(self, like: Tensor) -> Tensor:
        return falloff(*sides(self.size), self.decay, like.dtype, like.device)
