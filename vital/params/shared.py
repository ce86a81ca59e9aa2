"""Several images of one slot that share a part of what they are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params.base import PARAMS, Canvas
from vital.params.lowres import LowRes
from vital.types import Parameters

_OWN, _COMMON = "own ", "common "


@PARAMS.register("shared", example="par.Shared(par.Fourier(32), images=2)")
@dataclass(frozen=True)
class Shared(Canvas):
    """`images` images per slot, each the sum of its own canvas and one canvas that all of them share.

        canvas_i = base(own_i) + common(common parameters)

    Images that share parts stay comparable while they differ in detail (Mordvintsev et al., Differentiable Image
    Parameterizations, 2018: aligned feature visualizations). `base` paints what an image has to itself; `common`,
    by default low-resolution grids of factor 4 and 8, what they share. Colors are the base's. Parameters:
    `own K` (S, images, …) and `common K` (S, …) for the parameters K of the two.

    >>> from vital.params import Fourier
    >>> par = Shared(Fourier(8), images=3)
    >>> par.decode(par.init(torch.Generator().manual_seed(0))).shape
    torch.Size([3, 3, 8, 8])
    """

    base: Canvas
    images: int = 4
    common: Canvas | None = None

    def __post_init__(self) -> None:
        for name, part in (("base", self.base), ("common part", self._common)):
            if not isinstance(part, Canvas) or part.images != 1:
                kind = type(part).__name__
                raise InvalidValueError(
                    f"the {name} is {kind}; allowed are Fourier, Phase, LowRes, CPPN and other canvases"
                )
        if self._common.shape != self.base.shape:
            raise InvalidValueError(
                f"the common part has the shape {self._common.shape}; allowed is {self.base.shape}, the base's"
            )
        if self.images < 1:
            raise InvalidValueError(f"images is {self.images}; allowed are whole numbers from 1")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        return self.base.shape

    @property
    def mixed(self) -> bool:
        """Whether the canvas has decorrelated colors."""
        return self.base.mixed

    @property
    def _common(self) -> Canvas:
        if self.common is None and isinstance(self.base, Canvas):
            channels, height, width = self.base.shape
            return LowRes((height, width), channels, factors=(4, 8))
        return self.common or self.base

    def init(self, generator: torch.Generator) -> Parameters:
        """Draw the common part, then each image's own part in order."""
        common = self._common.init(generator)
        own = [self.base.init(generator) for _ in range(self.images)]
        return _join(common, {k: torch.cat([o[k] for o in own]) for k in own[0]})

    def paint(self, parameters: Parameters) -> Tensor:
        """Return own + common for every image of every slot, (S · images, C, H, W)."""
        common, own = _split(parameters)
        shared = self._common.paint(common).repeat_interleave(self.images, 0)
        return self.base.paint(own) + shared

    def unpaint(self, canvas: Tensor) -> Parameters:
        """Let the common part take what it can of a canvas and every image the rest."""
        common = self._common.unpaint(canvas)
        own = self.base.unpaint(canvas - self._common.paint(common))
        return _join(common, {k: v.repeat_interleave(self.images, 0) for k, v in own.items()})

    def project(self, parameters: Parameters) -> None:
        """Project the parts, in place."""
        common, own = _split(parameters)
        self._common.project(common)
        self.base.project(own)


def _join(common: Parameters, own: Parameters) -> Parameters:
    return {_COMMON + k: v for k, v in common.items()} | {_OWN + k: v[None] for k, v in own.items()}


def _split(parameters: Parameters) -> tuple[Parameters, Parameters]:
    """The common and the own parameters; the own ones with one entry per image, sharing their memory."""
    common = {k.removeprefix(_COMMON): v for k, v in parameters.items() if k.startswith(_COMMON)}
    own = {k.removeprefix(_OWN): v.flatten(0, 1) for k, v in parameters.items() if k.startswith(_OWN)}
    return common, own
