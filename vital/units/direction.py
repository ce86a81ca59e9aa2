"""Directions from files: the vector behind a unit such as `concepts.safetensors:3@layer4`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vital.errors import InvalidValueError, UnitError, unknown
from vital.units import Unit
from vital.utils.hashing import tensor_hash


def read_direction(unit: str | Unit) -> Tensor:
    """Read the vector of a direction such as `concepts.safetensors:3@layer4` from its file, (C,).

    The file holds one matrix (rows, C), or several, of which `FILE.safetensors!KEY:ROW@LAYER` names one.
    Raises `UnitError` when there is no such file or row, and `UnknownNameError` when there is no such matrix.
    """
    unit = Unit.parse(unit) if ".safetensors" in str(unit) else Unit(str(unit))
    path, _, key = unit.source.partition("!")
    if not path:
        raise UnitError(f"{unit.layer!r} brings no vector; give one, or write FILE.safetensors:ROW@LAYER")
    if not Path(path).is_file():
        raise UnitError(f"{unit} cannot be read: there is no file {path!r}")
    known = Path(path).stat()
    return _row(path, key, unit, known.st_mtime_ns, known.st_size).clone()


def digests(units: Iterable[Unit]) -> dict[str, str]:
    """What the directions among some units hold: the beginning of the SHA-256 of each vector, by the unit's name.

    Channels have none. Raises what `read_direction` raises.
    """
    return {str(unit): tensor_hash(read_direction(unit).double())[:16] for unit in units if unit.source}


@lru_cache(maxsize=256)
def _row(path: str, key: str, unit: Unit, changed: int, size: int) -> Tensor:
    """The same from memory, as long as the file is unchanged: a search asks for it in every step."""
    del changed, size
    try:
        with safe_open(path, "pt") as file:
            matrix = file.get_slice(_only_key(path, key, list(file.keys())))
            shape = tuple(matrix.get_shape())
            row: Tensor | None = (
                matrix[unit.index] if len(shape) == 2 and unit.index in range(shape[0]) else None
            )
    except SafetensorError as error:
        raise UnitError(f"{unit} cannot be read: {path!r} is not a safetensors file ({error})") from error
    if row is None:
        raise UnitError(f"{unit} does not exist: the matrix in {path!r} has the shape {shape}")
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


def direction_for(unit: Unit, act: Tensor) -> Tensor:
    """The vector of a direction on the device and in the precision of its layer's activations, (C,).

    Raises `InvalidValueError` where the layer has another number of channels.
    """
    vector = read_direction(unit)
    if len(vector) != act.shape[1]:
        raise InvalidValueError(
            f"{unit} has {len(vector)} entries; layer {unit.layer!r} has {act.shape[1]} channels"
        )
    return vector.to(act)
