"""A penalty on how bright and how colorful an image is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.terms import REGULARIZERS, Imagewise
from vital.tracing import Trace
from vital.types import Images, PerImage
from vital.utils.hashing import tensor_hash
from vital.utils.sorting import ascending, resize_quantiles, sort_matching

EPS = 1e-6
"""Added below the root, so that the gradient is finite at a grey pixel."""

LEAST = 1e-3
"""The smallest variance to divide by: that of plain images, all but 3 % of the range."""


@REGULARIZERS.register("colors", example="reg.Colors.of(picture)")
@dataclass(frozen=True, repr=False)
class Colors(Imagewise):
    """Give an image the brightness and the colorfulness of natural images, of whatever hue.

    Formula: mean_{k,i} (g_{k,i} − q_{k,rank(i)})² / v, with g_1 = x̄ the mean over channels and g_2 = ‖x − x̄‖₂
    Source: sort matching, as in VITAL (ICCV 2025), of each pixel's brightness and of its distance from grey

    q are sorted vectors, (2, N), the mean over natural images, and v their variance over pixels; `of` makes them. For
    a picture of another size they are interpolated. Raises `InvalidValueError` for vectors of another shape.

    >>> Colors.of(torch.rand(4, 3, 8, 8)).quantiles.shape
    torch.Size([2, 64])
    """

    quantiles: Tensor = field(repr=False, compare=False)
    digest: str = field(default="", init=False)
    _targets: dict[tuple[int, str], Tensor] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.quantiles.ndim != 2 or len(self.quantiles) != 2 or not self.quantiles.numel():
            raise InvalidValueError(
                f"the sorted vectors have the shape {tuple(self.quantiles.shape)}; allowed is (2, N); "
                "Colors.of(images) makes them"
            )
        object.__setattr__(self, "digest", tensor_hash(self.quantiles)[:8])

    @classmethod
    def of(cls, images: Images) -> Colors:
        """Make the term from natural images (B, C, H, W) in [0, 1]: the mean of their sorted vectors."""
        return cls(ascending(brightness_and_color(images)).mean(0))

    def __call__(self, trace: Trace) -> PerImage:
        """The distance, (B,)."""
        values = brightness_and_color(trace.image)
        key = (values.shape[2], f"{values.dtype} {values.device}")
        if key not in self._targets:
            self._targets[key] = resize_quantiles(self.quantiles.to(values), values.shape[2])
        return sort_matching(values, self._targets[key]) / max(self._variance, LEAST)

    @cached_property
    def _variance(self) -> float:
        return float(self.quantiles.var(1, correction=0).mean())


def brightness_and_color(images: Images) -> Tensor:
    """The mean over channels of each pixel, and its distance from it: (B, 2, H · W)."""
    mean = images.mean(1, keepdim=True)
    away = ((images - mean).square().sum(1, keepdim=True) + EPS).sqrt()
    return torch.cat([mean, away], 1).flatten(2)
