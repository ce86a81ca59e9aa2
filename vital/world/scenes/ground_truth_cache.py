"""What is worked out once and kept: pictures and answers in the cache folder, and the answers that are shipped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from vital.models import Model
from vital.utils.io import as_json, cache_folder, explained, write
from vital.world.networks.weights import FOLDER
from vital.world.scenes.concepts import concepts

Table = dict[str, Tensor]
"""The figures of all channels of a layer: `concept` and `auprc` (C, 2), `chance` and `correlation` (C,)."""

SHIPPED = FOLDER / "truths.safetensors"


def path_of(kind: str, *key: object) -> Path:
    """Name a file of the cache by what decides its content."""
    return cache_folder() / "world" / f"{kind}-{_hash(*key)}.safetensors"


def kept(path: Path) -> Table | None:
    """Read a file of the cache; None where it is missing or damaged."""
    if not path.is_file():
        return None
    try:
        with explained(path, "read"):
            return load(path.read_bytes())
    except SafetensorError:
        return None


def ship_truths(model: Model, tables: Mapping[str, Table], path: Path = SHIPPED) -> None:
    """Write the figures of a network's layers beside the shipped weights."""
    named = {f"{layer}/{part}": value for layer, table in tables.items() for part, value in table.items()}
    write(path, save(named, {"of": _stamp(model)}))


def shipped_truths(model: Model, path: Path = SHIPPED) -> dict[str, Table]:
    """Read the shipped figures, by layer; empty for any network but the one that they were made with.

    They hold on any machine: other than in the cache, the renderer's and the processor's rounding is no part of
    the key.
    """
    if not path.is_file():
        return {}
    found: dict[str, Table] = {}
    with safe_open(path, "pt") as file:
        if (file.metadata() or {}).get("of") != _stamp(model):
            return {}
        for name in file.keys():  # noqa: SIM118  the file is no mapping
            layer, _, part = name.rpartition("/")
            found.setdefault(layer, {})[part] = file.get_tensor(name)
    return found


def _stamp(model: Model) -> str:
    return _hash(model.weights_hash(), model.preprocessing, [concept.name for concept in concepts()])


def _hash(*key: object) -> str:
    return hashlib.sha256(as_json([str(part) for part in key])).hexdigest()[:24]
