"""What parameterizations share: the registry, sizes, and the two ways to go from an image back to parameters."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Self, TypeAlias

import torch
from torch import Tensor

from vital.errors import InvalidValueError
from vital.params import color
from vital.types import Images, Parameterization, Parameters
from vital.utils.devices import made_once
from vital.utils.parts import check_part_class
from vital.utils.random import generator as seeded
from vital.utils.registry import Registry

Size: TypeAlias = int | tuple[int, int]

PARAMS: Registry[type[Parameterization]] = Registry(
    "parameterization", group="vital.params", kind=Parameterization, check=check_part_class
)


class Invertible(Parameterization):
    """A parameterization that also goes back: from an image to the parameters that decode to it."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""

    @abstractmethod
    def encode(self, image: Images) -> Parameters:
        """Find the parameters of one slot that decode to `image`, (1, C, H, W), as nearly as they can."""

    def adopt(self, image: Images) -> Self:
        """Return the same parameterization with what it holds fixed taken from `image`. By default nothing is."""
        del image
        return self


class Canvas(Invertible):
    """A parameterization that paints a canvas (see `vital.params.color`); the image is its sigmoid.

    Canvases add up, which is what `Shared` does.
    """

    @property
    @abstractmethod
    def mixed(self) -> bool:
        """Whether the canvas has decorrelated colors."""

    @abstractmethod
    def paint(self, parameters: Parameters) -> Tensor:
        """Paint the canvases of S slots, (S · images, C, H, W), unbounded."""

    def unpaint(self, canvas: Tensor) -> Parameters:
        """Find the parameters of one slot that paint `canvas`, (1, C, H, W). By default by descent (see `fit`)."""
        return fit(self.paint, self.init(seeded("unpaint")), canvas)

    def decode(self, parameters: Parameters) -> Images:
        """Turn the parameters of S slots into images: sigmoid(canvas @ M)."""
        return color.to_image(self.paint(parameters), mixed=self.mixed)

    def encode(self, image: Images) -> Parameters:
        """Find the parameters that decode to `image`, by way of its canvas."""
        return self.unpaint(color.to_canvas(image, mixed=self.mixed))


class Sheet(Canvas):
    """A canvas with a size, a number of channels and a choice of colors of its own."""

    size: Size
    channels: int
    decorrelate: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of an image."""
        return (self.channels, *sides(self.size))

    @property
    def mixed(self) -> bool:
        """Whether the canvas has decorrelated colors."""
        return self.decorrelate


def fit(
    read: Callable[[Parameters], Tensor],
    start: Parameters,
    target: Tensor,
    *,
    steps: int = 400,
    lr: float = 0.05,
) -> Parameters:
    """Move parameters until `read` of them is near the target, in the mean of squares.

    Adam from `start`, learning rate ½·lr·(1 + cos(π·step/steps)). Draws nothing, so it gives the same every time.

    >>> made = fit(lambda p: p["x"] * 2, {"x": torch.zeros(1)}, torch.tensor([1.0]))
    >>> round(made["x"].item(), 3)
    0.5
    """
    with torch.enable_grad():
        moving = {k: v.detach().to(target, copy=True).requires_grad_() for k, v in start.items()}
        optimizer = torch.optim.Adam(list(moving.values()), lr=lr)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad()
            torch.autograd.backward(torch.mean((read(moving) - target) ** 2))
            optimizer.step()
    return {k: v.detach() for k, v in moving.items()}


def sides(size: Size) -> tuple[int, int]:
    """The height and width that a size stands for; an int is a square.

    >>> sides(3), sides((2, 5))
    ((3, 3), (2, 5))
    """
    pair = (size, size) if isinstance(size, int) else size
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(n, int) and n >= 1 for n in pair)):
        raise InvalidValueError(
            f"the image size is {size!r}; allowed are a whole number from 1, or a pair (height, width)"
        )
    return pair


def check(size: Size, channels: int, sd: float = 0.0) -> None:
    """Raise `InvalidValueError` unless an image can have this size and so many channels, and `sd` is a spread."""
    sides(size)
    if channels < 1:
        raise InvalidValueError(f"the number of channels is {channels}; allowed are whole numbers from 1")
    if not (math.isfinite(sd) and sd >= 0):
        raise InvalidValueError(f"the spread sd of the start is {sd}; allowed are numbers from 0")


def normal(generator: torch.Generator, shape: tuple[int, ...], sd: float) -> Tensor:
    """Draw from N(0, sd²) in float32, so that every precision starts from the same numbers."""
    return torch.randn(shape, generator=generator, dtype=torch.float32) * sd


@made_once(maxsize=8)
def falloff(height: int, width: int, decay: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The factors max(f, 1/max(H, W))^(−decay) for the frequencies of `torch.fft.rfft2`, (H, W // 2 + 1).

    f is the length of a frequency in cycles per pixel. The tensor is kept and shared: do not write into it.

    >>> falloff(2, 4, 1.0, torch.float64, torch.device("cpu")).tolist()[0]
    [4.0, 4.0, 2.0]
    """
    down = torch.fft.fftfreq(height, dtype=torch.float64)
    right = torch.fft.rfftfreq(width, dtype=torch.float64)
    lengths = torch.hypot(down[:, None], right[None]).clamp(min=1 / max(height, width))
    return lengths.pow(-decay).to(device, dtype)
