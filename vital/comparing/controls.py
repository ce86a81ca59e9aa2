"""Controls: what a method's numbers would be if its references, or its network, had nothing to do with the unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from vital.activations import ReferenceBank
from vital.activations.rankings import Ranking, Tables
from vital.activations.selection import readout_name
from vital.data import ImageSet
from vital.data.sources import Picture, Source
from vital.errors import InvalidValueError
from vital.units import Unit
from vital.utils.random import generator, seed_of


@dataclass(frozen=True, eq=False)
class Permuted(Source):
    """The pictures of another source in another order."""

    source: Source
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.order)

    def read(self, index: int) -> Picture:
        """Decode the picture that stands here now."""
        return self.source.read(self.order[index])

    def divisible(self) -> bool:
        """Whether several processes read the other source faster than one."""
        return self.source.divisible()

    def content(self) -> Iterator[bytes]:
        """Yield the order, and what the other source yields."""
        yield repr(self.order).encode()
        yield from self.source.content()


def shuffled(bank: ReferenceBank, seed: int = 0) -> ReferenceBank:
    """A bank that names the wrong images: its pictures have changed places at random, its rankings have not.

    References chosen from it are random images, as many as before and with the same weights.
    """
    order = tuple(torch.randperm(len(bank.images), generator=generator("shuffled", seed)).tolist())
    images = bank.images
    names = tuple(images.names[i] for i in order)
    mixed = ImageSet(
        Permuted(images.source, order), names, images.labels, images.class_names, f"{images.name}, shuffled"
    )
    return replace(bank, images=mixed, key=f"{bank.key}-shuffled-{seed}")


def rerouted(bank: ReferenceBank, units: Sequence[Unit]) -> ReferenceBank:
    """A bank in which each unit has the references of the next one of its layer among `units`; the last, of the first.

    Values, percentiles and natural values stay the unit's own. Raises `InvalidValueError` for a unit that is alone in
    its layer.
    """
    instead: dict[Unit, Unit] = {}
    for layer in dict.fromkeys(unit.layer for unit in units):
        own = [unit for unit in units if unit.layer == layer]
        if len(own) < 2:
            raise InvalidValueError(
                f"{own[0]} is the only unit of {layer!r}, so that no other can lend it references; give two"
            )
        instead |= dict(zip(own, [*own[1:], own[0]], strict=True))
    tables = bank.tables
    means, peaks = (_rerouted(rankings, instead) for rankings in (tables.means, tables.peaks))
    mixed = Tables(means, peaks, tables.sample, tables.sampled, tables.keys, tables.count)
    key = f"{bank.key}-rerouted-{seed_of(*sorted(f'{a}>{b}' for a, b in instead.items()))}"
    return replace(bank, tables=mixed, images=_relabeled(bank, instead), key=key)


def _rerouted(rankings: Mapping[str, Ranking], instead: Mapping[Unit, Unit]) -> dict[str, Ranking]:
    """The rankings with the images, and the places in them, of other units."""
    found = dict(rankings)
    for unit, other in instead.items():
        name = readout_name(unit)
        if name in rankings and not unit.source and not other.source:
            before, now = rankings[name], found[name]
            if now is before:
                places = None if before.places is None else before.places.clone()
                now = Ranking(before.values, before.indices.clone(), places)
            now.indices[unit.channel] = before.indices[other.channel]
            if now.places is not None and before.places is not None:
                now.places[unit.channel] = before.places[other.channel]
            found[name] = now
    return found


def _relabeled(bank: ReferenceBank, instead: Mapping[Unit, Unit]) -> ImageSet:
    """The images with the labels of classes exchanged in the same way, for methods that go by labels."""
    images, classes = bank.images, {a: b for a, b in instead.items() if a.is_class}
    if not classes or all(label is None for label in images.labels):
        return images
    outputs = len(bank.model.classes) or None
    labels: list[int | None] = list(images.labels)
    for unit, other in classes.items():
        mine = images.of_class(unit.channel, bank.model.classes, outputs)
        own = images.labels[mine[0]]
        for i in images.of_class(other.channel, bank.model.classes, outputs):
            labels[i] = own
    return replace(images, labels=tuple(labels))
