"""Directions in a layer, which no table of channels can rank: a second pass over the images, kept like the first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from vital.activations.rankings import FORMAT, Ranking, Tables, unpacked_if_whole
from vital.activations.scan import scan
from vital.activations.selection import readout_name
from vital.data import ImageSet
from vital.models import Model
from vital.tracing.readout import vector_of
from vital.units import Unit
from vital.utils import tensor_pack
from vital.utils.hashing import key_of
from vital.utils.io import cache_folder


def direction_key(bank: str, unit: Unit) -> str:
    """What a direction's tables are kept under: the bank's key, the readout, and the vector's content."""
    vector = vector_of(unit).float()
    return key_of(bank=bank, readout=readout_name(unit), vector=vector.tolist(), format=FORMAT)


def rank_directions(
    model: Model,
    images: ImageSet,
    units: Sequence[Unit],
    *,
    top: int,
    bank: str,
    disk: bool = True,
    progress: bool = False,
) -> dict[str, Tables]:
    """Rank images for directions as a bank ranks them for channels, all in one pass: tables of one row by key.

    `top` images are kept of each; `bank` is the key of the bank. On disk all of a bank lie in one file.
    """
    file = _file(bank, model)
    missing: dict[str, Unit] = {}
    found: dict[str, Tables] = {}
    for unit in units:
        key = direction_key(bank, unit)
        held = tensor_pack.get(file, key) if disk else None
        tables = unpacked_if_whole(held[0], len(images)) if held else None
        if tables:
            found[key] = tables
        else:
            missing[key] = unit
    if missing:
        made = _scanned(model, images, missing, top, progress)
        for key, tables in made.items():
            if disk:
                tensor_pack.put(file, key, tables.pack(), {"unit": str(missing[key])})
        found |= made
    return found


def _scanned(
    model: Model, images: ImageSet, units: dict[str, Unit], top: int, progress: bool
) -> dict[str, Tables]:
    """The tables of each direction, from one pass for all."""
    by_layer: dict[str, list[str]] = {}
    for key, unit in units.items():
        by_layer.setdefault(unit.layer, []).append(key)
    vectors = {n: torch.stack([vector_of(units[k]).float() for k in keys]) for n, keys in by_layer.items()}
    whole = scan(model, tuple(vectors), images, top, 16, progress, vectors)
    return {
        key: _row(whole, readout_name(units[key]), place)
        for keys in by_layer.values()
        for place, key in enumerate(keys)
    }


def _row(tables: Tables, name: str, place: int) -> Tables:
    """The tables of one readout and one of its rows."""

    def row(ranking: Ranking) -> Ranking:
        return ranking.map(lambda table: table[place : place + 1].clone())

    peaks = {name: row(tables.peaks[name])} if name in tables.peaks else {}
    sample = {name: tables.sample[name][place : place + 1].clone()}
    return Tables({name: row(tables.means[name])}, peaks, sample, tables.sampled, tables.keys, tables.count)


def _file(bank: str, model: Model) -> Path:
    """The weights may have changed beneath the bank, so that their hash is part of the name."""
    return cache_folder() / "directions" / f"{key_of(bank, model.weights_hash())}.pack"
