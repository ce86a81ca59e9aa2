"""What a pass over images leaves behind: rankings and a sample per unit, which can be merged without loss."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

FORMAT = 2
"""What files of tables are written as; part of every key, so that older files are never read."""

BLOCK = 256
"""How many units are ranked anew at once."""

SAMPLE = 1000
"""How many images stand for the whole set where a unit's quantiles are asked for."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The strongest images of each unit: values and image indices (C, k), strongest first; ties, earlier image first.

    `places` (C, k) says where in the image the value was reached, where the ranking is by single places.
    """

    values: Tensor
    indices: Tensor
    places: Tensor | None = None

    def best(self, top: int) -> Ranking:
        """Keep the `top` strongest of each unit; of equal values those that stand first.

        >>> Ranking(torch.tensor([[1.0, 3.0, 3.0]]), torch.tensor([[4, 5, 6]])).best(2).indices
        tensor([[5, 6]])
        """
        order = self.values.sort(dim=1, descending=True, stable=True).indices[:, :top]
        return self.map(lambda table: table.gather(1, order))

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """Values, indices and, where there are some, places."""
        return tuple(table for table in (self.values, self.indices, self.places) if table is not None)

    def map(self, change: Callable[[Tensor], Tensor]) -> Ranking:
        """Change every table in the same way."""
        return Ranking(*map(change, self.tables))

    def shifted(self, by: int) -> Ranking:
        """The same ranking of images whose numbers are higher by `by`."""
        return Ranking(self.values, self.indices + by, self.places)


@dataclass(frozen=True, eq=False)
class Tables:
    """What a number of images say about the units of some readouts.

    A readout is a layer, or `layer#patches` and so on where it has tokens. `means` ranks images by the mean over
    places, `peaks` by the strongest single place, where there are places. `sample` holds, per readout, the values
    (C, m) of the m images `sampled`: those with the lowest `keys`, which are drawn from an image's pixels, so that
    the sample is random, always the same, and the same in parts as in one go. `count` images were seen in all.
    """

    means: Mapping[str, Ranking]
    peaks: Mapping[str, Ranking]
    sample: Mapping[str, Tensor]
    sampled: Tensor
    keys: Tensor
    count: int

    def below(self, readout: str, index: int, value: float) -> float:
        """The share of the images in which the unit's mean lies below `value`, from 0 to 1 (see `share_below`)."""
        ranking, sample = self.means[readout], self.sample[readout][index].double()
        if self.count > len(sample):
            sample = sample[~torch.isin(self.sampled, ranking.indices[index])]
        return share_below(value, ranking.values[index].double(), sample, self.count)

    def of_readouts(self, names: Collection[str]) -> Tables:
        """The tables of some readouts alone."""

        def some(found: Mapping[str, T]) -> dict[str, T]:
            return {name: one for name, one in found.items() if name in names}

        parts = (some(self.means), some(self.peaks), some(self.sample))
        return Tables(*parts, self.sampled, self.keys, self.count)

    def pack(self) -> dict[str, Tensor]:
        """Lay everything out as named tensors, for a file."""
        tensors = {"sampled": self.sampled, "keys": self.keys, "count": torch.tensor(self.count)}
        for name, rankings in (("means", self.means), ("peaks", self.peaks)):
            for readout, ranking in rankings.items():
                tensors[f"{name}.values/{readout}"] = ranking.values
                tensors[f"{name}.indices/{readout}"] = ranking.indices
                if ranking.places is not None:
                    tensors[f"{name}.places/{readout}"] = ranking.places
        return tensors | {f"sample/{readout}": values for readout, values in self.sample.items()}


def unpack(tensors: Mapping[str, Tensor], images: int) -> Tables:
    """Read what `Tables.pack` laid out of a set of so many images.

    Raises `ValueError` where something is missing or does not fit the rest.
    """
    try:
        found = _unpacked(tensors)
        faults = [r for r in found.sample if not _fits(found, r, images)]
    except (KeyError, TypeError, IndexError, RuntimeError) as error:
        raise ValueError(f"it lacks {error}" if isinstance(error, KeyError) else str(error)) from error
    groups = ("means.", "peaks.", "sample/")
    faults += sorted({name for name in tensors if name.startswith(groups)} - found.pack().keys())
    if faults or not 0 < found.count <= images or set(found.means) != set(found.sample):
        raise ValueError(f"its tables {f'of {faults[0]!r} ' if faults else ''}do not fit together")
    return found


def unpacked_if_whole(tensors: Mapping[str, Tensor], images: int) -> Tables | None:
    """The same from a cache; None for a damaged file, which is made again."""
    with suppress(ValueError):
        return unpack(tensors, images)
    return None


def _fits(found: Tables, readout: str, images: int) -> bool:
    """Whether the tables of a readout are of the same units, and of images that there are."""
    sample, means, peaks = found.sample[readout], found.means[readout], found.peaks.get(readout)
    units = len(sample)
    right = peaks is None or peaks.places is not None
    right &= sample.shape == (units, *found.sampled.shape) and found.sampled.shape == found.keys.shape
    for ranking in (means, peaks or means):
        shape, numbers = ranking.values.shape, ranking.indices
        right &= len(shape) == 2 and len(ranking.values) == units and numbers.shape == shape
        right &= ranking.values.dtype == sample.dtype
        right = right and not bool((ranking.values[:, 1:] > ranking.values[:, :-1]).any())
        if (places := ranking.places) is not None:
            right = (
                right and places.shape == shape and places.dtype == torch.int64 and int(places.amin()) >= 0
            )
        right &= numbers.dtype == torch.int64 and numbers.numel() > 0
        right = right and int(numbers.amin()) >= 0 and int(numbers.amax()) < images
    return right and found.sampled.dtype == torch.int64 and sample.is_floating_point()


def _unpacked(tensors: Mapping[str, Tensor]) -> Tables:

    def group(name: str) -> dict[str, Tensor]:
        return {k.partition("/")[2]: t for k, t in tensors.items() if k.startswith(f"{name}/")}

    def rankings(name: str) -> dict[str, Ranking]:
        values, indices, places = (group(f"{name}.{part}") for part in ("values", "indices", "places"))
        return {k: Ranking(values[k], indices[k], places.get(k)) for k in sorted(values)}

    counted = (tensors["sampled"], tensors["keys"], int(tensors["count"]))
    return Tables(rankings("means"), rankings("peaks"), group("sample"), *counted)


def share_below(value: float, top: Tensor, body: Tensor, count: int) -> float:
    """The share of `count` values that lie below `value`, from the k highest ones and a sample of the others.

    Formula: where value > top_k, (N − #{i: top_i ≥ value}) / N, exactly; else (N − k) / N · share of `body` below value

    `body` is the sample without the k highest; with as many entries as there are values it is all of them, and the
    answer is exact. It never falls as `value` grows.

    >>> top, body = torch.tensor([9.0, 8.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> [share_below(v, top, body, 10) for v in (9.5, 8.5, 8.0, 2.5, 0.0)]
    [1.0, 0.9, 0.8, 0.4, 0.0]
    """
    if len(body) == count:
        return int((body < value).sum()) / count
    if value > float(top[-1]):
        return (count - int((top >= value).sum())) / count
    share = float((body < value).double().mean()) if len(body) else 0.0
    return (count - len(top)) / count * share


def merge(parts: Sequence[Tables], top: int, sample: int = SAMPLE, *, reuse: bool = False) -> Tables:
    """Make one of the tables of several parts of a set, whose images are numbered through in the order of the parts.

    The result is that of one pass over all of them: rankings and samples are the best of the parts' best. With `reuse`
    it is written over the first part where it has the same size, which saves the memory of a second one.
    """
    means = {r: _best([p.means[r] for p in parts], top, reuse) for r in parts[0].means}
    peaks = {r: _best([p.peaks[r] for p in parts], top, reuse) for r in parts[0].peaks}
    keys = torch.cat([p.keys for p in parts])
    order = keys.sort(stable=True).indices[:sample]
    kept = {r: _columns([p.sample[r] for p in parts], order, reuse) for r in parts[0].sample}
    sampled = torch.cat([p.sampled for p in parts])[order]
    return Tables(means, peaks, kept, sampled, keys[order], sum(p.count for p in parts))


def _best(rankings: Sequence[Ranking], top: int, reuse: bool) -> Ranking:
    """The best of rankings side by side, for some units at a time: all at once would take much memory."""
    width = min(top, sum(ranking.values.shape[1] for ranking in rankings))
    found = rankings[0].map(lambda table: _room(table, width, reuse))
    for start in range(0, len(found.values), BLOCK):
        cut = [ranking.map(partial(_block, start=start)) for ranking in rankings]
        best = _side_by_side(cut).best(top)
        for into, table in zip(found.tables, best.tables, strict=True):
            _block(into, start).copy_(table)
    return found


def _columns(tables: Sequence[Tensor], order: Tensor, reuse: bool) -> Tensor:
    """Some columns of tables side by side, for some units at a time."""
    found = _room(tables[0], len(order), reuse)
    for start in range(0, len(found), BLOCK):
        rows = torch.cat([_block(table, start) for table in tables], 1)
        _block(found, start).copy_(rows[:, order])
    return found


def _room(table: Tensor, width: int, reuse: bool) -> Tensor:
    """A table of so many columns to write into: the same one where that may be, else a new one."""
    return table if reuse and table.shape[1] == width else table.new_empty(len(table), width)


def _block(table: Tensor, start: int) -> Tensor:
    """The rows of some units."""
    return table[start : start + BLOCK]


def _side_by_side(rankings: Sequence[Ranking]) -> Ranking:
    """One ranking of all columns."""
    return Ranking(*(torch.cat(tables, 1) for tables in zip(*(r.tables for r in rankings), strict=True)))


def shifted(tables: Tables, by: int) -> Tables:
    """The tables of images whose numbers are higher by `by`."""
    means = {r: ranking.shifted(by) for r, ranking in tables.means.items()}
    peaks = {r: ranking.shifted(by) for r, ranking in tables.peaks.items()}
    return Tables(means, peaks, tables.sample, tables.sampled + by, tables.keys, tables.count)
