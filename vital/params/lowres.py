"""Images as a sum of coarse grids."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params.base import PARAMS, Sheet, Size, check, normal, sides
from vital.types import Parameters


@PARAMS.register("lowres", example="par.LowRes(32)")
@dataclass(frozen=True)
class LowRes(Sheet):
    """A sum of grids, each `factor` times coarser than the image and upsampled bilinearly.

    Grids start from N(0, sd²). One factor gives an image without fine detail (Lucid's `lowres_tensor`, mostly a part
    of `Shared`); factors down to 1, as (1, 2, 4, 8), give Lucid's Laplacian pyramid. A grid has
    ceil(side / factor) entries along a side. Parameters: `by FACTOR` (S, C, h, w) for each factor.

    >>> {k: tuple(v.shape) for k, v in LowRes((8, 9), factors=(2, 4)).init(torch.Generator()).items()}
    {'by 2': (1, 3, 4, 5), 'by 4': (1, 3, 2, 3)}
    """

    size: Size
    channels: int = 3
    factors: tuple[int, ...] = (2, 4, 8)
    decorrelate: bool = True
    sd: float = 0.01

    def __post_init__(self) -> None:
        check(self.size, self.channels, self.sd)
        if not self.factors or len(set(self.factors)) < len(self.factors) or min(self.factors) < 1:
            raise InvalidValueError(
                f"the factors are {self.factors}; allowed are different whole numbers from 1, at least one"
            )

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw every grid from N(0, sd²), in the order of `factors`."""
        grids = {factor: self._grid(factor) for factor in self.factors}
        return {f"by {k}": normal(generator, (1, self.channels, *grid), self.sd) for k, grid in grids.items()}

    def paint(self, parameters: Parameters) -> Tensor:
        """Return the sum of the upsampled grids, (S, C, H, W)."""
        grids = [parameters[f"by {factor}"] for factor in self.factors]
        return torch.stack([F.interpolate(g, sides(self.size), mode="bilinear") for g in grids]).sum(0)

    def unpaint(self, canvas: Tensor) -> Parameters:
        """Return the least-squares fit on the finest grid; the coarser grids are 0."""
        finest = min(self.factors)
        down, right = (
            torch.linalg.pinv(_upsampler(n, side, canvas))
            for n, side in zip(self._grid(finest), sides(self.size), strict=True)
        )
        found = {f"by {k}": canvas.new_zeros(1, self.channels, *self._grid(k)) for k in self.factors}
        return found | {f"by {finest}": down @ canvas @ right.T}

    def _grid(self, factor: int) -> tuple[int, int]:
        height, width = sides(self.size)
        return -(-height // factor), -(-width // factor)


def _upsampler(coarse: int, fine: int, like: Tensor) -> Tensor:
    """The matrix (fine, coarse) of linear upsampling along one axis."""
    return F.interpolate(torch.eye(coarse).to(like)[None], fine, mode="linear")[0].T
