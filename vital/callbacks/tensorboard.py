"""Losses, pictures and statuses in TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vital.callbacks.base import Callback, End, Step
from vital.errors import missing_extra
from vital.types import Images
from vital.utils.drawing import to_pil
from vital.utils.options import check_whole


class TensorBoard(Callback):
    """Write losses, pictures and statuses where TensorBoard finds them (extra `tensorboard`).

    Show them with `tensorboard --logdir FOLDER`. Each unit has its own losses, by term, and its picture.

    Parameters
    ----------
    folder
        The folder of the event files.
    every
        The steps between two losses.
    images_every
        The steps between two pictures; the last is there always.

    Raises
    ------
    MissingDependencyError
        Where tensorboard is not installed.

    """

    def __init__(self, folder: str | Path, *, every: int = 8, images_every: int = 64) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise missing_extra("tensorboard", "tensorboard", "event files") from error
        self.folder = Path(folder)
        self.every, self.images_every = check_whole("every", every), check_whole("images_every", images_every)
        self.writer: Any = SummaryWriter(str(folder))
        self._last = 0

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        """Begin with other images."""
        del names, steps
        self._last = 0

    def on_step(self, step: Step) -> None:
        """Write the losses, and sometimes the pictures."""
        self._last = step.number
        if due(step, self.every):
            for tag, value in scalars(step).items():
                self.writer.add_scalar(tag, value, step.number)
        if due(step, self.images_every) and step.number < step.of and (images := step.images()) is not None:
            self._show(step.names, images, step.bands)

    def on_end(self, end: End) -> None:
        """Write the pictures and what came of them."""
        self._show(end.names, end.images, end.bands)
        for name, status in zip(end.names, end.status, strict=False):
            self.writer.add_text(f"{name}/status", status, self._last)
        self.writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self.writer.close()

    def _show(self, names: Sequence[str], images: Images | Sequence[Images], bands: tuple[int, ...]) -> None:
        for name, image in zip(names, images, strict=False):
            pixels = np.asarray(to_pil(image, bands).convert("RGB"))
            self.writer.add_image(f"{name}/picture", pixels, self._last, dataformats="HWC")


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
