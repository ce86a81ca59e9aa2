"""Where the pictures of a comparison come from: methods carried out in a run folder, or a folder made elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from vital.activations import ReferenceBank
from vital.comparing.cost import steps_of
from vital.comparing.records import Shown, stacked
from vital.errors import DataError, UnfinishedError
from vital.models import Model
from vital.models.identity import identity
from vital.models.pixels import fit_channels, to_tensor
from vital.rendering import Method
from vital.rendering.api import groups, units_per_batch
from vital.rendering.resume import request_for, resume_run
from vital.rendering.run_folder import Render, Run, entered, folder_name, runs
from vital.rendering.run_schema import LogLine, fits
from vital.types import Images
from vital.units import Unit
from vital.utils.drawing import fits_png
from vital.utils.hashing import key_of
from vital.utils.io import explained, read_picture
from vital.utils.progress import Progress

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, eq=False)
class Renderer:
    """A run folder in which methods are carried out on some units and seeds; what is there already is read.

    A method lies in the folder itself with the options that it came with first, and below `options/` with others.
    `batch` units are rendered together (None: as many as usual). Without `render_missing`, what is missing stays so.
    `where` is said beside the method while pictures are rendered.
    """

    path: Path
    model: Model
    units: tuple[Unit, ...]
    bank: ReferenceBank = field(repr=False)
    spec: str | None = None
    progress: bool = False
    batch: int | None = None
    render_missing: bool = True
    where: str = ""

    @property
    def together(self) -> tuple[Unit, ...]:
        """The first units that are rendered together, for what depends on their number."""
        return self.units[: self._batch]

    @property
    def groups(self) -> list[Sequence[Unit]]:
        """All units, as they are rendered together."""
        return list(groups(self.units, self._batch))

    @property
    def _batch(self) -> int:
        return units_per_batch(self.model, self.batch)

    def shown(self, name: str, method: Method, seeds: Sequence[int]) -> Shown:
        """Render all units by a method with all seeds, where that is not done yet, and read the pictures.

        Without `render_missing`, seeds that lack a unit are left out. Raises `UnfinishedError` where these are all.
        """
        with Progress(
            f"rendering by {name}", len(seeds), "seed", shown=self.progress and len(seeds) > 1
        ) as bar:
            found = [run for seed in bar.each(seeds) if (run := self._run(method, seed)).complete(self.units)]
        if not found:
            raise UnfinishedError(f"no seed of {name} has pictures of all {len(self.units)} units")
        parts = [(u, run.render.seed, _picture(run, u, self.model)) for run in found for u in self.units]
        spent = [time_of(run) for run in found]
        seconds, busy = (sum(times) / len(spent) / len(self.units) for times in zip(*spent, strict=True))
        return stacked(name, parts, seconds=seconds, busy=busy, steps=steps_of(method))

    def _run(self, method: Method, seed: int) -> Run:
        request = request_for(self.model, self.units, method, seed=seed, batch=self.batch, bank=self.bank)
        run = Run(self._place(request), request)
        if self.render_missing or run.complete(self.units):
            with entered(run.path, identity(self.model, self.spec), request):
                resume_run(
                    run,
                    self.model,
                    self.units,
                    method,
                    lambda: self.bank,
                    progress=self.progress,
                    where=self.where,
                )
        return run

    def _place(self, request: Render) -> Path:
        """The folder of a render: its own where it has one, or where this one holds the method with other options."""
        options = request.plain()["options"]
        own = self.path / "options" / f"{request.method}-{key_of(options)[:12]}"
        there = [run.render.options for run in runs(self.path) if run.render.method == request.method]
        return own if own.exists() or any(other != options for other in there) else self.path


def time_of(run: Run) -> tuple[float, float]:
    """What the groups of a render took on the clock and of processor time, by log.jsonl, in seconds.

    Not a number where it does not say of all units.
    """
    found: dict[str, tuple[float, float]] = {}
    for entry in run.events():
        own = (entry.get("method"), entry.get("seed")) == (run.render.method, run.render.seed)
        if own and fits(entry, LogLine):
            share = len(entry["units"])
            each = entry["seconds"] / share, entry.get("cpu", math.nan) / share
            found |= dict.fromkeys(entry["units"], each)
    times = [found.get(unit, (math.nan, math.nan)) for unit in run.render.units]
    return sum(clock for clock, _ in times), sum(busy for _, busy in times)


def _picture(run: Run, unit: Unit, model: Model) -> Images:
    """A picture of a run, all its channels."""
    if not fits_png(run.render.channels):
        return run.all_channels(unit)
    return _fitted(run.picture(unit), model)


def _fitted(picture: Image.Image, model: Model) -> Images:
    """A picture as it is, only its colors brought to the network's."""
    return fit_channels(to_tensor(picture), model.channels, model.name)


def from_folder(name: str, folder: Path, model: Model, units: Sequence[Unit]) -> Shown:
    """Pictures that were made elsewhere: UNIT.png, UNIT-SEED.png, or a folder UNIT of pictures, for each unit.

    UNIT is the unit's name in a run folder, such as `layer4_162` or `class_281`, and pictures may be PNG, JPEG or WebP.
    Pictures of one unit count as seeds 0, 1, … in the order of their names. Raises `DataError` for a unit without one.
    """
    parts = []
    for unit in units:
        files = _files(folder, folder_name(unit))
        if not files:
            raise DataError(
                f"{str(folder)!r} has no picture of {unit} for the method {name}; "
                f"name it {folder_name(unit)}.png, or put it into a folder {folder_name(unit)}"
            )
        parts += [(unit, seed, _fitted(read_picture(file), model)) for seed, file in enumerate(files)]
    return stacked(name, parts)


def _files(folder: Path, slug: str) -> list[Path]:
    with explained(folder, "read"):
        inside = sorted((folder / slug).iterdir()) if (folder / slug).is_dir() else []
        beside = [f for f in sorted(folder.iterdir()) if f.stem == slug or _numbered(f.stem, slug)]
    return [
        file
        for file in (inside or beside)
        if file.suffix.lower() in ENDINGS and not file.stem.endswith("-mask")
    ]


def _numbered(stem: str, slug: str) -> bool:
    return stem.startswith(f"{slug}-") and stem[len(slug) + 1 :].isdigit()
