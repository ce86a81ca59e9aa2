"""Making banks: one pass over an image set, a file, or the banks of its parts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vital._version import __version__
from vital.activations.bank import ReferenceBank, check_inputs
from vital.activations.begun import Begun
from vital.activations.rankings import FORMAT, Tables, merge, shifted, unpack, unpacked_if_whole
from vital.activations.scan import scan
from vital.data import ImageSet, joined
from vital.errors import DataError, InvalidValueError, first_line
from vital.models import Model
from vital.models.identity import network
from vital.tracing import list_layers
from vital.units import OUTPUT, TOKENS, layer_with_units, warn_of_choice
from vital.utils import tensor_cache as store
from vital.utils.hashing import key_of
from vital.utils.io import parse_json, path_of
from vital.utils.logs import busy, logger
from vital.utils.options import checked_keywords
from vital.utils.public import public
from vital.utils.text import shortened

BATCH = 16
"""How many images are shown at once."""


@public
@checked_keywords
def build_bank(
    model: Model,
    layers: str | Sequence[str],
    images: ImageSet,
    *,
    top: int = 50,
    batch: int = BATCH,
    path: str | Path | None = None,
    disk: bool = True,
    progress: bool = False,
) -> ReferenceBank:
    """Show every image to the network once, and keep what excites each unit most.

    For each unit these are the strongest images and places; a sample of about 1000 images says what is usual. The
    result is kept under a key of all that decides it (network, preprocessing, images, layers, device, version), and
    read back when nothing of that changed. Memory does not grow with the number of images. A pass that is stopped goes
    on where it was, with the same result, and the file is there when it is complete.

    Parameters
    ----------
    model
        The network.
    layers
        The layers whose units are ranked; the output `class` is always among them.
    images
        The images.
    top
        The number of images and places that are kept for each unit.
    batch
        The number of images that are shown at once.
    path
        The file to keep the bank in; by default one in the cache folder.
    disk
        Whether anything is kept on disk.
    progress
        Whether to show a bar.

    Returns
    -------
    ReferenceBank
        What the images say about the units.

    Raises
    ------
    UnknownNameError, InvalidValueError
        For a layer or a number that there is not.
    DataError
        For a file at `path` that is no bank, and for images that change while the bank is made.

    Examples
    --------
    >>> import torch, vital
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(16, 16))
    >>> bank = build_bank(net, ["0"], vital.load_images(torch.rand(5, 3, 16, 16)), disk=False)
    >>> len(bank.strongest("0:1", 3))
    3

    """
    check_inputs(model, images, None)
    stamps = images.source.stamps()
    made_of = planned(model, layers, images, top=top, batch=batch)
    batch = images.together(batch)
    asked, made_of = made_of["layers"], made_of | {"how": how_made(model, batch)}
    key = key_of(**made_of)
    where = path_of(path) if path else store.file_of("banks", key)
    if path:
        free_for_bank(path)
    found = store.load(where) if disk or path else None
    held = unpacked_if_whole(found[0], len(images)) if found and found[1].get("key") == key else None
    if held:
        tables = held
        logger.debug("the bank of %s is kept in %s", images.name, where)
    else:
        begun = Begun(where, images, key, made_of) if disk or path else None
        with busy(f"reading {len(images)} images once for {shortened(asked)}"):
            tables = scan(model, asked, images, top + 1, batch, progress, begun=begun)
        _check_unchanged(images, stamps)
        _warn_of_nan(tables, model)
    bank = ReferenceBank(model, images, asked, tables, key, disk, made_of)
    if disk or path:
        bank.save(where)
        Begun.remove(where)
    return bank


def _warn_of_nan(tables: Tables, model: Model) -> None:
    """Say which units gave values that are no numbers; what asks for one of them refuses it."""
    for name, ranking in tables.means.items():
        broken, what = ranking.values.isnan(), "no numbers"
        if not broken.any():
            broken, what = ranking.values.isinf(), "infinite"
        if count := int(broken.any(1).sum()):
            warnings.warn(
                f"{model.name}: {count} of {len(ranking.values)} units of {name!r} give values that are {what}",
                stacklevel=3,
            )


def planned(
    model: Model, layers: str | Sequence[str], images: ImageSet, *, top: int, batch: int = BATCH
) -> dict[str, Any]:
    """All that decides what a bank of these layers holds, before any work, but how it is computed.

    Raises what `build_bank` raises for what there is not.
    """
    layers = [layers] if isinstance(layers, str) else layers
    if top < 1 or batch < 1:
        raise InvalidValueError(f"top is {top} and batch is {batch}; allowed are whole numbers from 1")
    known = list_layers(model)
    warn_of_choice([layer_with_units(layer, known) for layer in layers])
    output = known[OUTPUT]
    ranked = output.kind == "vector" and output.channels > 0 and not output.problem
    return _parts(model, tuple(dict.fromkeys([*layers, OUTPUT] if ranked else layers)), images, top)


def _check_unchanged(images: ImageSet, stamps: np.ndarray) -> None:
    """Raise `DataError` where a file is another than when its set was opened."""
    now = images.source.stamps()
    if not np.array_equal(now, stamps):
        same = len(now) == len(stamps) == len(images)
        which = images.names[int((now != stamps).any(1).argmax())] if same else "a file"
        raise DataError(
            f"{which} of {images.name} changed while the bank was made, which would be of no set of images; make it "
            "again when nothing writes there"
        )


def free_for_bank(path: str | Path) -> None:
    """Raise `DataError` where something else than a bank has that name already."""
    if path_of(path).is_dir():
        raise DataError(f"cannot write {str(path)!r}: it is a folder; give the name of a file for the bank")
    found = store.load(path_of(path))
    if path_of(path).exists() and not (found and found[1].get("made_of")):
        raise DataError(f"{str(path)!r} is there already and is no bank; choose another name")


def opened_from(path: str | Path) -> dict[str, str]:
    """How the images of a saved bank were opened: the `images` and `labels` that were typed, where they were kept.

    Of a bank that `vital merge` wrote, `parts` holds the same of each part, as a JSON list.
    """
    found = store.load(path_of(path))
    opened = found[1].get("opened", {}) if found else {}
    if not _is_opened(opened):
        raise _damaged(Path(path), ValueError("it does not say how its images were opened"))
    return dict(opened)


def _is_opened(told: Any) -> bool:
    """Whether this is what `opened_from` gives: names and texts, of which one may be a list of the same."""
    if not isinstance(told, Mapping) or not all(isinstance(text, str) for text in told.values()):
        return False
    try:
        parts = parse_json(told.get("parts", "[]"))
    except ValueError:
        return False
    return isinstance(parts, list) and all(map(_is_opened, parts))


@public
def load_bank(path: str | Path, model: Model, images: ImageSet, *, disk: bool = True) -> ReferenceBank:
    """Read a bank that `build_bank` or `ReferenceBank.save` wrote.

    Parameters
    ----------
    path
        The file.
    model
        The network that it was made of.
    images
        The images that it was made of; templates are made from them.
    disk
        Whether templates are kept on disk.

    Returns
    -------
    ReferenceBank
        The bank as it was saved.

    Raises
    ------
    DataError
        For a file that is no bank, that an older version wrote, or that was made of other weights, preprocessing or
        images.

    Examples
    --------
    >>> import tempfile, torch, vital
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), size=(16, 16))
    >>> pictures = vital.load_images(torch.rand(5, 3, 16, 16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "bank.safetensors"
    ...     bank = build_bank(net, ["0"], pictures, path=path, disk=False)
    ...     load_bank(path, net, pictures).strongest("0:1") == bank.strongest("0:1")
    True

    """
    tensors, made_of, key = _read(path_of(path))
    parts = _parts(model, tuple(made_of["layers"]), images, made_of["top"])
    if changed := [name for name, value in parts.items() if key_of(x=value) != key_of(x=made_of.get(name))]:
        raise DataError(
            f"the bank {str(path)!r} was made of other {' and '.join(changed)}; make it again for these"
        )
    try:
        tables = unpack(tensors, len(images))
        _check_layers(tables, parts["layers"], model)
    except ValueError as error:
        raise _damaged(Path(path), error) from error
    made_of = parts | {"how": made_of.get("how")}
    return ReferenceBank(model, images, parts["layers"], tables, key, disk, made_of)


def _check_layers(tables: Tables, names: Collection[str], model: Model) -> None:
    """Raise `ValueError` for tables of other layers, units or places than the network has."""
    known, found = list_layers(model), set()
    for readout, ranking in (*tables.means.items(), *tables.peaks.items()):
        name, _, tokens = readout.rpartition("#")
        layer = known[name if tokens in TOKENS and name in known else readout]
        found.add(layer.name)
        most = 0 if ranking.places is None else int(ranking.places.amax())
        if len(ranking.values) != layer.channels or most >= math.prod(layer.shape[1:]):
            raise ValueError(f"its tables of {layer.name!r} are of other units or places")
    if found != set(names):
        raise ValueError("its tables are of other layers")


def _read(path: Path) -> tuple[store.Tensors, dict[str, Any], str]:
    """What a bank holds, what it was made of, and its key. Raises `DataError` for a file that is no bank."""
    found = store.load(path)
    try:
        if found and found[1].get("format") == FORMAT:
            tensors, notes = found
            made_of = {**notes["made_of"]}
            made_of |= {"layers": tuple(map(str, made_of["layers"])), "top": int(made_of["top"])}
            return tensors, made_of, str(notes["key"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error
    raise DataError(f"{str(path)!r} is not a bank that can be read; make one with vital bank or build_bank")


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"the bank {str(path)!r} is damaged: {first_line(error)}; make it again with vital bank")


def merged(banks: Sequence[ReferenceBank]) -> ReferenceBank:
    """Make one bank of those of the parts of an image set, as if all images had been shown in one pass.

    The images are those of the banks one after the other (`vital.data.joined`), and rankings, places, samples and
    key are those of `build_bank` on them: the parts can be scanned by different machines. Raises `DataError` for
    banks of different networks, or made with other layers or another `top`.
    """
    if not banks:
        raise DataError("no bank is given; merging needs at least one")
    first, images = banks[0], joined([bank.images for bank in banks])
    for bank in banks[1:]:
        if changed := [
            name
            for name in ("code", "weights", "preprocessing", "layers", "top")
            if key_of(x=bank.made_of[name]) != key_of(x=first.made_of[name])
        ]:
            raise DataError(
                f"the banks of {first.images.name} and {bank.images.name} were made of other "
                f"{' and '.join(changed)} and cannot be merged"
            )
        if bank.tables.pack().keys() != first.tables.pack().keys():
            raise DataError(
                f"the banks of {first.images.name} and {bank.images.name} hold other tables and cannot be merged; make "
                "the one that lacks some again"
            )
    starts = [sum(len(bank.images) for bank in banks[:i]) for i in range(len(banks))]
    tables = merge(
        [shifted(bank.tables, start) for bank, start in zip(banks, starts, strict=True)],
        first.made_of["top"] + 1,
    )
    how = all_ways([bank.made_of["how"] for bank in banks])
    made_of = first.made_of | {"images": images.hash(), "how": how}
    key = key_of(**made_of)
    return ReferenceBank(first.model, images, first.layers, tables, key, first.disk, made_of)


def _parts(model: Model, layers: tuple[str, ...], images: ImageSet, top: int) -> dict[str, Any]:
    """All that a bank is computed from."""
    return {**network(model), "images": images.hash(), "layers": layers, "top": top}


def all_ways(given: Sequence[Any]) -> Any:
    """How parts of a bank were computed: the one way, or a list of the ways."""
    ways = {key_of(x=how): how for how in given}
    return given[0] if len(ways) == 1 else [ways[name] for name in sorted(ways)]


def how_made(model: Model, batch: int) -> dict[str, Any]:
    """All that may change the last bits of what is computed, and the form in which it is kept."""
    return {"device": model.device.type, "batch": batch, "vital": __version__, "format": FORMAT}
