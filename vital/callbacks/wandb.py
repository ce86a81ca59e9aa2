"""Losses, pictures and statuses in Weights & Biases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vital.callbacks.base import Callback, End, Step
from vital.callbacks.tensorboard import due, scalars
from vital.errors import missing_extra
from vital.types import Images
from vital.utils.drawing import to_pil
from vital.utils.options import check_whole


class WandB(Callback):
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
        self.every, self.images_every = check_whole("every", every), check_whole("images_every", images_every)
        self._library, self._own = wandb, run is None
        self.run = wandb.init(project=project, **options) if run is None else run
        self._last = 0

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        """Begin with other images, whose steps have a number of their own beside that of the run."""
        del names, steps
        self._last = 0

    def on_step(self, step: Step) -> None:
        """Log the losses, and sometimes the pictures."""
        self._last = step.number
        facts: dict[str, Any] = dict(scalars(step)) if due(step, self.every) else {}
        if due(step, self.images_every) and step.number < step.of and (images := step.images()) is not None:
            facts |= self._pictures(step.names, images, step.bands)
        if facts:
            self.run.log({"step": step.number, **facts})

    def on_end(self, end: End) -> None:
        """Log the pictures, and what came of them into the summary of the run."""
        if pictures := self._pictures(end.names, end.images, end.bands):
            self.run.log({"step": self._last, **pictures})
        for name, status in zip(end.names, end.status, strict=False):
            self.run.summary[f"{name}/status"] = status

    def close(self) -> None:
        """Finish the run, if it was begun here."""
        if self._own:
            self.run.finish()

    def _pictures(
        self, names: Sequence[str], images: Images | Sequence[Images], bands: tuple[int, ...]
    ) -> dict[str, Any]:
        return {
            f"{name}/picture": self._library.Image(to_pil(image, bands).convert("RGB"))
            for name, image in zip(names, images, strict=False)
        }
