"""Prototypes as a run folder keeps them, to be shown again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vital.errors import RunError
from vital.utils.io import explained

if TYPE_CHECKING:
    from PIL import Image

    from vital.models import Model
    from vital.records import Prototype
    from vital.rendering.run_folder import Run
    from vital.types import Images
    from vital.units import Unit


def saved(run: Run, unit: Unit) -> Prototype:
    """One prototype of a run, its pictures in 8 bits as they were written. Raises `RunError`."""
    from PIL import Image

    from vital.records import Prototype

    record, file = run.to_dict(unit), run.file(unit, "-mask.png")
    with explained(file, "read"), Image.open(file) as picture:
        pixels = _tensor(picture.convert("RGBA"))
    return Prototype(unit, pixels[:3], pixels[3], record["method"], record["seed"], record["status"])


def prototypes_in(folder: Path, model: Model, units: list[Unit]) -> list[Prototype]:
    """All prototypes of these units in a folder, unit by unit; none where it holds no run of this network."""
    from vital.rendering.run_folder import read_run, runs

    if not (folder / "run.json").exists():
        return []
    if read_run(folder).get("model", {}).get("weights_hash") != model.weights_hash():
        raise RunError(f"the folder {str(folder)!r} belongs to another network; choose another folder")
    kept = runs(folder)
    return [saved(run, unit) for unit in units for run in kept if _holds(run, unit)]


def _holds(run: Run, unit: Unit) -> bool:
    return str(unit) in run.render.units and run.complete([unit])


def _tensor(picture: Image.Image) -> Images:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
