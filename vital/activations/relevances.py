"""Units by their relevance for a target: another pass over the images, kept like the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from vital.activations.directions import direction_key
from vital.activations.rankings import FORMAT, Tables, unpacked_if_whole
from vital.activations.scan import scan
from vital.activations.targets import Target, find_target
from vital.attribution import Relevance, propagate
from vital.data import ImageSet
from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import Tracer
from vital.tracing.readout import at_places
from vital.units import OUTPUT, RecordList, Unit
from vital.utils import tensor_cache as store
from vital.utils.hashing import key_of


def relevance_key(bank: str, layer: str, target: Target, rule: str) -> str:
    """What the tables of a layer are kept under: the bank's key, the layer, the rule, and what the target says."""
    unit = target.unit
    aim = direction_key(bank, unit) if unit is not None and unit.source else str(target)
    return key_of(bank=bank, layer=layer, target=aim, classes=target.classes, rule=rule, format=FORMAT)


def rank_relevances(
    model: Model,
    images: ImageSet,
    layers: Sequence[str],
    target: Target,
    rule: str,
    *,
    top: int,
    bank: str,
    disk: bool = True,
    progress: bool = False,
) -> dict[str, Tables]:
    """Rank images for all channels of layers by their relevance for a target, in one pass: tables by key.

    `top` images are kept of each; `bank` is the key of the bank. On disk they lie beside the banks.
    """
    found: dict[str, Tables] = {}
    missing: dict[str, str] = {}
    for layer in dict.fromkeys(layers):
        key = relevance_key(bank, layer, target, rule)
        held = store.load(_file(key, model)) if disk else None
        tables = unpacked_if_whole(held[0], len(images)) if held else None
        if tables:
            found[key] = tables
        else:
            missing[layer] = key
    if missing:
        whole = scan(model, tuple(missing), images, top, 8, progress, relevance=(target, rule))
        for layer, key in missing.items():
            names = [name for name in whole.means if name.partition("#")[0] == layer]
            found[key] = whole.of_readouts(names)
            if disk:
                store.keep(_file(key, model), found[key].pack(), {"layer": layer, "target": str(target)})
    return found


def _file(key: str, model: Model) -> Path:
    """The weights may have changed beneath the bank, so that their hash is part of the name."""
    return store.file_of("relevances", key_of(key, model.weights_hash()))


@dataclass(frozen=True)
class ServedClass:
    """A class, `unit`, and an inner unit's mean share of the relevance for it over so many images of the class."""

    unit: Unit
    share: float
    images: int

    @property
    def status(self) -> Literal["done", "no relevance"]:
        """Whether relevance above 0 arrives at the unit, in the mean."""
        return "done" if self.share > 0 else "no relevance"

    def to_row(self) -> dict[str, Any]:
        """One row of a table."""
        return {
            "class": str(self.unit),
            "label": self.unit.label,
            "share": self.share,
            "images": self.images,
            "status": self.status,
        }


class ServedClasses(RecordList[ServedClass]):
    """A list of classes that a unit serves, largest share first; see `vital.units.RecordList`."""


def served_classes(
    model: Model,
    unit: str | Unit,
    images: ImageSet,
    count: int | None = None,
    *,
    target: str | None = None,
    rule: str | Relevance = "zplus",
    batch: int = 8,
) -> ServedClasses:
    """The classes for which a unit is most relevant, largest mean share first.

    Formula: share_y = mean over the images of class y of Σ_p r_{c,p}, where relevance starts as 1 at the output y

    The class of an image is its label, or the network's highest output: `target` is "label" or "predicted", by
    default "label" where labels name classes of the network. Classes without images are left out; with `count` so
    many are given. A share is 0 where no relevance for the class arrives at the unit. One pass over the images;
    memory does not grow with their number.

    Raises `InvalidValueError` for a direction or an output of the network, and what `find_target` raises.

    >>> import torch, vital
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    ...                                 torch.nn.Flatten(), torch.nn.Linear(4, 3)), size=(8, 8))
    >>> found = served_classes(net, "1:2", vital.load_images(torch.rand(4, 3, 8, 8)), target="predicted")
    >>> sum(one.images for one in found)
    4
    """
    unit = model.unit(unit)
    if unit.source or unit.layer == OUTPUT:
        raise InvalidValueError(f"{unit} is no inner channel; give one, such as layer4:3")
    if batch < 1 or (count is not None and count < 1):
        raise InvalidValueError(f"count is {count} and batch is {batch}; allowed are whole numbers from 1")
    aim = find_target(model, images, target)
    if aim.unit is not None:
        raise InvalidValueError(f"target is {target!r}; allowed are 'label' and 'predicted'")
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    with torch.enable_grad(), Tracer(model, [OUTPUT, unit.layer], record=True) as tracer:
        for which, pictures in images.batches(model, batch):
            trace = tracer(pictures.to(model.device, model.image_dtype).requires_grad_())
            r = propagate(trace, {OUTPUT: aim.start(trace, which, "one")}, [unit.layer], rule)[unit.layer]
            shares = at_places(unit, r[:, unit.channel]).double().sum(1).tolist()
            for index, share in zip(aim.classes_of(trace, which), shares, strict=True):
                if index is not None:
                    sums[index], counts[index] = sums.get(index, 0.0) + share, counts.get(index, 0) + 1
    means = {index: sums[index] / counts[index] for index in sorted(sums)}
    best = sorted(means, key=lambda index: -means[index])[:count]
    return ServedClasses(ServedClass(model.unit(f"{OUTPUT}:{i}"), means[i], counts[i]) for i in best)
