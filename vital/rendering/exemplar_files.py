"""Natural exemplars in a run folder, where a report finds them.

units/UNIT/exemplars/00.png        an image, best first
units/UNIT/exemplars/00-heat.png   the same with its heat map
units/UNIT/exemplars.json          what they are; written last
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vital.errors import InvalidValueError, RunError
from vital.rendering.exemplars import Exemplar
from vital.rendering.run_folder import folder_name
from vital.units import Unit
from vital.utils._drawing2 import png
from vital.utils.io import as_json, read_json, write

NAME = "exemplars.json"


@dataclass(frozen=True)
class Kept:
    """One exemplar of a run folder: its files, and what it is."""

    picture: Path
    heat: Path
    name: str
    value: float
    of: str
    by: str


def save_exemplars(run: str | Path, exemplars: Sequence[Exemplar]) -> None:
    """Write the exemplars of one unit into a run folder.

    Raises `InvalidValueError` for none or those of several units, and `RunError`.
    """
    units = {str(one.unit) for one in exemplars}
    if len(units) != 1:
        raise InvalidValueError(f"the exemplars are of {len(units)} units; save those of one unit at a time")
    folder = Path(run) / "units" / folder_name(exemplars[0].unit)
    rows = []
    for i, one in enumerate(exemplars):
        names = f"{i:02d}.png", f"{i:02d}-heat.png"
        for name, heat in zip(names, (False, True), strict=True):
            write(folder / "exemplars" / name, png(one.to_pil(heat=heat)))
        value = float(f"{one.value:.6g}")
        rows.append(
            {
                "picture": names[0],
                "heat": names[1],
                "name": one.name,
                "value": value,
                "of": one.of,
                "by": one.by,
            }
        )
    write(folder / NAME, as_json({"unit": units.pop(), "exemplars": rows}))


def kept_exemplars(run: str | Path, unit: str | Unit) -> list[Kept]:
    """The exemplars of a unit that a run folder holds, best first; none where nobody saved any. Raises `RunError`."""
    folder = Path(run) / "units" / folder_name(unit)
    if not (folder / NAME).is_file():
        return []
    try:
        return [
            Kept(
                folder / "exemplars" / Path(row["picture"]).name,
                folder / "exemplars" / Path(row["heat"]).name,
                str(row["name"]),
                float(row["value"]),
                str(row["of"]),
                str(row["by"]),
            )
            for row in read_json(folder / NAME)["exemplars"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{str(folder / NAME)!r} is damaged: {error}; remove it") from error
