"""Losses, pictures and statuses in TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vital.callbacks.base import End
from vital.callbacks.board import Board
from vital.errors import missing_extra


class TensorBoard(Board):
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
        super().__init__(every, images_every)
        self.folder = Path(folder)
        self.writer: Any = SummaryWriter(str(folder))

    def write(self, number: int, losses: Mapping[str, float], pictures: Mapping[str, Image.Image]) -> None:
        """Write losses and pictures to the event file."""
        for tag, value in losses.items():
            self.writer.add_scalar(tag, value, number)
        for tag, picture in pictures.items():
            self.writer.add_image(tag, np.asarray(picture), number, dataformats="HWC")

    def tell(self, name: str, status: str, number: int) -> None:
        """Write what came of an image as text."""
        self.writer.add_text(name, status, number)

    def on_end(self, end: End) -> None:
        """Write the pictures and what came of them, so that they can be read at once."""
        super().on_end(end)
        self.writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self.writer.close()
