"""Views one after another, and the published sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vital.errors import InvalidValueError
from vital.transforms.base import TRANSFORMS
from vital.transforms.geometric import Jitter, Pad, Trim
from vital.transforms.photometric import Noise
from vital.transforms.resample import Crop, Rotate, Scale
from vital.types import Images, Transform


@TRANSFORMS.register("compose", example="transforms.Compose(transforms.Roll(2), transforms.Flip())")
@dataclass(frozen=True, init=False, repr=False)
class Compose(Transform):
    """Look through several transforms, the first one first.

    >>> Compose(Pad(2), Jitter(1))
    Compose(Pad(pixels=2, mode='constant', value=0.5), Jitter(pixels=1))
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        for view in transforms:
            if not isinstance(view, Transform):
                raise InvalidValueError(f"Compose is given {view!r}; allowed are transforms")
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, image: Images, generator: torch.Generator) -> Images:
        """Return the image as seen through all of them."""
        for view in self.transforms:
            image = view(image, generator)
        return image

    def at(self, progress: float) -> Compose:
        """Return all of them as they are after a share of the run."""
        return Compose(*(view.at(progress) for view in self.transforms))

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


def lucid() -> Compose:
    """The transforms of Lucid (Olah et al., Feature Visualization, 2017), at constant size.

    A grey frame of 12 pixels, jitter 8, a zoom from 0.90, 0.92 … 1.10, a turn from −10 … 10 degrees and five times
    0, jitter 4. Lucid's jitter d is `Jitter(d / 2)` here, and the frame is cut off again at the end, so that the
    network sees its own input size.

    >>> lucid()(torch.rand(1, 3, 32, 48), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 3, 32, 48])
    """
    zooms = tuple(round(0.9 + 0.02 * i, 2) for i in range(11))
    turns = tuple(float(angle) for angle in (*range(-10, 11), *[0] * 5))
    scale, rotate = Scale(choices=zooms, outside="border"), Rotate(choices=turns, outside="border")
    return Compose(Pad(12), Jitter(4), scale, rotate, Jitter(2), Trim(12))


def maco(size: int | tuple[int, int] | None = None) -> Compose:
    """The transforms of MACO (Fel et al., NeurIPS 2023): a box that shrinks from 50 to 5 % of a side, and noise.

    The box's share is N(its place on that line, 0.05²); it is resized to `size`, the network's own. It is published
    with 32 such looks at the image in every step (`n_transforms=32` in `vital.optimize`).

    >>> maco(8)(torch.rand(1, 3, 32, 32), torch.Generator().manual_seed(0)).shape
    torch.Size([1, 3, 8, 8])
    """
    return Compose(Crop(size, shrink=True, sd=0.05), Noise(0.08, uniform=0.04))
