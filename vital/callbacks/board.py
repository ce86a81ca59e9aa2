"""What boards of runs have in common: which losses and pictures they are given, and when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from PIL import Image

from vital.callbacks.base import Callback, End, Step
from vital.types import Images
from vital.utils.drawing import to_pil
from vital.utils.options import check_whole


class Board(Callback, ABC):
    """Hears losses every few steps and pictures more seldom; a subclass writes them."""

    def __init__(self, every: int, images_every: int) -> None:
        self.every, self.images_every = check_whole("every", every), check_whole("images_every", images_every)
        self._last = 0

    @abstractmethod
    def write(self, number: int, losses: Mapping[str, float], pictures: Mapping[str, Image.Image]) -> None:
        """Write what there is of the step of a number, by name."""

    @abstractmethod
    def tell(self, name: str, status: str, number: int) -> None:
        """Write what came of an image."""

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        """Begin with other images, whose steps have numbers of their own."""
        del names, steps
        self._last = 0

    def on_step(self, step: Step) -> None:
        """Write the losses, and sometimes the pictures."""
        self._last = step.number
        losses = scalars(step) if due(step, self.every) else {}
        pictures: dict[str, Image.Image] = {}
        if due(step, self.images_every) and step.number < step.of and (images := step.images()) is not None:
            pictures = _pictures(step.names, images, step.bands)
        if losses or pictures:
            self.write(step.number, losses, pictures)

    def on_end(self, end: End) -> None:
        """Write the pictures, and what came of them."""
        if pictures := _pictures(end.names, end.images, end.bands):
            self.write(self._last, {}, pictures)
        for name, status in zip(end.names, end.status, strict=False):
            self.tell(f"{name}/status", status, self._last)


def _pictures(
    names: Sequence[str], images: Images | Sequence[Images], bands: tuple[int, ...]
) -> dict[str, Image.Image]:
    return {
        f"{name}/picture": to_pil(image, bands).convert("RGB")
        for name, image in zip(names, images, strict=False)
    }


def due(step: Step, every: int) -> bool:
    """Whether a step is the first, the last, or one of those between.

    >>> import torch
    >>> [n for n in range(1, 8) if due(Step(n, 7, torch.zeros(1)), 3)]
    [1, 3, 6, 7]
    """
    return step.number in {1, step.of} or step.number % every == 0


def scalars(step: Step) -> dict[str, float]:
    """The losses of a step by name: of each image and each part of its term, or the loss of a training.

    >>> import torch
    >>> scalars(Step(1, 2, torch.ones(1), names=("class:3",)))
    {'class:3/loss': 1.0}
    """
    names = step.names or tuple(str(i) for i in range(len(step.losses)))
    parts = {part: values.tolist() for part, values in step.terms().items() if part != "total"}
    found = {}
    for i, (name, loss) in enumerate(zip(names, step.losses.tolist(), strict=True)):
        found[f"{name}/loss"] = loss
        for part, values in parts.items():
            if values[i] == values[i]:  # not a number where the image's term has no such part
                found[f"{name}/loss/{part}"] = values[i]
    return found
