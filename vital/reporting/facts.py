"""What a run folder may hold of a unit beyond pictures and words: how images excite it, and which units are like it.

    units/UNIT/activations.json    a histogram of the unit's activations over the images of a bank
    units/UNIT/neighbors.json      the units that are most like it
    units/UNIT/circuit.json        what feeds it, as `vital circuit` writes it (circuit.json in the run folder does too)
    units/UNIT/classes.json        the classes that it serves (classes.json in the run folder does too)
    words/PIECE.failed.json        the units that an atlas has no words of yet, and why

Each file is written whole or not at all, and none is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vital.activations import ReferenceBank
from vital.activations.selection import readout_name
from vital.errors import InvalidValueError
from vital.rendering.run_folder import folder_name
from vital.units import Unit
from vital.utils.io import AGAIN, as_json, damaged, read_json, within, write

ACTIVATIONS, NEIGHBORS, CIRCUIT, CLASSES = (
    "activations.json",
    "neighbors.json",
    "circuit.json",
    "classes.json",
)
WORDS, FAILED = "words", ".failed.json"
"""The folder in which an atlas keeps the words of its pieces, and how the names of files end that tell what failed."""
EVEN = 1e-6
"""Activations that differ by no more than this share of the greatest are the same."""
BLOCK = 512
"""How many units are compared with all others at once."""


@dataclass(frozen=True)
class Histogram:
    """How many of `images` have an activation between two `edges`; there is one count fewer than edges."""

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    images: int


@dataclass(frozen=True)
class Link:
    """Another unit, and how much it has to do with this one: a similarity, or a share of what feeds it.

    `label` is the name of a class where it is known.
    """

    unit: str
    weight: float
    label: str = ""


def histogram(bank: ReferenceBank, unit: str | Unit, bins: int = 32) -> Histogram:
    """Count how many images of a bank excite a unit how much.

    The strongest images are counted exactly, the others by the bank's sample of them. Raises `InvalidValueError` for a
    unit that the bank has not ranked, or that is a direction.
    """
    unit = bank.model.unit(unit)
    if unit.source or not bank.ranks(unit):
        raise InvalidValueError(f"the bank has ranked no images for {unit}; give a channel of {bank.layers}")
    name, index = readout_name(unit), unit.channel
    ranking, tables = bank.tables.means[name], bank.tables
    sample, top = tables.sample[name][index].double(), ranking.values[index].double()
    rest = sample[~torch.isin(tables.sampled, ranking.indices[index])]
    every = torch.cat([top, rest])
    low, high = float(every.min()), float(every.max())
    edges = torch.linspace(low, high if high > low else low + 1, bins + 1, dtype=torch.float64)
    weight = (tables.count - len(top)) / len(rest) if len(rest) else 0.0
    counts = torch.histogram(top, edges).hist + weight * torch.histogram(rest, edges).hist
    return Histogram(_short(edges), _short(counts), tables.count)


def save_histogram(run: str | Path, unit: str | Unit, found: Histogram) -> None:
    """Write a unit's histogram into a run folder. Raises `RunError`."""
    told = {"unit": str(unit), "images": found.images, "edges": found.edges, "counts": found.counts}
    write(_file(run, unit, ACTIVATIONS), as_json(told))


def save_neighbors(run: str | Path, unit: str | Unit, neighbors: Sequence[Link], by: str) -> None:
    """Write the units that are most like a unit into a run folder, nearest first; `by` says how they compare."""
    rows = [{"unit": link.unit, "similarity": float(f"{link.weight:.4g}")} for link in neighbors]
    write(_file(run, unit, NEIGHBORS), as_json({"unit": str(unit), "by": by, "neighbors": rows}))


def save_feeders(run: str | Path, unit: str | Unit, feeders: Sequence[tuple[Unit, float]]) -> None:
    """Write the units that feed a unit into a run folder, with their shares of its relevance, most first."""
    rows = [{"unit": str(unit), "feeder": str(one), "share": float(f"{share:.4g}")} for one, share in feeders]
    write(_file(run, unit, CIRCUIT), as_json({"unit": str(unit), "edges": rows}))


def nearest_units(
    bank: ReferenceBank, units: Sequence[str | Unit], count: int = 8
) -> Iterator[tuple[Unit, list[Link]]]:
    """Find for each unit the `count` others whose activations go with its own, over the images that the bank sampled.

    The similarity is Pearson's correlation. Units that the bank has not sampled, and directions, are left out.
    """
    found = [bank.model.unit(unit) for unit in units]
    known = [unit for unit in found if not unit.source and bank.ranks(unit)]
    if len(known) < 2:
        return
    rows = torch.stack([bank.tables.sample[readout_name(unit)][unit.channel].float() for unit in known])
    usual = rows.abs().amax(1, keepdim=True)
    rows = rows - rows.mean(1, keepdim=True)
    rows = rows.where(rows.abs().amax(1, keepdim=True) > EVEN * usual, 0)  # what rounding leaves of one value
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    for start in range(0, len(known), BLOCK):
        for i, near in enumerate(rows[start : start + BLOCK] @ rows.T, start):
            near[i] = -2  # never its own neighbor
            best = near.topk(min(count, len(known) - 1))
            links = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            yield known[i], [Link(str(known[j]), value) for j, value in links]


def read_histogram(run: Path, unit: str | Unit) -> Histogram | None:
    """Read a unit's histogram; None where there is none. Raises `RunError` for a damaged one."""
    file = _file(run, unit, ACTIVATIONS)
    if not file.is_file():
        return None
    try:
        found = read_json(within(run, file))
        edges, counts = (tuple(map(_finite, found[name])) for name in ("edges", "counts"))
        images = int(found["images"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(file, error, AGAIN) from error
    if not counts or len(edges) != len(counts) + 1:
        raise damaged(file, f"it has {len(edges)} edges and {len(counts)} counts", AGAIN)
    return Histogram(edges, counts, images)


def read_neighbors(run: Path, unit: str | Unit) -> tuple[str, list[Link]]:
    """Read how units were compared, and which are most like a unit; none where there is no such file."""
    file = _file(run, unit, NEIGHBORS)
    if not file.is_file():
        return "", []
    try:
        found = read_json(within(run, file))
        links = [Link(str(row["unit"]), _finite(row["similarity"])) for row in found["neighbors"]]
        return str(found["by"]), links
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(file, error, AGAIN) from error


def read_feeders(run: Path, unit: str | Unit, common: Mapping[str, Sequence[Link]]) -> list[Link]:
    """Read what feeds a unit, most first: its own circuit.json, or what `common` holds of it (see `read_circuit`)."""
    own = _file(run, unit, CIRCUIT)
    return list((read_circuit(within(run, own)) if own.is_file() else common).get(str(unit), ()))


def read_circuit(file: Path) -> dict[str, list[Link]]:
    """Read a circuit.json: for each unit what feeds it, most first. Raises `RunError` for a damaged one."""
    try:
        edges: list[dict[str, Any]] = read_json(file)["edges"]
        found: dict[str, list[Link]] = {}
        for edge in edges:
            found.setdefault(str(edge["unit"]), []).append(Link(str(edge["feeder"]), _finite(edge["share"])))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(file, error, AGAIN) from error
    return {unit: sorted(links, key=lambda link: -link.weight) for unit, links in found.items()}


def read_classes(run: Path, unit: str | Unit) -> list[Link]:
    """Read the classes that a unit serves, most first; none where no file tells of it. Raises `RunError`."""
    for file in (_file(run, unit, CLASSES), run / CLASSES):
        if not file.is_file():
            continue
        try:
            found = read_json(within(run, file))
            if str(found["unit"]) != str(unit):
                continue
            links = [
                Link(str(row["class"]), _finite(row["share"]), str(row["label"])) for row in found["classes"]
            ]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise damaged(file, error, AGAIN) from error
        return sorted((link for link in links if link.weight > 0), key=lambda link: -link.weight)
    return []


def _file(run: str | Path, unit: str | Unit, name: str) -> Path:
    return Path(run) / "units" / folder_name(unit) / name


def _finite(value: Any) -> float:
    """Read a number; JSON, in which sites hold it, has none that is not finite. Raises `ValueError`."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"it holds {number}, which is no finite number")
    return number


def _short(values: Tensor) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values.tolist())


def read_failures(folder: Path) -> list[tuple[str, str, str]]:
    """The units that an atlas has no words of: unit, method, and why. Raises `RunError`."""
    found = []
    for file in sorted((folder / WORDS).glob(f"*{FAILED}")):
        told = read_json(file)
        failed = told.get("failed")
        if not isinstance(failed, Mapping):
            raise damaged(file, "it tells no units")
        found += [(str(unit), str(told.get("method", "")), str(why)) for unit, why in failed.items()]
    return found
