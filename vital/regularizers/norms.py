"""Penalties on the values of single pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vital.errors import InvalidValueError
from vital.terms import REGULARIZERS, Imagewise, per_image_mean
from vital.tracing import Of, Trace, check_of
from vital.types import PerImage


@REGULARIZERS.register("l1", example="reg.L1()")
@dataclass(frozen=True, repr=False)
class L1(Imagewise):
    """Keep pixels near a grey value, and let few leave it.

    Formula: mean |x − center|
    Source: L1, Lucid

    x is the picture that `of` names: "image" as it will be saved, "seen" through the random transforms, "input"
    after the network's normalization.

    >>> 0.1 * L1(center=0.4)
    0.1 * L1(center=0.4)
    """

    center: float = 0.5
    of: Of = "image"

    def __post_init__(self) -> None:
        check_of(self.of)

    def __call__(self, trace: Trace) -> PerImage:
        """The mean distance, (B,)."""
        return per_image_mean((trace.picture(self.of) - self.center).abs())


@REGULARIZERS.register("l2", example="reg.L2()")
@dataclass(frozen=True, repr=False)
class L2(Imagewise):
    """Keep pixels near a grey value.

    Formula: mean (x − center)², or with squared=False ‖x − center‖₂
    Source: Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, 2014; the norm as in
        DeepInversion (Yin et al., CVPR 2020) and VITAL (ICCV 2025)

    x is the picture that `of` names, as in `L1`. The published penalty of DeepInversion and VITAL is
    `L2(center=0, of="input", squared=False)`: the norm of each normalized image, not squared.

    >>> L2(0.0, "input", squared=False)
    L2(center=0.0, of='input', squared=False)
    """

    center: float = 0.5
    of: Of = "image"
    squared: bool = True

    def __post_init__(self) -> None:
        check_of(self.of)

    def __call__(self, trace: Trace) -> PerImage:
        """The mean square or the norm, (B,)."""
        apart = trace.picture(self.of) - self.center
        norm: PerImage = torch.linalg.vector_norm(apart.flatten(1), dim=1)
        return per_image_mean(apart.square()) if self.squared else norm


@REGULARIZERS.register("range", example="reg.Range()")
@dataclass(frozen=True, repr=False)
class Range(Imagewise):
    """Keep pixels between two values.

    Formula: mean max(0, low − x, x − high)²
    Source: the soft form of the bounded range of Mahendran, Vedaldi, Visualizing Deep CNNs Using Natural
        Pre-images, IJCV 2016

    x is the picture that `of` names, as in `L1`. Zero while every pixel lies inside. Bounds a little inside 0
    and 1 keep a picture off pure black and white. Raises `InvalidValueError` unless low < high.

    >>> Range(0.05, 0.95)
    Range(low=0.05, high=0.95)
    """

    low: float = 0.0
    high: float = 1.0
    of: Of = "image"

    def __post_init__(self) -> None:
        check_of(self.of)
        if not self.low < self.high:
            raise InvalidValueError(f"low is {self.low} and high is {self.high}; low must be below high")

    def __call__(self, trace: Trace) -> PerImage:
        """The mean squared excess, (B,)."""
        x = trace.picture(self.of)
        return per_image_mean((x - x.detach().clamp(self.low, self.high)).square())
