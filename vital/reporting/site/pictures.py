"""The pictures of a unit as files: WebP in the sizes that pages need, and the originals to download."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image, features

from vital.errors import RunError
from vital.rendering.run_folder import Run, kept_exemplars
from vital.reporting.collect import stems
from vital.reporting.records import Picture, Sheet, UnitView
from vital.reporting.views import by_name
from vital.utils.io import as_png, explained, replacing

LARGE, SMALL, EXAMPLE = 768, 320, 288
"""How wide and high pictures are at most: a prototype on its page and among others, and a natural image."""
QUALITY = 84
ORIGINALS = {".png": b"\x89PNG", "-mask.png": b"\x89PNG", ".gif": b"GIF8", ".npy": b"\x93NUMPY"}
"""The files of a prototype that can be downloaded as they are in the run folder, and how their content begins."""

Size = tuple[int, int]


@dataclass
class Written:
    """What was written of a unit: the sizes of its pictures, the names of its files, and what could not be read."""

    sizes: dict[str, Size] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def put(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, making its folder; one that holds this already stays as it is.

    A site can be made anew from its runs at any time, so nothing waits for the disk.
    """
    with suppress(OSError):
        if path.stat().st_size == len(data) and path.read_bytes() == data:
            return
    with replacing(path) as part:
        part.write_bytes(data)


def write_pictures(view: UnitView, renders: Sequence[Run], folders: Sequence[Path], folder: Path) -> Written:
    """Write the pictures of a unit into its folder; one that is damaged becomes a fault. Raises `RunError`."""
    done, named = Written(), dict(zip(stems(renders), renders, strict=True))
    for made in view.prototypes:  # without those of damaged records
        run = named[made.stem]
        sides = {made.stem: LARGE, f"{made.stem}-s": SMALL}
        if not made.pictured or not _write(done, folder, sides, partial(run.picture, view.unit)):
            continue
        if made.masked:
            _write(done, folder, {f"{made.stem}-mask": LARGE}, partial(run.picture, view.unit, masked=True))
        for ending, start in ORIGINALS.items():
            if _begins(run.file(view.unit, ending), start):
                _copy(run.file(view.unit, ending), folder / f"{made.stem}{ending}")
                done.files.append(f"{made.stem}{ending}")
    saved = (
        next(filter(None, (kept_exemplars(one, view.unit) for one in folders)), []) if view.exemplars else []
    )
    for shown, kept in zip(view.exemplars, saved, strict=False):
        if _write(done, folder, {shown.stem: EXAMPLE}, kept.to_pil):
            _write(done, folder, {f"{shown.stem}-heat": EXAMPLE}, partial(kept.to_pil, heat=True))
    return done


def _write(done: Written, folder: Path, sides: Mapping[str, int], opened: Callable[[], Image.Image]) -> bool:
    """Write one picture in some sizes, by name; whether it could be read."""
    try:
        picture = opened()
    except RunError as error:
        done.faults.append(by_name(str(error)))
        return False
    data, size = b"", (0, 0)
    for name, side in sides.items():
        if not data or max(size) > side:  # a small picture is the same in all sizes
            data, size = encoded(picture, side)
        put(folder / f"{name}.webp", data)
        done.sizes[name] = size
        done.files.append(f"{name}.webp")
    return True


def sheet_file(folder: Path, name: str, sheet: Sheet) -> Picture:
    """Write the picture of a whole run into the folder of a site, where it can be downloaded. Raises `RunError`."""
    picture = sheet.picture()
    put(folder / "sheets" / f"{name}.png", as_png(picture))
    return Picture(f"sheets/{name}.png", *picture.size)


def encoded(picture: Image.Image, side: int) -> tuple[bytes, Size]:
    """Encode a picture as WebP, at most `side` pixels wide and high, with its transparency where it has some.

    Raises `RunError` where Pillow was built without WebP.

    >>> encoded(Image.new("RGB", (400, 200)), 100)[1]
    (100, 50)
    """
    if not features.check("webp"):
        raise RunError("this Pillow was built without WebP; install one from PyPI: pip install -U pillow")
    shown = picture.copy() if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue(), shown.size


def _begins(file: Path, start: bytes) -> bool:
    """Whether there is a file that begins so: a link in a run folder of others could lead to any file."""
    if not file.is_file():
        return False
    with explained(file, "read"), file.open("rb") as opened:
        return opened.read(len(start)) == start


def _copy(source: Path, target: Path) -> None:
    """Let a file appear in the site too: linked where both lie on one disk, since run folders replace whole files."""
    source = source.resolve()
    with explained(target, "write"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if target.samefile(source):
                return
            target.unlink()
        try:
            os.link(source, target)
        except FileExistsError:  # another process was faster
            pass
        except OSError:
            with replacing(target) as part:
                shutil.copyfile(source, part)
