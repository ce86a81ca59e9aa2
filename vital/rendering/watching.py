"""Who watches pictures being rendered: their progress, the run folder that takes them, and a look at them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vital.callbacks import Callback, End, Step
from vital.records import Prototype
from vital.rendering.run_folder import Run
from vital.units import Unit
from vital.utils.drawing import TILE, contact_sheet, to_pil
from vital.utils.io import as_png, write
from vital.utils.progress import Progress

PREVIEW = "preview.png"
"""What the pictures look like that are being rendered; gone when they are done."""
PREVIEW_SECONDS = 30.0


def name_of(unit: Unit, seed: int) -> str:
    """What a picture is called to callbacks.

    >>> name_of(Unit("layer4", 3), 0), name_of(Unit("layer4", 3), 1)
    ('layer4:3', 'layer4:3 seed 1')
    """
    return f"{unit} seed {seed}" if seed else str(unit)


class Renamed(Callback):
    """Passes on a search under the names of pictures; their end is told when it is known what came of them."""

    def __init__(self, callback: Callback, names: Sequence[str]) -> None:
        self.callback, self.own = callback, tuple(names)

    def _names(self, count: int) -> tuple[str, ...]:
        each = count // len(self.own)
        return self.own if each == 1 else tuple(f"{name} image {i}" for name in self.own for i in range(each))

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        """Begin under the own names."""
        self.callback.on_begin(self._names(len(names)), steps)

    def on_step(self, step: Step) -> None:
        """Pass on a step under the own names."""
        self.callback.on_step(replace(step, names=self._names(len(step.names))))


def end_of(made: Sequence[Prototype]) -> End:
    """What callbacks hear at the end of some pictures."""
    names = tuple(name_of(one.unit, one.seed) for one in made)
    status = tuple(one.status for one in made)
    return End(names, [one.image for one in made], status, made[0].bands, made)


class Counted(Callback):
    """Moves a progress on by units, of which each step is a share; only whole ones are told."""

    def __init__(self, job: Progress) -> None:
        self.job, self._count = job, 0

    def on_begin(self, names: Sequence[str], steps: int) -> None:
        """Begin, perhaps again with fewer where memory did not suffice."""
        del steps
        self._count = len(names)
        self._move_on(0.0)

    def on_step(self, step: Step) -> None:
        """Count a step."""
        self.job.note = f"step {step.number} of {step.of}"
        self._move_on(self.job.begun + self._count / step.of)

    def on_end(self, end: End) -> None:
        """Count whole units."""
        self.job.note = ""
        self._move_on(0.0, len(end.names))

    def _move_on(self, begun: float, whole: int = 0) -> None:
        """Set what is begun of a batch, and count `whole` units."""
        more, self.job.begun = whole + begun - self.job.begun, begun
        self.job.update(more)


class Saved(Callback):
    """Writes pictures and their records into a run folder as soon as they are there."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_end(self, end: End) -> None:
        """Write them."""
        for prototype in end.results:
            self.run.save(prototype)


class Preview(Callback):
    """Shows now and then in preview.png what the pictures look like that are being rendered."""

    def __init__(self, folder: Path) -> None:
        self.file, self._last = folder / PREVIEW, time.monotonic()

    def on_step(self, step: Step) -> None:
        """Write it, where some time has passed."""
        if time.monotonic() - self._last < PREVIEW_SECONDS or step.number == step.of:
            return
        images = step.images()
        if images is not None:
            shown = [to_pil(image, step.bands) for image in images]
            for picture in shown:
                picture.thumbnail((TILE, TILE))
            write(self.file, as_png(contact_sheet(shown)))
        self._last = time.monotonic()

    def close(self) -> None:
        """Remove it."""
        self.file.unlink(missing_ok=True)
