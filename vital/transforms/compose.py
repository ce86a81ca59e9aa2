"""Transforms one after another, functions as transforms, and the published sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from vital.errors import InvalidValueError
from vital.transforms.base import TRANSFORMS
from vital.transforms.geometric import Jitter, Pad, Trim
from vital.transforms.photometric import Noise
from vital.transforms.resample import Crop, Rotate, Scale
from vital.types import Images, Transform
from vital.utils.parts import check_one_size, check_part_class, transformed
from vital.utils.random import Random, seeding_torch


@TRANSFORMS.register("compose", example="transforms.Compose(transforms.Roll(2), transforms.Flip())")
@dataclass(frozen=True, init=False, repr=False)
class Compose(Transform):
    """Apply several transforms, the first one first.

    >>> Compose(Pad(2), Jitter(1))
    Compose(Pad(pixels=2, mode='constant', value=0.5), Jitter(pixels=1))
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        for transform in transforms:
            if not isinstance(transform, Transform):
                raise InvalidValueError(f"Compose is given {transform!r}; allowed are transforms")
            check_part_class(type(transform))
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, images: Images, random: Random) -> Images:
        """Return the images as seen through all of them."""
        for transform in self.transforms:
            images = transformed(transform, images, random)
        return images

    def at(self, progress: float) -> Compose:
        """Return all of them as they are after a share of the run."""
        return Compose(*(transform.at(progress) for transform in self.transforms))

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


@TRANSFORMS.register("lambda", example="transforms.Lambda(torch.nn.AvgPool2d(3, 1, 1))")
@dataclass(frozen=True)
class Lambda(Transform):
    """Apply a function of an image, such as a transform of torchvision.

    `function` takes and returns (1, C, H, W) and lets the gradient through; the size must not be random. It is called
    for one image after the other. What it draws from torch's global generators is seeded for each image, so that the
    same seed gives the same picture; numbers from elsewhere (`random`, NumPy) are not. Draws one number.

    >>> Lambda(lambda image: image.flip(-1))(torch.eye(2)[None, None], Random([0])).flatten().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    function: Callable[[Images], Images]

    def __post_init__(self) -> None:
        if not callable(self.function) or isinstance(self.function, type):
            raise InvalidValueError(f"Lambda is given {self.function!r}; allowed are functions of an image")
        if isinstance(self.function, Transform):
            raise InvalidValueError(
                f"Lambda is given {self.function!r}, which is a transform; give it as it is"
            )

    def __call__(self, images: Images, random: Random) -> Images:
        """Return what the function makes of each image; raises `InvalidValueError` unless it is such an image."""
        seen = [self._one(images[i : i + 1], own) for i, own in enumerate(random.generators())]
        check_one_size(self, seen)
        return torch.cat(seen)

    def _one(self, image: Images, generator: torch.Generator) -> Images:
        with seeding_torch(generator, image.device):
            seen = self.function(image)
        name = getattr(self.function, "__name__", type(self.function).__name__)
        if not isinstance(seen, torch.Tensor) or seen.ndim != 4 or len(seen) != 1:
            shape = tuple(seen.shape) if isinstance(seen, torch.Tensor) else type(seen).__name__
            raise InvalidValueError(
                f"the function {name} in Lambda returned {shape}; allowed is (1, C, H, W)"
            )
        if torch.is_grad_enabled() and image.requires_grad and not seen.requires_grad:
            raise InvalidValueError(
                f"the function {name} in Lambda returned an image without gradient; use tensor operations alone"
            )
        return seen


def lucid() -> Compose:
    """The transforms of Lucid (Olah et al., Feature Visualization, 2017), at constant size.

    A grey frame of 12 pixels, jitter 8, a zoom from 0.90, 0.92 … 1.10, a turn from −10 … 10 degrees and five times
    0, jitter 4. Lucid's jitter d is `Jitter(d / 2)` here, and the frame is cut off again at the end, so that the
    network sees its own input size.

    >>> lucid()(torch.rand(1, 3, 32, 48), Random([0])).shape
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

    >>> maco(8)(torch.rand(1, 3, 32, 32), Random([0])).shape
    torch.Size([1, 3, 8, 8])
    """
    return Compose(Crop(size, shrink=True, sd=0.05), Noise(0.08, uniform=0.04))
