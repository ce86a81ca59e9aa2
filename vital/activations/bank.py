"""The reference bank: what an image set says about the units of a network, reused for every unit.

The bank knows, for each unit of the layers that it was made for (and of the output), which images excite it most, at
which place, and what is usual for it. From these images, from patches of them, or from the images of a class, it
makes the templates that alignment needs. `vital.activations.build` makes banks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, get_args

from torch import Tensor

from vital.activations.directions import direction_key, rank_directions
from vital.activations.patches import SHARE, Patches, TopLocation, cut
from vital.activations.rankings import FORMAT, Ranking, Tables
from vital.activations.relevances import rank_relevances, relevance_key
from vital.activations.selection import (
    References,
    check_count,
    margin_weights,
    readout_name,
    sample_class,
    uniform_weights,
)
from vital.activations.targets import find_target
from vital.activations.template import keep, kept, make_template
from vital.attribution.receptive_field import check_share, position_of
from vital.data import ImageSet
from vital.data.imageset import check_images
from vital.data.views import View, Views
from vital.errors import DataError, InvalidValueError, ModelError
from vital.models import Model
from vital.models.identity import network
from vital.models.model import check_model
from vital.records import Template
from vital.tracing import list_layers
from vital.tracing.readout import along, layout_of
from vital.types import Images
from vital.units import OUTPUT, Unit
from vital.utils import tensor_cache as store
from vital.utils.hashing import key_of
from vital.utils.io import path_of
from vital.utils.public import public
from vital.utils.text import shortened

Choice = Literal["auto", "activation", "top", "class"]
CHOICES = get_args(Choice)
TOGETHER = 4
"""References that a template takes in at once: the memory that relevance needs for more costs more than they save."""


@public
@dataclass(frozen=True, eq=False)
class ReferenceBank:
    """What an image set says about the units of a network.

    Make one with `build_bank`. `tables` holds what the pass found; `images.skipped` lists the images that could
    not be read. A unit is a channel, or a direction (`FILE.safetensors:3@layer4`), for which the images are shown
    once more (see `rank`). For one position of a channel (`layer4:162@3,3`) images and templates are the channel's.
    """

    model: Model
    images: ImageSet
    layers: tuple[str, ...]
    tables: Tables
    key: str
    disk: bool = True
    made_of: dict[str, Any] = field(default_factory=dict)
    _templates: dict[str, Template] = field(default_factory=dict, init=False)
    _usual: dict[str, Template] = field(default_factory=dict, init=False)
    _directions: dict[str, Tables] = field(default_factory=dict, init=False)
    _relevances: dict[str, Tables] = field(default_factory=dict, init=False)
    _patches: dict[str, Patches] = field(default_factory=dict, init=False)
    _views: Views = field(default_factory=Views, init=False)

    def __repr__(self) -> str:
        layers = shortened(self.layers)
        return f"ReferenceBank({self.model.name!r}: {len(self.images)} images, layers {layers})"

    @property
    def values(self) -> dict[str, Tensor]:
        """The k highest means over places of each channel, (C, k) per readout, strongest first.

        A readout is a layer, or `layer#patches` and so on where it has tokens.
        """
        return {name: ranking.values for name, ranking in self.tables.means.items()}

    @property
    def indices(self) -> dict[str, Tensor]:
        """The images that reached `values`, (C, k) per readout."""
        return {name: ranking.indices for name, ranking in self.tables.means.items()}

    def fits(self, model: Model) -> bool:
        """Whether the bank's network is this one, or one of the same code, weights and preprocessing."""
        return self.model is model or network(self.model) == network(model)

    def rank(self, units: Iterable[str | Unit], *, progress: bool = False) -> None:
        """Show the images once more and rank them for all directions among these units; channels are ranked already.

        The answers are kept under the vectors' content. Without it each direction makes a pass of its own when it is
        first asked for.
        """
        found = [unit for unit in self.model.units(units) if unit.source]
        new = [unit for unit in found if direction_key(self.key, unit) not in self._directions]
        options: dict[str, Any] = {"bank": self.key, "disk": self.disk, "progress": progress}
        self._directions.update(
            rank_directions(self.model, self.images, new, top=self.made_of["top"] + 1, **options)
        )

    def rank_relevance(
        self,
        units: Iterable[str | Unit],
        target: str | Unit | None = None,
        rule: str = "zplus",
        *,
        progress: bool = False,
    ) -> None:
        """Show the images once more and rank them by the relevance of all channels of these units' layers (RelMax).

        Relevance starts at `target`, with its activation: a unit, or the class of each image, by its "label" or as
        "predicted"; by default the label where labels name classes of the network. The answers are kept.
        """
        aim = find_target(self.model, self.images, target)
        layers = dict.fromkeys(unit.layer for unit in self.model.units(units))
        new = [n for n in layers if relevance_key(self.key, n, aim, rule) not in self._relevances]
        options: dict[str, Any] = {"bank": self.key, "disk": self.disk, "progress": progress}
        top = self.made_of["top"] + 1
        self._relevances.update(rank_relevances(self.model, self.images, new, aim, rule, top=top, **options))

    def most_relevant(
        self,
        unit: str | Unit,
        target: str | Unit | None = None,
        count: int = 8,
        rule: str = "zplus",
        *,
        places: bool = False,
    ) -> list[TopLocation]:
        """The images in which a unit is most relevant for a target (see `rank_relevance`), the most relevant first.

        The value is the relevance of its channel, summed over places; with `places`, that at its most relevant place,
        of which each image has one. Relevance may be negative, and is 0 where none arrives. Raises `InvalidValueError`
        for a direction, and for a place of a channel.
        """
        unit = self.model.unit(unit)
        if unit.source or unit.position is not None:
            what = "direction" if unit.source else "place"
            raise InvalidValueError(f"{unit} is a {what}; images are ranked by the relevance of channels")
        self.rank_relevance([unit], target, rule)
        aim = find_target(self.model, self.images, target)
        tables = self._relevances[relevance_key(self.key, unit.layer, aim, rule)]
        return self._locations(unit, self._row(tables, unit, unit.channel, count, places=places), count)

    def strongest(self, unit: str | Unit, count: int = 8) -> list[int]:
        """The images with the highest value of a unit, strongest first; fewer when there are fewer."""
        unit = self.model.unit(unit)
        return self._ranked(unit, count).indices[:count].tolist()

    def strongest_places(self, unit: str | Unit, count: int = 8) -> list[TopLocation]:
        """The places that excite a unit most, one per image, strongest first; fewer when there are fewer images.

        A place is (row, column) in a map and the number of a token in a token layer. Outputs, other units without
        places, and units read at the class token have none; the images are then those of `strongest`.
        """
        unit = self.model.unit(unit)
        return self._locations(unit, self._ranked(unit, count, places=True), count)

    def _locations(self, unit: Unit, ranked: Ranking, count: int) -> list[TopLocation]:
        """The first of a unit's row of a ranking, with positions where it has places."""
        info = layout_of(unit)
        rows = zip(ranked.indices[:count].tolist(), ranked.values[:count].tolist(), strict=True)
        if ranked.places is None:
            return [TopLocation(image, None, value) for image, value in rows]
        at = [position_of(info, place) for place in ranked.places[:count].tolist()]
        return [
            TopLocation(image, position, value) for (image, value), position in zip(rows, at, strict=True)
        ]

    def percentile(self, unit: str | Unit, value: float) -> float:
        """The share of the natural images in which the unit's mean over places lies below `value`, in per cent.

        Formula: 100 (N − #{i: top_i ≥ value}) / N above the kept tail; 100 (N − k) / N · F(value) below it

        N images were seen, of which the bank keeps the k highest values exactly, and F is the share below `value`
        in a sample of the others, of about 1000 images. So the tail is exact, the middle is right within about 3
        points, and all of it is exact where there were no more than 1000 images. It never falls as `value` grows.
        """
        unit = self.model.unit(unit)
        if unit.position is not None:
            raise InvalidValueError(
                f"percentiles are of means over places, and {unit} is one place; write {_channel(unit)}"
            )
        if math.isnan(value):
            raise InvalidValueError(f"the value of {unit} is {value}; allowed are numbers")
        tables, index = self._table(unit)
        return 100 * tables.below(readout_name(unit), index, value)

    def ranks(self, unit: str | Unit) -> bool:
        """Whether the bank has ranked its images for a unit."""
        unit = self.model.unit(unit)
        return unit.position is None and (bool(unit.source) or readout_name(unit) in self.tables.means)

    def has_places(self, unit: str | Unit) -> bool:
        """Whether the bank has ranked places within its images for a unit, so that patches can be cut."""
        unit = self.model.unit(unit)
        return readout_name(unit) in self._table(unit)[0].peaks

    def natural_value(self, unit: str | Unit, count: int = 8) -> float:
        """The unit's mean over places, averaged over the `count` images in which it is highest.

        Of one position it is the value at the strongest place, averaged over as many images.
        """
        unit = self.model.unit(unit)
        if unit.position is not None:
            return fmean(place.value for place in self.strongest_places(unit, count))
        return float(self._ranked(unit, count).values[:count].double().mean())

    def usual_value(self, unit: str | Unit) -> float:
        """The unit's mean over places in the median image, of a sample of about 1000."""
        unit = self.model.unit(unit)
        tables, index = self._table(unit)
        return float(tables.sample[readout_name(unit)][index].double().median())

    def patches(self, unit: str | Unit, count: int = 8, share: float = SHARE) -> Patches:
        """Cut the places that excite a unit most out of their images, each brought to the network's size.

        Each patch is the smallest box around the place that holds `share` of |gradient × input| there (see
        `effective_field`), for `share=1` all that the place can see (see `receptive_field`); its short side then
        grows until the patch has the image's shape. Where the unit has no places it is the whole image.
        """
        unit = _channel(self.model.unit(unit))
        check_share(share)
        spots = self.strongest_places(unit, count)
        key = key_of(self._now(), self._named(unit), len(spots), share)
        if key not in self._patches:
            found = cut(self.model, self.images, unit.layer, partial(along, unit), spots, share, self._views)
            self._patches.clear()
            self._patches[key] = found
        return self._patches[key]

    def references(
        self, unit: str | Unit, count: int = 8, selection: Choice = "auto", seed: int = 0
    ) -> References:
        """Choose up to `count` reference images of a unit, with weights, and say in words how.

        `selection="activation"` takes the images with the unit's highest values, each weighted with what it has over
        the next image in the ranking: where one image excites the unit far more than all others, it counts most.
        `"top"` takes the same images, all of weight 1/count.
        `"class"`, for class units, draws images with that label from a generator seeded with `(seed, unit)`, all of
        weight 1/count; `"auto"` is "class" where the images have labels and the unit is a class, else
        "activation". Raises `EmptyClassError`, a `DataError`, for a class without images.
        """
        unit = self.model.unit(unit)
        if selection not in CHOICES:
            raise InvalidValueError(f"selection {selection!r} is unknown; allowed are {', '.join(CHOICES)}")
        check_count(count)
        labelled = unit.is_class and any(label is not None for label in self.images.labels)
        if selection == "class" and not labelled:
            why = "the images have no labels" if unit.is_class else "it is not a class unit"
            raise DataError(
                f"no images of the class can be chosen for {unit}: {why}; use selection='activation'"
            )
        if selection in {"activation", "top"} or not labelled:
            return self._by_activation(unit, count, even=selection == "top")
        outputs = list_layers(self.model)[OUTPUT].channels
        members = self.images.of_class(unit.channel, self.model.classes, outputs)
        return sample_class(members, count, seed, unit)

    def _by_activation(
        self, unit: Unit, count: int, *, places: bool = False, even: bool = False
    ) -> References:
        ranked, what = self._ranked(unit, count, places=places), "patches" if places else "images"
        found = ranked.indices[:count].tolist()
        if even:
            return uniform_weights(found, what)
        return margin_weights(found, ranked.values[:count], ranked.values[count : count + 1], what)

    def template(
        self,
        unit: str | Unit,
        layers: Sequence[str] | None = None,
        *,
        count: int = 8,
        selection: Choice = "auto",
        seed: int = 0,
        rule: str = "",
        start: str = "waking",
        patches: bool | float = False,
    ) -> Template:
        """The quantile template of a unit's references at `layers`, by default the bank's own but the output.

        With a relevance `rule` and `start` it is a template of what takes part in the unit's response alone.
        With `patches` the references of a unit that has places are the patches of its strongest places (see
        `patches`; a number is their `share`), weighted with what the values there have over the next.
        """
        unit = _channel(self.model.unit(unit))
        layers = tuple(layers or [n for n in self.layers if n != OUTPUT])
        if not layers:
            raise InvalidValueError(
                f"the bank was made for no layer but the output; name the layers to align {unit} at"
            )
        chosen = self.references(unit, count, selection, seed)
        share = self._patch_share(unit, patches)
        if share:
            chosen = self._by_activation(unit, count, places=True, even=selection == "top")
        parts = {"images": chosen.indices, "of": chosen.weights, "layers": layers, "rule": rule}
        own = {"patches": share, "start": start, "unit": self._named(unit)} if share or rule else {}
        key = key_of(bank=self.key, now=self._now(), **parts, **own)
        if key not in self._templates:
            known = kept(key, self._group(unit.layer)) if self.disk else None
            found = known or self._make(unit, layers, chosen, key, (rule, start), share)
            self._templates.clear()
            self._templates[key] = found
        return self._templates[key]

    def usual(self, layers: Sequence[str], count: int = 64) -> Template:
        """The quantile template of `count` images spread over the whole set: what is usual at these layers.

        It knows nothing of any unit. Of a set with fewer images it takes them all.
        """
        spread = self.images.spread(count)
        key = key_of(bank=self.key, now=self._now(), usual=spread, layers=tuple(layers))
        if key not in self._usual:
            known = kept(key, self._group("")) if self.disk else None
            batches = (batch for _, batch in self._batches(spread))
            names = [self.images.names[i] for i in spread]
            found = known or make_template(self.model, layers, batches, images=names, key=key)
            if self.disk and not known:
                keep(found, self._group(""))
            self._usual[key] = found
        return self._usual[key]

    def _now(self) -> tuple[str, str]:
        """What may change beneath the bank: the weights, and where they are."""
        return self.model.weights_hash(), self.model.device.type

    def _group(self, layer: str) -> str:
        """The file of the templates of a layer's units."""
        return key_of(self.key, self._now(), layer)

    def _named(self, unit: Unit) -> str:
        """A unit's name, for a direction the key of its vector."""
        return direction_key(self.key, unit) if unit.source else str(unit)

    def _patch_share(self, unit: Unit, patches: bool | float) -> float:
        """The share that patches hold; 0 where whole images are wanted, or the unit has no places."""
        if patches is False:
            return 0.0
        share = SHARE if patches is True else float(patches)
        check_share(share)
        return share if self.has_places(unit) else 0.0

    def _make(
        self,
        unit: Unit,
        layers: Sequence[str],
        chosen: References,
        key: str,
        rule: tuple[str, str],
        share: float,
    ) -> Template:
        names = [self.images.names[i] for i in chosen.indices]
        batches = self._shown(unit, chosen, share)
        how = {"unit": unit, "images": names, "key": key, "rule": rule[0], "start": rule[1]}
        made = make_template(self.model, layers, batches, **how)  # type: ignore[arg-type]
        if self.disk:
            keep(made, self._group(unit.layer))
        return made

    def _shown(self, unit: Unit, chosen: References, share: float) -> Iterator[tuple[Images, list[float]]]:
        """The references with their weights, batch by batch: whole images, or patches that hold a share."""
        weight = dict(zip(chosen.indices, chosen.weights, strict=True))
        if share:
            found = self.patches(unit, len(chosen.indices), share)
            weights = [weight[i] for i in found.indices]
            for start in range(0, len(found), TOGETHER):
                yield found.images[start : start + TOGETHER], weights[start : start + TOGETHER]
            return
        for which, batch in self._batches(chosen.indices):
            yield batch, [weight[i] for i in which]

    def _table(self, unit: Unit) -> tuple[Tables, int]:
        """The tables that know a unit, and its row in them."""
        if unit.source:
            self.rank([unit])
            return self._directions[direction_key(self.key, unit)], 0
        if readout_name(unit) not in self.tables.means:
            raise InvalidValueError(
                f"the bank was made for the layers {', '.join(self.layers)}, not for {unit.layer!r}; "
                f"make one with {unit.layer!r} among its layers"
            )
        return self.tables, unit.channel

    def _ranked(self, unit: Unit, count: int, *, places: bool = False) -> Ranking:
        """A unit's row of the ranking by means, or by places where it has some; raises for too high a count."""
        tables, index = self._table(unit)
        return self._row(tables, unit, index, count, places=places)

    def _row(self, tables: Tables, unit: Unit, index: int, count: int, *, places: bool) -> Ranking:
        """A row of tables; raises for too high a count."""
        check_count(count)
        top = self.made_of["top"]
        ranking = (places and tables.peaks.get(readout_name(unit))) or tables.means[readout_name(unit)]
        if count > top < ranking.values.shape[1]:
            raise InvalidValueError(
                f"the bank keeps the {top} strongest images of a unit, and {count} are asked for"
            )
        row = ranking.map(lambda table: table[index])
        if bool(row.values.isnan().any()):
            raise ModelError(
                f"{self.model.name} gives values that are no numbers for {unit}; choose another unit, or mend the "
                "network"
            )
        return row

    def tensor(self, indices: Sequence[int]) -> Images:
        """Images of the set as the network sees them, before normalization: (N, C, H, W) in [0, 1]."""
        return self.images.tensor(indices, self.model, self._views)

    def view(self, index: int) -> View:
        """One image as the network sees it, and its own size. Raises `DataError`."""
        return self.images.view(index, self.model, self._views)

    def _batches(self, indices: Sequence[int]) -> Iterator[tuple[list[int], Images]]:
        return self.images.batches(self.model, TOGETHER, indices=indices, kept=self._views)

    def save(self, path: str | Path, opened: Mapping[str, str] | None = None) -> None:
        """Write the bank to a safetensors file; `opened` says how the images were opened (see `opened_from`)."""
        notes = {"key": self.key, "format": FORMAT, "made_of": self.made_of, "opened": dict(opened or {})}
        store.save(path_of(path), self.tables.pack(), notes)

    def provenance(self) -> dict[str, Any]:
        """What identifies the bank: its key, the images and their number."""
        return {"bank": self.key, "images": len(self.images), "images_hash": self.images.hash()}


def _channel(unit: Unit) -> Unit:
    """The channel of a position; every other unit as it is."""
    return unit if unit.position is None else replace(unit, position=None)


def check_inputs(model: object, images: object, bank: object) -> None:
    """Raise `InvalidValueError` with what to write where one of these is something else; two may be None."""
    check_model(model)
    check_images(images)
    _check_bank(bank)


def _check_bank(given: object) -> None:
    if given is None or isinstance(given, ReferenceBank):
        return
    hint = "read the file first: vital.load_bank(FILE, model)" if isinstance(given, str | Path) else ""
    hint = hint or "make one: vital.build_bank(model, layers, images)"
    raise InvalidValueError(f"bank is of the type {type(given).__name__}, not a ReferenceBank; {hint}")
