"""What is worked out once and kept: pictures and answers in the cache folder, and the answers that are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from vital.models import Model
from vital.utils.hashing import key_of
from vital.utils.io import write
from vital.utils.tensor_cache import file_of
from vital.world.networks.weights import FOLDER
from vital.world.scenes.concepts import concepts

Table = dict[str, Tensor]
"""The figures of all channels of a layer: `concept` and `auprc` (C, 2), `chance` and `correlation` (C,)."""

SHIPPED = FOLDER / "truths.safetensors"


def path_of(kind: str, *key: object) -> Path:
    """Name a file of the cache by what decides its content."""
    return file_of("world", f"{kind}-{key_of(*map(str, key))}")


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
    names = [concept.name for concept in concepts()]
    return key_of(*map(str, (model.weights_hash(), model.preprocessing, names)))
