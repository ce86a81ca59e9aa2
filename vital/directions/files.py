"""Directions in a file, in the form that units such as `FILE.safetensors:3@layer4` read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vital.errors import DataError, InvalidValueError
from vital.units import Unit
from vital.utils.io import path_of, write
from vital.utils.public import door

KEY = "directions"


@door
def save_directions(
    path: str | Path,
    vectors: Tensor,
    layer: str,
    *,
    tokens: str | None = None,
    notes: Mapping[str, Any] | None = None,
) -> list[Unit]:
    """Write directions (count, C) of a layer to a safetensors file, whole or not at all; the answer is their units.

    The file also says the layer and the `notes`, such as how they were found. `tokens` says which tokens the units
    read where the layer has any ("patches", "cls", "all"). A file of directions is written over; any other file is
    left alone (`DataError`). Raises `InvalidValueError` for vectors or a name that units cannot read.

    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "parts.safetensors"
    >>> save_directions(name, torch.eye(2, 16), "layer4")[1].index
    1
    """
    path = free_name(path)
    if vectors.ndim != 2 or not len(vectors) or not torch.isfinite(vectors).all():
        raise InvalidValueError(
            f"directions are a matrix (count, channels) of finite numbers; this one is {tuple(vectors.shape)}"
        )
    about = json.dumps({"layer": layer, **(notes or {})}, sort_keys=True, default=str)
    write(path, save({KEY: vectors.detach().cpu().contiguous()}, metadata={"vital": about}))
    return [Unit(layer, i, tokens=tokens or "", source=str(path)) for i in range(len(vectors))]


def free_name(path: str | Path) -> Path:
    """The path, after a look that directions may be written there: before long work, not after it.

    Raises `InvalidValueError` for a name that units cannot read and `DataError` where another file is in the way.
    """
    path = path_of(path)
    if path.suffix != ".safetensors" or "!" in str(path):
        raise InvalidValueError(
            f"{str(path)!r} cannot hold directions; allowed are names NAME.safetensors without '!'"
        )
    if path.exists() and not _ours(path):
        raise DataError(f"{str(path)!r} is there already and holds no directions; choose another name")
    return path


def _ours(path: Path) -> bool:
    try:
        with safe_open(path, "pt") as file:
            return list(file.keys()) == [KEY]
    except (SafetensorError, OSError):
        return False


def unit_rows(vectors: Tensor) -> Tensor:
    """Divide each row by its length; rows of zeros stay as they are.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    length: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / length.masked_fill(length == 0, 1.0)
