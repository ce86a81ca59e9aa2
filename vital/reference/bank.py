"""The reference bank: one pass over an image set, kept and reused for every unit.

The bank knows, for each unit of the layers that it was made for (and of the output), which images excite it most.
From these, or from the images of a class, it makes the templates that alignment needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from vital._version import __version__
from vital.errors import BadValue, DataError
from vital.files import cache_folder
from vital.images import ImageSet
from vital.models import Model
from vital.records import Template
from vital.reference import store
from vital.reference.choose import References, above_the_rest, drawn, reading
from vital.reference.scan import scan
from vital.reference.template import make_template
from vital.trace import resolve_units, survey
from vital.types import Images
from vital.units import OUTPUT, Unit

Choice = Literal["auto", "activation", "class"]
CHOICES = get_args(Choice)


@dataclass(frozen=True, eq=False)
class ReferenceBank:
    """What an image set says about the units of a network.

    `values` and `indices` map a reading (a layer, or `layer#patches` and so on where it has tokens) to (C, k): the
    k highest values of each channel over the image set, and the images that reached them, strongest first.
    Make one with `reference_bank`; `images.skipped` lists the images that could not be read.
    """

    model: Model
    images: ImageSet
    layers: tuple[str, ...]
    values: dict[str, Tensor] = field(repr=False)
    indices: dict[str, Tensor] = field(repr=False)
    key: str
    disk: bool = field(default=True, repr=False)
    made_of: dict[str, Any] = field(default_factory=dict, repr=False)
    _templates: dict[str, Template] = field(default_factory=dict, init=False, repr=False)

    def fits(self, model: Model) -> bool:
        """Whether the bank's network is this one, or one of the same code, weights and preprocessing."""
        return self.model is model or _network(self.model) == _network(model)

    def strongest(self, unit: str | Unit, count: int = 8) -> list[int]:
        """The images with the highest value of a unit, strongest first; fewer when there are fewer."""
        (unit,) = resolve_units(self.model, unit)
        if unit.position is not None or unit.source:
            raise BadValue(f"the bank ranks images by whole channels, and {unit} is none; write LAYER:INDEX")
        if reading(unit) not in self.indices:
            raise BadValue(
                f"the bank was made for the layers {', '.join(self.layers)}, not for {unit.layer!r}; "
                f"make one with {unit.layer!r} among its layers"
            )
        ranked = self.indices[reading(unit)][unit.index]
        if count < 1:
            raise BadValue(f"{count} reference images are asked for; allowed are whole numbers from 1")
        if count > self.made_of["top"] < len(ranked):
            raise BadValue(
                f"the bank keeps the {self.made_of['top']} strongest images of a unit, and {count} are asked for"
            )
        return [int(i) for i in ranked[:count]]

    def references(
        self, unit: str | Unit, count: int = 8, choose: Choice = "auto", seed: int = 0
    ) -> References:
        """Choose up to `count` reference images of a unit, with weights, and say in words how.

        `choose="activation"` takes the images with the unit's highest values, each weighted with what it has over
        the next image in the ranking: where one image excites the unit far more than all others, it counts most.
        `"class"`, for class units, draws images with that label from a generator seeded with `(seed, unit)`, all of
        weight 1/count; `"auto"` is "class" where the images have labels and the unit is a class, else
        "activation". Raises `EmptyClass`, a `DataError`, for a class without images.
        """
        (unit,) = resolve_units(self.model, unit)
        if choose not in CHOICES:
            raise BadValue(f"choose {choose!r} is unknown; allowed are {', '.join(CHOICES)}")
        if count < 1:
            raise BadValue(f"{count} reference images are asked for; allowed are whole numbers from 1")
        labelled = unit.layer == OUTPUT and any(label is not None for label in self.images.labels)
        if choose == "class" and not labelled:
            why = "the images have no labels" if unit.layer == OUTPUT else "it is not a class unit"
            raise DataError(
                f"no images of the class can be chosen for {unit}: {why}; use choose='activation'"
            )
        if choose == "activation" or not labelled:
            return self._by_activation(unit, count)
        outputs = survey(self.model)[OUTPUT].channels
        members = self.images.of_class(unit.index, self.model.classes, outputs)
        return drawn(members, count, seed, unit)

    def _by_activation(self, unit: Unit, count: int) -> References:
        found = self.strongest(unit, count)
        values = self.values[reading(unit)][unit.index]
        return above_the_rest(found, values[: len(found)], values[len(found) : len(found) + 1])

    def template(
        self,
        unit: str | Unit,
        layers: Sequence[str] | None = None,
        *,
        count: int = 8,
        choose: Choice = "auto",
        seed: int = 0,
        rule: str = "",
    ) -> Template:
        """The quantile template of a unit's references at `layers`, by default the bank's own but the output."""
        (unit,) = resolve_units(self.model, unit)
        layers = tuple(layers or [n for n in self.layers if n != OUTPUT])
        if not layers:
            raise BadValue(
                f"the bank was made for no layer but the output; name the layers to align {unit} at"
            )
        chosen = self.references(unit, count, choose, seed)
        now = {
            "weights": self.model.weights_hash(),
            "device": self.model.device.type,
        }  # may change beneath the bank
        key = store.key_of(
            bank=self.key, now=now, images=chosen.indices, of=chosen.weights, layers=layers, rule=rule
        )
        if key not in self._templates:
            self._templates.clear()
            self._templates[key] = self._stored(key) or self._make(unit, layers, chosen, key, rule)
        return self._templates[key]

    def _stored(self, key: str) -> Template | None:
        found = store.load(_file("templates", key)) if self.disk else None
        if found is None:
            return None
        tensors, notes = found
        parts = [
            {k.partition("/")[2]: t for k, t in tensors.items() if k.startswith(p)}
            for p in ("q/", "importance/")
        ]
        return Template(parts[0], notes["unit"], tuple(notes["images"]), key, notes["rule"], parts[1])

    def _make(self, unit: Unit, layers: Sequence[str], chosen: References, key: str, rule: str) -> Template:
        names = [self.images.names[i] for i in chosen.indices]
        weight = dict(zip(chosen.indices, chosen.weights, strict=True))
        batches = (
            (batch, [weight[i] for i in which])
            for which, batch in self.images.batches(self.model, 8, indices=chosen.indices)
        )
        made = make_template(self.model, layers, batches, unit=str(unit), images=names, key=key, rule=rule)
        if self.disk:
            tensors = {f"q/{k}": t for k, t in made.layers.items()}
            tensors |= {f"importance/{k}": t for k, t in made.importance.items()}
            store.save(_file("templates", key), tensors, {"unit": made.unit, "images": names, "rule": rule})
            store.prune(_file("templates", key).parent)
        return made

    def tensor(self, indices: Sequence[int]) -> Images:
        """Images of the set as the network sees them, before normalisation: (N, C, H, W) in [0, 1]."""
        return self.images.tensor(indices, self.model)

    def save(self, path: str | Path, opened: Mapping[str, str] | None = None) -> None:
        """Write the bank to a safetensors file; `opened` says how the images were opened (see `opened_from`)."""
        tensors = {f"values/{k}": v for k, v in self.values.items()}
        tensors |= {f"indices/{k}": v for k, v in self.indices.items()}
        store.save(
            Path(path), tensors, {"key": self.key, "made_of": self.made_of, "opened": dict(opened or {})}
        )

    def provenance(self) -> dict[str, Any]:
        """What identifies the bank: its key, the images and their number."""
        return {"bank": self.key, "images": len(self.images), "images_hash": self.images.hash()}


def reference_bank(
    model: Model,
    layers: Sequence[str],
    images: ImageSet,
    *,
    top: int = 50,
    batch: int = 16,
    path: str | Path | None = None,
    disk: bool = True,
    progress: bool = False,
) -> ReferenceBank:
    """Show every image to the network once and keep the `top` strongest images of every unit, and the next one.

    The output `class` is always among the layers. The result is kept in the cache folder, or at `path`, under a key
    of the network's code and weights, the preprocessing, the images' content, the layers, the device and the version
    of `vital`; when nothing of that changed it is read back instead. A file at `path` that is no bank is left alone
    (`DataError`). `disk=False` keeps everything in memory. Memory does not grow with the number of images.
    """
    if top < 1 or batch < 1:
        raise BadValue(f"top is {top} and batch is {batch}; allowed are whole numbers from 1")
    known = survey(model)
    ranked = known[OUTPUT].kind == "vector" and not known[OUTPUT].problem
    asked = tuple(dict.fromkeys([*layers, OUTPUT] if ranked else layers))
    parts = _parts(model, asked, images, top)
    key = store.key_of(**parts, device=model.device.type, batch=batch, vital=__version__)
    where = Path(path) if path else _file("banks", key)
    found = store.load(where) if disk or path else None
    if path and where.exists() and not (found and found[1].get("made_of")):
        raise DataError(f"{str(path)!r} is there already and is no bank; choose another name")
    if found and found[1].get("key") == key:
        values, indices = _unpack(found[0])
    else:
        values, indices = scan(model, asked, images, top + 1, batch, progress)
    bank = ReferenceBank(model, images, asked, values, indices, key, disk, parts)
    if disk or path:
        bank.save(where)
    return bank


def opened_from(path: str | Path) -> dict[str, str]:
    """How the images of a saved bank were opened: the `images` and `labels` that were typed, where they were kept."""
    found = store.load(Path(path))
    return dict(found[1].get("opened", {})) if found else {}


def load_bank(path: str | Path, model: Model, images: ImageSet, *, disk: bool = True) -> ReferenceBank:
    """Read a bank that `reference_bank` or `ReferenceBank.save` wrote, for the network and images it was made of.

    The images are needed again, since templates are made from them. Raises `DataError` for a file that is no bank,
    or that was made of other weights, preprocessing or images.
    """
    found = store.load(Path(path))
    made_of = found[1].get("made_of") if found else None
    if not found or not made_of:
        raise DataError(
            f"{str(path)!r} is not a bank that can be read; make one with vital bank or reference_bank"
        )
    parts = _parts(model, tuple(made_of["layers"]), images, made_of["top"])
    if changed := [
        name for name, value in parts.items() if store.key_of(x=value) != store.key_of(x=made_of.get(name))
    ]:
        raise DataError(
            f"the bank {str(path)!r} was made of other {' and '.join(changed)}; make it again for these"
        )
    values, indices = _unpack(found[0])
    return ReferenceBank(model, images, parts["layers"], values, indices, found[1]["key"], disk, parts)


def _parts(model: Model, layers: tuple[str, ...], images: ImageSet, top: int) -> dict[str, Any]:
    """All that a bank is computed from."""
    return {**_network(model), "images": images.hash(), "layers": layers, "top": top}


def _network(model: Model) -> dict[str, Any]:
    preprocessing = (model.size, model.channels, model.mean, model.std, model.resize, model.interpolation)
    return {"code": model.code_hash(), "weights": model.weights_hash(), "preprocessing": preprocessing}


def _file(folder: str, key: str) -> Path:
    return cache_folder() / folder / f"{key}.safetensors"


def _unpack(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    parts = [
        {k.partition("/")[2]: t for k, t in tensors.items() if k.startswith(p)}
        for p in ("values/", "indices/")
    ]
    return parts[0], parts[1]
