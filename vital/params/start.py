"""A search that starts from a given image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params.base import PARAMS, Invertible
from vital.types import Images, Parameterization, Parameters


@PARAMS.register("from", example="par.From(par.Pixels(32), torch.full((3, 32, 32), 0.25))")
@dataclass(frozen=True, eq=False)
class From(Invertible):
    """The parameterization `base`, with every slot started from one image (feature accentuation).

    The start is base.encode(image): exact for `Pixels`, `Fourier` and `Phase` (which takes its magnitudes from the
    image), least squares for `LowRes`, and 400 steps of descent for `CPPN`. To it is added `noise` times the base's
    own random start. The image is (C, H, W) or (1, C, H, W) in [0, 1]; one of another size is resized to the base's,
    bilinearly with antialiasing. See Hamblin et al., Feature Accentuation, 2024. Parameters: the base's.

    >>> from vital.params import Pixels
    >>> par = From(Pixels(2), torch.full((3, 2, 2), 0.75))
    >>> par.decode(par.init(torch.Generator())).unique().tolist()
    [0.75]
    """

    base: Invertible
    image: Tensor = field(repr=False)
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.base, Invertible):
            raise InvalidValueError(
                f"the base is {type(self.base).__name__}; allowed are parameterizations that can encode an image"
            )
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise InvalidValueError(f"the noise is {self.noise}; allowed are numbers from 0")
        shape, channels = tuple(self.image.shape), self.base.shape[0]
        if (
            len(shape) not in (3, 4)
            or shape[-3] != channels
            or shape[:-3] not in ((), (1,))
            or not self.image.numel()
        ):
            raise InvalidValueError(
                f"the image has the shape {shape}; allowed are ({channels}, H, W) and (1, {channels}, H, W)"
            )
        if not (self.image.is_floating_point() and bool(((self.image >= 0) & (self.image <= 1)).all())):
            raise InvalidValueError(
                "the image has values that are no numbers from 0 to 1; scale it to [0, 1] first"
            )

    @property
    def images(self) -> int:  # type: ignore[override]
        """How many images a slot has: the base's number."""
        return self.base.images

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        return self.base.shape

    @cached_property
    def _image(self) -> Images:
        image = self.image.detach().cpu().double().view(1, *self.image.shape[-3:])
        return F.interpolate(image, self.base.shape[1:], mode="bilinear", antialias=True)

    @cached_property
    def _base(self) -> Invertible:
        return self.base.adopt(self._image)

    @cached_property
    def _start(self) -> Parameters:
        return {k: v.float() for k, v in self._base.encode(self._image).items()}

    def init(self, generator: torch.Generator) -> Parameters:
        """Return the image's parameters, plus `noise` times a random start of the base."""
        random = self._base.init(generator)
        return {k: v + self.noise * random[k] for k, v in self._start.items()}

    def decode(self, parameters: Parameters) -> Images:
        """Decode as the base does."""
        return self._base.decode(parameters)

    def project(self, parameters: Parameters) -> None:
        """Project as the base does."""
        self._base.project(parameters)

    def at(self, progress: float) -> Parameterization:
        """Go from coarse to fine as the base does."""
        return self._base.at(progress)

    def encode(self, image: Images) -> Parameters:
        """Encode as the base does."""
        return self._base.encode(image)
