"""Losses, pictures and statuses in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from vital.callbacks.board import Board
from vital.errors import missing_extra


class WandB(Board):
    """Log losses, pictures and statuses to Weights & Biases (extra `wandb`).

    Without an account or a network give `mode="offline"`; `wandb sync` uploads it later.

    Parameters
    ----------
    project
        The project of the run.
    run
        A run that goes on already, instead of a new one.
    every
        The steps between two losses.
    images_every
        The steps between two pictures; the last is there always.
    **options
        Further arguments of `wandb.init`, such as `name`, `dir` and `mode`.

    Raises
    ------
    MissingDependencyError
        Where wandb is not installed.

    """

    def __init__(
        self,
        project: str = "vital",
        *,
        run: Any = None,
        every: int = 8,
        images_every: int = 64,
        **options: Any,
    ) -> None:
        try:
            import wandb
        except ImportError as error:
            raise missing_extra("wandb", "wandb", "runs of Weights & Biases") from error
        super().__init__(every, images_every)
        self._library, self._own = wandb, run is None
        self.run = wandb.init(project=project, **options) if run is None else run

    def write(self, number: int, losses: Mapping[str, float], pictures: Mapping[str, Image.Image]) -> None:
        """Log losses and pictures, with their own number of the step beside that of the run."""
        shown = {tag: self._library.Image(picture) for tag, picture in pictures.items()}
        self.run.log({"step": number, **losses, **shown})

    def tell(self, name: str, status: str, number: int) -> None:
        """Write what came of an image into the summary of the run."""
        del number
        self.run.summary[name] = status

    def close(self) -> None:
        """Finish the run, if it was begun here."""
        if self._own:
            self.run.finish()
