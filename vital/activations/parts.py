"""A bank in parts of its images, which different processes show, and that are put together as if one had shown all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vital.activations.bank import ReferenceBank
from vital.activations.build import BATCH, all_ways, how_made
from vital.activations.rankings import Tables, merge, unpack
from vital.activations.scan import CHUNK, scan
from vital.data import ImageSet
from vital.data.imageset import NothingReadableError
from vital.errors import RunError
from vital.models import Model
from vital.utils import tensor_cache as store
from vital.utils.hashing import key_of

MOST = 64
"""How many parts there are at most: each keeps a table of all units until they are put together."""


def parts_of(images: ImageSet) -> list[range]:
    """The parts of a set of images, which begin where batches do, whoever shows them."""
    return _ranges(len(images), images.together(BATCH))


def _ranges(count: int, batch: int) -> list[range]:
    """Parts of whole batches.

    >>> _ranges(600, 32), len(_ranges(1_281_167, 32))
    ([range(0, 256), range(256, 512), range(512, 600)], 64)
    >>> _ranges(600, 24)
    [range(0, 264), range(264, 528), range(528, 600)]
    """
    chunk = -(-CHUNK // batch) * batch
    size = chunk * max(1, -(-count // (chunk * MOST)))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def save_part(model: Model, images: ImageSet, part: range, path: Path, made_of: Mapping[str, Any]) -> None:
    """Show one part of the images, and keep what it says in a file; one without readable images is an empty table."""
    tables, batch = None, images.together(BATCH)
    with suppress(NothingReadableError):
        tables = scan(model, made_of["layers"], images, made_of["top"] + 1, batch, progress=False, part=part)
    names = {images.names[index] for index in part}
    skipped = [one for one in images.skipped if one[0] in names]
    notes = {"made_of": dict(made_of), "how": how_made(model, batch), "skipped": skipped}
    store.save(path, tables.pack() if tables else {}, notes)


def bank_of_parts(
    model: Model, images: ImageSet, files: Sequence[Path], made_of: Mapping[str, Any]
) -> ReferenceBank:
    """The bank of all parts, in their order, as `build_bank` makes it in one go; images that were skipped are noted.

    Raises `RunError` for a damaged file, which is removed, and `NothingReadableError` where no part holds an image.
    """
    whole, ways = None, []
    for file in files:
        part = _read(file, made_of, len(images))
        if part is None:
            file.unlink(missing_ok=True)
            raise damaged(file)
        tables, how, skipped = part
        images.note_skipped(skipped.items())
        ways.append(how)
        if tables:
            whole = tables if whole is None else merge([whole, tables], made_of["top"] + 1)
    if whole is None:
        raise NothingReadableError(f"none of the {len(images)} images could be read")
    done = {**made_of, "how": all_ways(ways)}
    return ReferenceBank(model, images, tuple(made_of["layers"]), whole, key_of(**done), True, done)


def _read(
    file: Path, made_of: Mapping[str, Any], images: int
) -> tuple[Tables | None, Any, dict[str, str]] | None:
    """What a part found, how, and what it skipped; None for a damaged file, or one of another bank."""
    found = store.load(file)
    with suppress(KeyError, TypeError, ValueError):
        if found and key_of(x=found[1]["made_of"]) == key_of(x=made_of):
            tensors, notes = found
            return unpack(tensors, images) if tensors else None, notes["how"], dict(notes["skipped"])
    return None


def damaged(file: Path) -> RunError:
    """What is said of a part that was damaged and has been removed."""
    return RunError(f"{str(file)!r} was damaged and is removed; the same command makes it again")
