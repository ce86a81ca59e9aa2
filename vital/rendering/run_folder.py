"""The run folder: pictures and records on disk, each file whole or absent, and a killed run taken up where it stopped.

    run.json                          versions, network, and what was asked for: one entry per render
    units/UNIT/METHOD-SEED.png        the picture; its text chunks say where it comes from
    units/UNIT/METHOD-SEED-mask.png   the same with the transparency mask
    units/UNIT/METHOD-SEED.npy        all channels, (C, H, W) float32, where a PNG has no room for them
    units/UNIT/METHOD-SEED.gif        the way there, with -frames.png as a contact sheet (when frames are asked for)
    units/UNIT/METHOD-SEED.json       the record; written last, so a unit that has one is complete
    units/UNIT/exemplars.json         natural exemplars (`save_exemplars`); written last
    units/UNIT/exemplars/00.png       an image, best first, and 00-heat.png with its heat map
    sheet.png                         all pictures with titles, in the order of run.json
    preview.png                       while it is rendered: what the pictures look like now
    log.jsonl                         dates and durations; the one file that differs between equal runs
    .lock                             empty; keeps other processes out while one writes

What decides the bytes of a unit's files is its `Render`: method, options, seed, images, and the units that share its
batches. So a render is taken up group by group, a group being the units of one batch: a group with a missing unit is
rendered again as a whole. Started again on the same machine with the same versions, a run ends with the same bytes.
"""

from __future__ import annotations

import io
import json
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor

from vital._version import __version__
from vital.errors import InvalidValueError, RunError
from vital.models.pixels import to_tensor
from vital.records import Prototype
from vital.rendering.natural_exemplars import Exemplar
from vital.rendering.run_schema import SCHEMA, ExemplarsFile, PictureFile, RunFile, schema_of
from vital.units import Unit, slug
from vital.utils.drawing import TILE, contact_sheet, fits_png, titled_sheet, to_pil
from vital.utils.hashing import sha256
from vital.utils.io import (
    AGAIN,
    append_json,
    as_json,
    as_npy,
    as_png,
    damaged,
    explained,
    json_lines,
    locked,
    path_of,
    read_json,
    read_npy,
    read_picture,
    within,
    write,
)
from vital.utils.pictures import is_whole
from vital.utils.public import door
from vital.utils.text import shortened

LOG = "log.jsonl"
SHEET_PIXELS = 32_000_000
FRAME_MS, LAST_MS = 200, 1600


@dataclass(frozen=True)
class Render:
    """One request for pictures: everything that decides what their files hold.

    `images` identifies the reference images, and is None for a method that takes none. `directions` says what the
    files of the directions among the units hold (`vital.tracing.digests`). `channels` are those of the network, and
    `bands` those that pictures show (`vital.Model`). `files` says what the files hold that options name.

    >>> Render("fourier", {"steps": 64}, seed=0, batch=4, units=("class:1",)).stem
    'fourier-0'
    """

    method: str
    options: Mapping[str, Any]
    seed: int
    batch: int
    units: tuple[str, ...]
    frames: int = 0
    images: Mapping[str, Any] | None = None
    directions: Mapping[str, str] = field(default_factory=dict)
    channels: int = 3
    bands: tuple[int, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The beginning of the names of its files."""
        return f"{self.method}-{self.seed}"

    def plain(self) -> dict[str, Any]:
        """Give the form that it has in run.json."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


@dataclass(frozen=True)
class Run:
    """A run folder, as one render sees it. Open one with `entered`."""

    path: Path
    render: Render = field(repr=False)

    def file(self, unit: str | Unit, ending: str = ".png") -> Path:
        """Name a file of a unit, such as ".png", "-mask.png" or ".json"."""
        return self.path / "units" / folder_name(unit) / (self.render.stem + ending)

    def complete(self, units: Sequence[str | Unit]) -> bool:
        """Tell whether all files of all these units are there."""
        way = (".gif", "-frames.png") if self.render.frames else ()
        all_channels = () if fits_png(self.render.channels) else (".npy",)
        endings = (".png", "-mask.png", *all_channels, *way, ".json")
        return all(is_whole(self.file(unit, ending)) for unit in units for ending in endings)

    def save(self, prototype: Prototype) -> None:
        """Write the files of a unit, the record last. Raises `RunError`."""
        unit, pictures = prototype.unit, [to_pil(image, prototype.bands) for _, image in prototype.frames]
        write(self.file(unit), prototype.to_png())
        write(self.file(unit, "-mask.png"), prototype.to_png(masked=True))
        if not fits_png(len(prototype.image)):
            write(self.file(unit, ".npy"), as_npy(np.asarray(prototype.image.cpu(), np.float32)))
        if pictures:
            write(self.file(unit, ".gif"), gif(pictures))
            most = int((SHEET_PIXELS / len(pictures)) ** 0.5)
            write(self.file(unit, "-frames.png"), as_png(contact_sheet([_small(p, most) for p in pictures])))
        write(self.file(unit, ".json"), as_json(prototype.to_dict()))

    def to_dict(self, unit: str | Unit) -> dict[str, Any]:
        """Read the record of a unit. Raises `RunError` where there is none, or that of another picture."""
        file = within(self.path, self.file(unit, ".json"))
        record = read_json(file, schema_of(PictureFile))
        if (record["unit"], record["method"], record["seed"]) != (
            str(unit),
            self.render.method,
            self.render.seed,
        ):
            raise damaged(
                file, f"it is of {record['unit']}, {record['method']}, seed {record['seed']}", AGAIN
            )
        return record

    def picture(self, unit: str | Unit, *, masked: bool = False) -> Image.Image:
        """Read the picture of a unit; `masked`, with its transparency mask. Raises `RunError`."""
        return read_picture(self.file(unit, "-mask.png" if masked else ".png"))

    def prototype(self, unit: str | Unit) -> Prototype:
        """Read the prototype of a unit, its pictures as they were written, in 8 bits or all channels.

        Raises `RunError`.
        """
        record, pixels = self.to_dict(unit), to_tensor(self.picture(unit, masked=True).convert("RGBA"))
        parts = record["method"], record["seed"], record["status"]
        image = pixels[:3] if fits_png(self.render.channels) else self.all_channels(unit)
        return Prototype(Unit.parse(unit), image, pixels[3], *parts, bands=self.render.bands)

    def all_channels(self, unit: str | Unit) -> Tensor:
        """Read all channels of a picture, (C, H, W), where a PNG has no room for them. Raises `RunError`."""
        file = self.file(unit, ".npy")
        values = read_npy(file)
        if values.dtype != np.float32 or values.ndim != 3 or len(values) != self.render.channels:
            raise damaged(file, f"it holds {values.shape} of {values.dtype}", AGAIN)
        return torch.from_numpy(values)

    def log(self, event: str, **facts: Any) -> None:
        """Add a line to log.jsonl, with the time. Raises `RunError`."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **facts}
        append_json(self.path / LOG, [line])

    def events(self) -> Iterator[dict[str, Any]]:
        """Read the lines of log.jsonl; none where there is no such file. Raises `RunError`."""
        return (line for line in json_lines(self.path / LOG) if isinstance(line, dict))


@contextmanager
def entered(path: str | Path, model: Mapping[str, Any], render: Render) -> Iterator[Run]:
    """Open a run folder for a render, new or to be taken up, and keep other processes out of it.

    `model` identifies the network; its entry "spec", which may hold a path, is kept but not compared. A folder holds
    one network and any number of renders; those with the same method and seed must agree in all but their units,
    and no unit may be in two of them. A render of which no unit was finished leaves no claim. Raises `RunError` for
    a folder that belongs to another run, saying what differs, that is in use, or that cannot be written.
    """
    with entered_together(path, model, [render]) as (run,):
        yield run


@contextmanager
def entered_together(
    path: str | Path, model: Mapping[str, Any], renders: Sequence[Render]
) -> Iterator[list[Run]]:
    """Open a run folder for several renders at once, as `entered` does for one."""
    path = path_of(path)
    for render in renders:
        check_names(render.units)
    with explained(path, "write"):
        path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        facts = {"schema": SCHEMA, "versions": versions(), "model": dict(model)}
        _enter(path, facts, [render.plain() for render in renders])
        yield [Run(path, render) for render in renders]


def _enter(path: Path, facts: dict[str, Any], renders: Sequence[dict[str, Any]]) -> None:
    earlier = read_run(path)
    begun = [run for run in runs(path) if any(run.complete([unit]) for unit in run.render.units)]
    known = [run.render.plain() for run in runs(path)]
    held = [run.render.plain() for run in begun]
    kept = [one for one in known if one in held or one in renders]  # in their order, whatever ended first
    if begun:
        _check_facts(path, earlier, facts)
        facts = {**facts, **earlier}
    for render in renders:
        if render not in kept:
            for other in kept:
                _check_beside(path, other, render)
            kept.append(render)
    if {**facts, "renders": kept} != earlier:
        write(path / "run.json", as_json({**facts, "renders": kept}))


def read_run(path: Path) -> dict[str, Any]:
    """Read run.json; empty for a folder that holds no run yet. Raises `RunError`."""
    file = path / "run.json"
    if not file.exists():
        if any(path.glob("units/*/*-*.json")):
            raise RunError(
                f"{str(path)!r} holds units but no run.json that says whose; choose another folder"
            )
        return {}
    found = read_json(within(path, file))
    if found.get("schema") != SCHEMA:
        raise RunError(f"{str(file)!r} has the schema {found.get('schema')!r}; this version reads {SCHEMA}")
    if "renders" not in found:
        raise RunError(f"{str(file)!r} has the schema {SCHEMA} but lists no renders; choose another folder")
    return read_json(file, schema_of(RunFile))


def runs(path: Path) -> list[Run]:
    """Open a run folder for reading: one `Run` for each render in it. Raises `RunError`."""
    found = read_run(path).get("renders", [])
    return [
        Run(path, Render(**r | {"units": tuple(r["units"]), "bands": tuple(r.get("bands", ()))}))
        for r in found
    ]


def prototypes_in(path: Path, weights_hash: str, units: Sequence[Unit]) -> list[Prototype]:
    """Read all prototypes of these units, unit by unit; none where the folder holds no run yet.

    Raises `RunError` for a folder of a network with other weights.
    """
    kept = runs(path)
    if kept and read_run(path).get("model", {}).get("weights_hash") != weights_hash:
        raise RunError(f"the folder {str(path)!r} belongs to another network; choose another folder")
    return [
        run.prototype(unit)
        for unit in units
        for run in kept
        if str(unit) in run.render.units and run.complete([unit])
    ]


def versions() -> dict[str, str]:
    """List the versions of all that has a part in the bytes of a file."""
    found = {
        "vital": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    return {name: str(version) for name, version in found.items()}


def _check_facts(path: Path, earlier: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    changed = [
        difference
        for part in ("versions", "model")
        for difference in differences(earlier.get(part), facts[part], part)
        if not difference.startswith("model.spec ")
    ]
    if changed:
        raise RunError(
            f"the folder {str(path)!r} belongs to another run: {'; '.join(changed)}; choose another folder"
        )


def _check_beside(path: Path, other: Mapping[str, Any], render: Mapping[str, Any]) -> None:
    """Two renders whose files carry the same names must be parts of one."""
    if (other["method"], other["seed"]) != (render["method"], render["seed"]):
        return
    name = f"the folder {str(path)!r} holds {render['method']} with seed {render['seed']} already"
    shared = [name for name in render["directions"] if name in other["directions"]]
    old, new = (
        {**r, "units": None, "directions": {name: r["directions"][name] for name in shared}}
        for r in (other, render)
    )
    if changed := differences(old, new):
        advice = "choose another folder or seed, or the same settings"
        raise RunError(f"{name}, with other settings: {'; '.join(changed)}; {advice}")
    if twice := [unit for unit in render["units"] if unit in other["units"]]:
        advice = "ask for just those units in that order to go on, for others to add them, or choose another folder"
        raise RunError(
            f"{name}, with {shortened(twice)} among the units {shortened(other['units'])}; {advice}"
        )


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Say what differs between two JSON values, entry by entry.

    >>> differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2})
    ['a.b was 1 and is now 3']
    """
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [] if old == new else [f"{at} was {old!r} and is now {new!r}"]
    keys = dict.fromkeys([*old, *new])
    return [d for k in keys for d in differences(old.get(k), new.get(k), f"{at}.{k}".lstrip("."))]


def folder_name(unit: str | Unit) -> str:
    """Name the folder of a unit: its slug, cut and told apart by a hash where it is long.

    >>> folder_name("layer4:162")
    'layer4_162'
    """
    name = slug(str(unit))
    return name if len(name) <= 100 else f"{name[:80]}-{sha256(str(unit))[:12]}"


def check_names(units: Iterable[str]) -> None:
    """Raise `RunError` where two units would share a folder, on systems that ignore case too."""
    taken: dict[str, str] = {}
    for unit in units:
        other = taken.setdefault(folder_name(unit).lower(), unit)
        if other != unit:
            raise RunError(
                f"the units {other} and {unit} would share a folder; render them into different run folders"
            )


def write_sheet(path: Path, titles: Mapping[str, Sequence[str]] | None = None) -> Path | None:
    """Write sheet.png, all complete pictures of a folder in the order of run.json; None where there is no picture.

    Below each is its unit's title, or the lines that `titles` holds for it, and the method and seed where the folder
    holds several. Sheets are kept to about 32 million pixels: large ones are scaled down, and go without titles where
    the tiles would become too small for them. Raises `RunError`.
    """
    every = [(run, unit) for run in runs(path) for unit in run.render.units if run.complete([unit])]
    if not every:
        return None
    most = int((SHEET_PIXELS / len(every)) ** 0.5)
    shown = [_small(run.picture(unit), most) for run, unit in every]
    if most < TILE:
        sheet = contact_sheet(shown)
    else:
        several = len({run.render.stem for run, _ in every}) > 1
        sheet = titled_sheet(shown, [_title(*one, titles or {}, several) for one in every])
    write(path / "sheet.png", as_png(sheet))
    return path / "sheet.png"


def _title(run: Run, unit: str, titles: Mapping[str, Sequence[str]], several: bool) -> list[str]:
    label = str(run.to_dict(unit).get("label") or "")
    lines = list(titles.get(unit) or ([unit, label] if label else [unit]))
    return [*lines, f"{run.render.method}, seed {run.render.seed}"] if several else lines


def _small(picture: Image.Image, most: int) -> Image.Image:
    shown = picture.convert("RGB")
    shown.thumbnail((most, most))
    return shown


EXEMPLARS = "exemplars.json"


@dataclass(frozen=True)
class SavedExemplar:
    """One exemplar of a run folder: what it is, and its pictures, read when they are asked for."""

    name: str
    value: float
    of: str
    by: str
    _files: tuple[Path, Path] = field(repr=False)

    @property
    def is_there(self) -> bool:
        """Whether its pictures are there."""
        return all(map(is_whole, self._files))

    def to_pil(self, *, heat: bool = False) -> Image.Image:
        """Read the image; with `heat`, the one with the heat map. Raises `RunError`."""
        return read_picture(self._files[heat])


@door
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
        names = {"picture": f"{i:02d}.png", "heat": f"{i:02d}-heat.png"}
        for kind, name in names.items():
            write(folder / "exemplars" / name, as_png(one.to_pil(heat=kind == "heat")))
        value = float(f"{one.value:.6g}")
        rows.append(
            {**names, "name": one.name, "value": value, "of": one.of, "by": one.by, "status": one.status}
        )
    write(folder / EXEMPLARS, as_json({"unit": units.pop(), "exemplars": rows}))


@door
def kept_exemplars(run: str | Path, unit: str | Unit) -> list[SavedExemplar]:
    """The exemplars of a unit that a run folder holds, best first; none where nobody saved any. Raises `RunError`."""
    folder = Path(run) / "units" / folder_name(unit)
    if not (folder / EXEMPLARS).is_file():
        return []
    found = read_json(within(Path(run), folder / EXEMPLARS), schema_of(ExemplarsFile))
    return [
        SavedExemplar(
            row["name"],
            float(row["value"]),
            row["of"],
            row["by"],
            (folder / "exemplars" / row["picture"], folder / "exemplars" / row["heat"]),
        )
        for row in found["exemplars"]
    ]


def gif(pictures: Sequence[Image.Image]) -> bytes:
    """Encode pictures as an endless GIF that rests on the last one."""
    times = [FRAME_MS] * (len(pictures) - 1) + [LAST_MS]
    frames = [p.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for p in pictures]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=False
    )
    return buffer.getvalue()
