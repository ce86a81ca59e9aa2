"""Directions from files: the vector behind a unit such as `concepts.safetensors:3@layer4`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vital.errors import InvalidValueError, UnitError, unknown
from vital.units import Unit
from vital.utils.file_kinds import no_file
from vital.utils.hashing import tensor_hash
from vital.utils.io import did_you_mean, path_of


def read_direction(unit: str | Unit) -> Tensor:
    """Read the vector of a direction such as `concepts.safetensors:3@layer4` from its file, (C,).

    The file holds one matrix (rows, C), or several, of which `FILE.safetensors!KEY:ROW@LAYER` names one.
    Raises `UnitError` when there is no such file or row, and `UnknownNameError` when there is no such matrix.
    """
    unit = as_place(unit)
    path, _, key = unit.source.partition("!")
    return _row(path, key, unit, written(unit)).clone()


def written(unit: Unit) -> tuple[int, ...]:
    """Which file a direction is in, when that was written and its bytes; `UnitError` where there is none."""
    path = unit.source.partition("!")[0]
    if not path:
        raise UnitError(f"{unit.layer!r} brings no vector; give one, or write FILE.safetensors:ROW@LAYER")
    if not path_of(path).is_file():
        why = no_file(path) or f"there is no file {path!r}{did_you_mean(path)}"
        raise UnitError(f"{unit} cannot be read: {why}")
    known = Path(path).stat()
    return known.st_dev, known.st_ino, known.st_mtime_ns, known.st_size


def as_place(given: str | Unit) -> Unit:
    """Where a direction lies: read from the text of one in a file, or from the name of a layer, with a position or not.

    >>> as_place("concepts.safetensors:3@layer4").layer, as_place("layer4@3,5").position
    ('layer4', (3, 5))
    """
    if isinstance(given, Unit):
        return given
    if ".safetensors" in given:
        return Unit.parse(given)
    match = re.fullmatch(r"(.+)@(\d+),(\d+)", given)
    return Unit(match[1], position=(int(match[2]), int(match[3]))) if match else Unit(given)


def digests(units: Iterable[Unit]) -> dict[str, str]:
    """What the directions among some units hold: the beginning of the SHA-256 of each vector, by the unit's name.

    Channels have none. Raises what `read_direction` raises.
    """
    return {str(unit): tensor_hash(read_direction(unit).double())[:16] for unit in units if unit.source}


@lru_cache(maxsize=256)
def _row(path: str, key: str, unit: Unit, changed: tuple[int, ...]) -> Tensor:
    """The same from memory, as long as the file is unchanged: a search asks for it in every step."""
    del changed
    try:
        with safe_open(path, "pt") as file:
            matrix = file.get_slice(_only_key(path, key, list(file.keys())))
            shape = tuple(matrix.get_shape())
            row: Tensor | None = (
                matrix[unit.channel] if len(shape) == 2 and unit.channel in range(shape[0]) else None
            )
    except SafetensorError as error:
        raise UnitError(f"{unit} cannot be read: {path!r} is not a safetensors file ({error})") from error
    if row is None:
        raise UnitError(f"{unit} does not exist: the matrix in {path!r} has the shape {shape}")
    if row.is_complex() or (row.is_floating_point() and row.element_size() == 1):
        what = "real numbers of 16 bits and more"
        raise UnitError(f"{unit} cannot be read: {path!r} holds {row.dtype}; allowed are {what}")
    return row


def _only_key(path: str, key: str, keys: list[str]) -> str:
    if not key and len(keys) == 1:
        return keys[0]
    if not key:
        raise UnitError(
            f"{path!r} holds {len(keys)} matrices; write {path}!KEY, KEY being {' or '.join(keys)}"
        )
    if key not in keys:
        raise unknown(f"matrix in {path!r}", key, keys)
    return key


def check_fit(what: str, vector: Tensor, layer: str, channels: int) -> None:
    """Raise `InvalidValueError` for a direction that has not one entry for each channel of its layer."""
    if len(vector) != channels:
        raise InvalidValueError(
            f"{what} has {len(vector)} entries, and layer {layer!r} has {channels} channels; "
            "a direction has one for each"
        )
