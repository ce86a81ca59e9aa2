"""A penalty on the frequencies of an image."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.terms import REGULARIZERS, Imagewise, per_image_mean
from vital.tracing import Of, Trace, check_of
from vital.types import PerImage
from vital.utils.devices import moved
from vital.utils.hashing import tensor_hash

FAINT = 1e-4


@REGULARIZERS.register("spectrum", example="reg.Spectrum()")
@dataclass(frozen=True, repr=False)
class Spectrum(Imagewise):
    """Give an image the frequencies of natural images.

    Formula: var_k (log |X(k)| + decay · log |k|) over all k ≠ 0; with a target mean (log |X(k)| − log T(k))²
    Source: natural spectra fall as 1/f (Field, JOSA A 1987); a given magnitude as in MACO (Fel et al.,
        NeurIPS 2023)

    X is the orthonormal Fourier transform of each color channel of the picture that `of` names ("image",
    "seen", "input"). Without a target only the slope is held, not the contrast. `target` holds the wanted
    magnitudes |X|, (C, H, W // 2 + 1), as `torch.fft.rfft2(..., norm="ortho")` lays them out. Magnitudes far
    below 10⁻⁴ count as 10⁻⁴. Raises `InvalidValueError` for a target of another size.

    >>> Spectrum(decay=1.2)
    Spectrum(decay=1.2)
    """

    decay: float = 1.0
    target: Tensor | None = field(default=None, repr=False, compare=False)
    of: Of = "image"
    digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        check_of(self.of)
        object.__setattr__(self, "digest", "" if self.target is None else tensor_hash(self.target)[:8])

    def __call__(self, trace: Trace) -> PerImage:
        """The distance, (B,)."""
        x = trace.picture(self.of)
        wave = torch.fft.rfft2(x, norm="ortho")
        power = wave.real.square() + wave.imag.square()
        log = 0.5 * (power + FAINT**2).log()
        if self.target is None:
            bent = (log + self.decay * log_frequency(x)).flatten(2)[..., 1:]
            spread: PerImage = bent.var(2, unbiased=False).mean(1)
            return spread
        if self.target.shape != log.shape[1:]:
            raise InvalidValueError(
                f"the target spectrum has the shape {tuple(self.target.shape)}; "
                f"an image of {x.shape[2]} x {x.shape[3]} needs {tuple(log.shape[1:])}"
            )
        return per_image_mean((log - 0.5 * (moved(self.target, x).square() + FAINT**2).log()).square())


def log_frequency(x: Tensor) -> Tensor:
    """Compute log |k| in cycles per pixel for the layout of an image's `rfft2`; 0 at k = 0: (H, W // 2 + 1)."""
    height, width = x.shape[2:]
    rows = torch.fft.fftfreq(height, dtype=x.dtype, device=x.device)
    columns = torch.fft.rfftfreq(width, dtype=x.dtype, device=x.device)
    length = torch.hypot(rows[:, None], columns)
    length[0, 0] = 1.0
    return length.log()
