"""Images by their Fourier coefficients, with decorrelated colors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params.base import PARAMS, Sheet, Size, check, falloff, normal, sides
from vital.types import Parameters

_CONTRAST = 4.0


@PARAMS.register("fourier", example="par.Fourier(32)")
@dataclass(frozen=True)
class Fourier(Sheet):
    """Fourier coefficients of the canvas, scaled so that all frequencies move with natural strength.

        canvas = irfft2(z · max(f, 1/max(H, W))^(−decay)) / 4,   image = sigmoid(canvas @ M)

    with the orthonormal inverse transform, f in cycles per pixel, z ~ N(0, sd²) at the start, and the color matrix M
    of `vital.params.color` (`decorrelate`; only with three channels). The defaults are Lucid's (Olah et
    al., Feature Visualization, 2017), whose own coefficients have the same scale; a larger `decay` gives smoother
    images. Parameters: `spectrum` (S, C, H, W // 2 + 1, 2), real and imaginary parts.

    With `coarse` above 0 the search goes from coarse to fine: during that share of the run only the waves that an image
    of half the sides can hold are decoded, to such an image; the others wait. A step costs a quarter then, and the
    large forms are found before the detail.

    >>> par = Fourier((5, 7))
    >>> par.decode(par.init(torch.Generator().manual_seed(0))).shape
    torch.Size([1, 3, 5, 7])
    """

    size: Size
    channels: int = 3
    decorrelate: bool = True
    decay: float = 1.0
    sd: float = 0.01
    coarse: float = 0.0

    def __post_init__(self) -> None:
        check(self.size, self.channels, self.sd)
        if not 0 <= self.coarse < 1:
            raise InvalidValueError(
                f"coarse is {self.coarse}; allowed are shares of the run, from 0 to below 1"
            )
        if not 0 <= self.decay <= 8:
            raise InvalidValueError(f"decay is {self.decay}; allowed are numbers from 0 to 8")

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw coefficients from N(0, sd²)."""
        channels, height, width = self.shape
        return {"spectrum": normal(generator, (1, channels, height, width // 2 + 1, 2), self.sd)}

    def paint(self, parameters: Parameters) -> Tensor:
        """Return the scaled inverse transform, (S, C, H, W)."""
        canvas: Tensor = (
            torch.fft.irfft2(self.waves(parameters), s=sides(self.size), norm="ortho") / _CONTRAST
        )
        return canvas

    def waves(self, parameters: Parameters) -> Tensor:
        """Return the scaled coefficients as complex numbers, (S, C, H, W // 2 + 1)."""
        spectrum = parameters["spectrum"]
        found: Tensor = torch.view_as_complex(spectrum * self._scale(spectrum)[..., None])
        return found

    def at(self, progress: float) -> Fourier | HalfFourier:
        """Return the half-sized canvas during the first `coarse` of the run, and this one afterwards."""
        return HalfFourier(self) if progress < self.coarse else self

    def unpaint(self, canvas: Tensor) -> Parameters:
        """Return the coefficients of a canvas, exactly."""
        spectrum = torch.view_as_real(torch.fft.rfft2(canvas * _CONTRAST, norm="ortho"))
        return {"spectrum": spectrum / self._scale(canvas)[..., None]}

    def _scale(self, like: Tensor) -> Tensor:
        return falloff(*sides(self.size), self.decay, like.dtype, like.device)


@dataclass(frozen=True)
class HalfFourier(Sheet):
    """A Fourier canvas at half its sides (rounded up): the same coefficients, but for the waves too fine for it.

    Where both can hold a wave they show it alike, so that a picture keeps its forms when it grows.
    """

    whole: Fourier

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        channels, height, width = self.whole.shape
        return channels, -(-height // 2), -(-width // 2)

    @property
    def mixed(self) -> bool:
        """Whether the canvas has decorrelated colors."""
        return self.whole.mixed

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw the coefficients of the whole canvas."""
        return self.whole.init(generator)

    def paint(self, parameters: Parameters) -> Tensor:
        """Return the inverse transform of the low frequencies, (S, C, ⌈H/2⌉, ⌈W/2⌉)."""
        _, height, width = self.shape
        waves = self.whole.waves(parameters)[..., : width // 2 + 1]
        low = torch.cat([waves[:, :, : -(-height // 2)], waves[:, :, waves.shape[2] - height // 2 :]], 2)
        full = self.whole.shape[1] * self.whole.shape[2]
        gain = (height * width / full) ** 0.5 / _CONTRAST
        canvas: Tensor = torch.fft.irfft2(low, s=(height, width), norm="ortho") * gain
        return canvas
