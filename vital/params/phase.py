"""Images whose magnitude spectrum is fixed, so that only the phase is searched (MACO)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import DataError, InvalidValueError
from vital.params import color
from vital.params.base import PARAMS, Sheet, Size, check, falloff, sides
from vital.types import Images, Parameters
from vital.utils.devices import moved


@PARAMS.register("phase", example="par.Phase(32)")
@dataclass(frozen=True, eq=False)
class Phase(Sheet):
    """The phase of each frequency; the magnitudes are given and stay.

        canvas = standard(irfft2(magnitude · exp(i · phase))),   image = sigmoid(canvas @ M)

    where standard(x) = (x − mean x) / std x over the whole canvas of an image, and phase ~ U(−π, π) at the start
    (MACO: Fel et al., Unlocking Feature Visualization for Deeper Networks, NeurIPS 2023). `magnitude` (C, H', W'//2+1)
    is the mean |rfft2| of natural images, from `spectrum`; one of another resolution is resized bilinearly. Without
    one, magnitudes fall as 1/f. With `standardize=False` the canvas keeps the contrast that the magnitudes
    give it. `standard_phase` standardizes the phase as well, as the published code does: slots then keep a spread
    of one radian. Parameters: `phase` (S, C, H, W // 2 + 1), in radians.

    >>> par = Phase((5, 7))
    >>> par.decode(par.init(torch.Generator().manual_seed(0))).shape
    torch.Size([1, 3, 5, 7])
    """

    size: Size
    channels: int = 3
    magnitude: Tensor | None = field(default=None, repr=False)
    decorrelate: bool = True
    standardize: bool = True
    standard_phase: bool = False

    def __post_init__(self) -> None:
        check(self.size, self.channels)
        if self.magnitude is None:
            return
        if self.magnitude.ndim != 3 or self.magnitude.shape[0] != self.channels or not self.magnitude.numel():
            shape = tuple(self.magnitude.shape)
            raise InvalidValueError(
                f"the magnitude has the shape {shape}; allowed is ({self.channels}, H, W // 2 + 1)"
            )
        if not torch.isfinite(self.magnitude).all() or bool((self.magnitude < 0).any()):
            raise InvalidValueError(
                "the magnitude has entries that are negative or not finite; allowed are numbers from 0"
            )

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw phases from U(−π, π)."""
        channels, height, width = self.shape
        drawn = torch.rand((1, channels, height, width // 2 + 1), generator=generator, dtype=torch.float32)
        return {"phase": (drawn * 2 - 1) * math.pi}

    def paint(self, parameters: Parameters) -> Tensor:
        """Return the inverse transform of the given magnitudes with these phases, (S, C, H, W)."""
        phase = _standard(parameters["phase"]) if self.standard_phase else parameters["phase"]
        magnitude = self._magnitude(phase)
        waves = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
        canvas = torch.fft.irfft2(waves, s=sides(self.size))
        return _standard(canvas) if self.standardize else canvas

    def unpaint(self, canvas: Tensor) -> Parameters:
        """Return the phases of a canvas; its magnitudes are lost, unless they were taken by `adopt`."""
        return {"phase": torch.angle(torch.fft.rfft2(canvas))}

    def adopt(self, image: Images) -> Self:
        """Return the same with the magnitudes of `image`, and its contrast."""
        magnitude = torch.fft.rfft2(color.to_canvas(image, mixed=self.mixed)).abs()[0]
        return replace(self, magnitude=magnitude, standardize=False, standard_phase=False)

    def _magnitude(self, like: Tensor) -> Tensor:
        _, height, width = self.shape
        if self.magnitude is None:
            return falloff(height, width, 1.0, like.dtype, like.device)
        wanted = (height, width // 2 + 1)
        given = moved(self.magnitude, like)
        return given if given.shape[1:] == wanted else F.interpolate(given[None], wanted, mode="bilinear")[0]


def spectrum(images: Tensor | Iterable[Tensor], *, decorrelate: bool = True) -> Tensor:
    """Return the mean |rfft2| of the decorrelated images, (C, H, W // 2 + 1), float32: a magnitude for `Phase`.

    `images` is one batch (B, C, H, W) in [0, 1] or any iterable of batches, of which one at a time is looked at.
    All images have one size. Raises `DataError` for no images, and for images of several sizes.

    >>> spectrum(torch.ones(2, 1, 4, 6)).flatten().tolist()[:2]
    [24.0, 0.0]
    """
    total, count = torch.zeros(()), 0
    for batch in [images] if isinstance(images, Tensor) else images:
        if batch.ndim != 4:
            raise DataError(f"a batch of images has the shape {tuple(batch.shape)}; allowed is (B, C, H, W)")
        if not len(batch):  # some transforms refuse an empty batch
            continue
        waves = (
            torch.fft.rfft2(color.decorrelate(batch.double()) if decorrelate else batch.double()).abs().sum(0)
        )
        if count and waves.shape != total.shape:
            raise DataError(
                "the images have several sizes; bring them to one size before taking their spectrum"
            )
        total, count = total.to(waves) + waves, count + len(batch)
    if not count:
        raise DataError("there are no images to take a spectrum from; give at least one")
    return (total / count).float()


def _standard(x: Tensor) -> Tensor:
    """(x − mean) / std of each entry."""
    var, mean = torch.var_mean(x, (1, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (var + 1e-10).sqrt()
