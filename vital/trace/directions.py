"""Directions in a layer, read from a file."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vital.errors import BadUnit, unknown
from vital.units import Unit


def read_direction(unit: str | Unit) -> Tensor:
    """Read the vector of a direction such as `concepts.safetensors:3@layer4` from its file, (C,).

    The file holds one matrix (rows, C), or several, of which `FILE.safetensors!KEY:ROW@LAYER` names one.
    Raises `BadUnit` when there is no such file or row, and `UnknownName` when there is no such matrix.
    """
    unit = Unit.parse(unit) if ".safetensors" in str(unit) else Unit(str(unit))
    path, _, key = unit.source.partition("!")
    if not path:
        raise BadUnit(f"{unit.layer!r} brings no vector; give one, or write FILE.safetensors:ROW@LAYER")
    if not Path(path).is_file():
        raise BadUnit(f"{unit} cannot be read: there is no file {path!r}")
    try:
        with safe_open(path, "pt") as file:
            matrix = file.get_tensor(_only_key(path, key, list(file.keys())))
    except SafetensorError as error:
        raise BadUnit(f"{unit} cannot be read: {path!r} is not a safetensors file ({error})") from error
    if matrix.ndim != 2 or not 0 <= unit.index < len(matrix):
        raise BadUnit(f"{unit} does not exist: the matrix in {path!r} has the shape {tuple(matrix.shape)}")
    row: Tensor = matrix[unit.index]
    return row


def _only_key(path: str, key: str, keys: list[str]) -> str:
    if not key and len(keys) == 1:
        return keys[0]
    if not key:
        raise BadUnit(f"{path!r} holds {len(keys)} matrices; write {path}!KEY, KEY being {' or '.join(keys)}")
    if key not in keys:
        raise unknown(f"matrix in {path!r}", key, keys)
    return key
