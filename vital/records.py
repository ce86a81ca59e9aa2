"""What passes between the parts: frozen records that compute nothing but how they look."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from vital.units import RecordList, Unit
from vital.utils.drawing import fits_png, shown_bands, titled_sheet, to_array, to_pil
from vital.utils.io import as_png
from vital.utils.options import Count, Side
from vital.utils.public import public

if TYPE_CHECKING:
    from vital.figures import Shown
    from vital.figures.vector import PaperFigure


@public
@dataclass(frozen=True, eq=False)
class Template:
    """What the references' features look like: per layer and channel, the mean sorted activation vector.

    `layers` maps a layer to (C, N), ascending along N: the average over the reference images of each image's
    sorted activations, which is the 1-D Wasserstein barycenter of their distributions (VITAL, ICCV 2025).
    `images` names the references and `key` identifies everything that it was computed from. With a relevance `rule`
    and a `start` (see `vital.attribution`) the activations are those that took part in what `unit` responds to (times
    their relevance, brought to [0, 1] per image and channel), and `importance` says per layer how much each channel
    takes part, (C,) in [0, 1].
    """

    layers: Mapping[str, Tensor] = field(repr=False)
    unit: str = ""
    images: tuple[str, ...] = field(default=(), repr=False)
    key: str = ""
    rule: str = ""
    start: str = ""
    importance: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    @cached_property
    def variances(self) -> dict[str, float]:
        """The variance of all entries of each layer's template: the scale of its alignment loss."""
        return {layer: float(quantiles.var(unbiased=False)) for layer, quantiles in self.layers.items()}

    @property
    def megabytes(self) -> float:
        """Memory that the template holds, in 10⁶ bytes."""
        return sum(t.numel() * t.element_size() for t in self.layers.values()) / 1e6


@public
@dataclass(frozen=True, eq=False)
class Prototype:
    """One rendered picture of what a unit responds to, with where it comes from.

    `image` is (C, H, W) in [0, 1]; `alpha` (H, W) in [0, 1] says where the loss looked; `status` is "done" or says
    what went wrong; `losses` holds each part of the loss at the logged steps; `provenance` holds everything needed
    to make the picture again, the unit's `value` on it, and in `lacking` what its images were lacking. `bands` are the
    channels that are shown as red, green and blue, by default the first three. It shows itself in a notebook.
    `np.asarray(prototype)` is the picture as matplotlib takes it: (H, W, C), float32 in [0, 1].
    """

    unit: Unit
    image: Tensor
    alpha: Tensor
    method: str
    seed: int
    status: str = "done"
    losses: Mapping[str, list[float]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    frames: tuple[tuple[int, Tensor], ...] = ()
    bands: tuple[int, ...] = ()

    def to_pil(self, *, masked: bool = False) -> Image.Image:
        """The picture as a PIL image; `masked` puts the transparency mask into its alpha channel."""
        picture = to_pil(self.image, self.bands)
        if masked:
            picture = picture.convert("RGB")
            picture.putalpha(to_pil(self.alpha[None]))
        return picture

    def to_png(self, *, masked: bool = False) -> bytes:
        """The picture as PNG bytes, with the unit and its provenance in the text chunks."""
        notes = {
            "Title": f"{self.unit.title}, {self.method}, seed {self.seed}",
            "Software": "vital",
            "vital": json.dumps(self.to_dict(), sort_keys=True),
        }
        return as_png(self.to_pil(masked=masked), notes)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: everything but the pictures."""
        channels = len(self.image)
        shown = (
            {}
            if fits_png(channels)
            else {"bands": [*shown_bands(channels, self.bands)], "channels": channels}
        )
        return shown | {
            "unit": str(self.unit),
            "label": self.unit.label,
            "method": self.method,
            "seed": self.seed,
            "status": self.status,
            "losses": {k: [_rounded(x) for x in v] for k, v in self.losses.items()},
            "provenance": dict(self.provenance),
        }

    def to_row(self) -> dict[str, Any]:
        """One row of a table: the unit's value on the picture, and those facts of the provenance that are scalars."""
        told = {"unit": str(self.unit), "label": self.unit.label, "method": self.method, "seed": self.seed}
        told |= {"status": self.status, "value": math.nan}
        return told | {name: fact for name, fact in self.provenance.items() if _is_scalar(fact)}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return to_array(self.image, dtype, copy)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.image.shape))
        return f"Prototype({self.unit.title!r}: {size}, {self.method}, seed {self.seed}, {self.status})"

    def _repr_png_(self) -> bytes:
        return self.to_png()


class Natural(Protocol):
    """A natural image of a unit, with its heat map: `vital.rendering.natural_exemplars.Exemplar`."""

    @property
    def unit(self) -> Unit:
        """The unit that it shows."""

    def to_pil(self, *, heat: bool = False) -> Image.Image:
        """The image; with `heat`, with its heat map."""


@public
class Prototypes(RecordList[Prototype]):
    """A list of prototypes that shows itself in a notebook as a contact sheet.

    `prototypes[:2]` is such a list too, and `prototypes["class:tabby"]` the prototype of a unit; see
    `vital.units.RecordList`.
    """

    def to_grid(self, columns: Count = 8, size: Side | None = None) -> Image.Image:
        """All pictures side by side, row by row, with their units' titles below them.

        `size` is the width of a tile, by default that of the widest picture, and at least 128 pixels.
        """
        return titled_sheet([p.to_pil() for p in self], self._titles(), columns, size)

    def figure(
        self, columns: int = 2, *, exemplars: Iterable[Natural] = (), labels: Iterable[Description] = ()
    ) -> PaperFigure:
        """A figure for a paper, on one or two `columns` of the page: 3.25 or 6.75 inches wide.

        Prototypes of one method stand row by row, those of several as a grid of units by methods. With `exemplars` or
        `labels` each unit stands beside its images and words.
        """
        from vital.figures import exemplars_figure, grid_figure, tiles_figure

        natural, said = list(exemplars), list(labels)
        if natural or said:
            return exemplars_figure([self._shown(unit, natural, said) for unit in self._units()], columns)
        if len({p.method for p in self}) < 2:
            titles = [[*title, *failure(p)] for p, title in zip(self, self._titles(), strict=True)]
            return tiles_figure([p.to_pil() for p in self], titles, columns)
        rows, units = ways(self), self._units()
        row, column = ({key: i for i, key in enumerate(keys)} for keys in (rows, units))
        cells = {(row[p.method, p.seed], column[p.unit]): failed(p) or p.to_pil() for p in self}
        return grid_figure(list(rows.values()), list(map(lines_of, units)), cells, columns)

    def _units(self) -> list[Unit]:
        return list(dict.fromkeys(p.unit for p in self))

    def _shown(self, unit: Unit, natural: Sequence[Natural], said: Sequence[Description]) -> Shown:
        """One unit with all that is known of it, for a figure."""
        from vital.figures import Shown

        rows = ways(self)
        made = [(failed(p) or p.to_pil(), rows[p.method, p.seed]) for p in self if p.unit == unit]
        seen = [(e.to_pil(), e.to_pil(heat=True)) for e in natural if str(e.unit) == str(unit)]
        words = [d.said for d in said if str(d.unit) == str(unit)]
        return Shown(lines_of(unit), made, seen, words)

    def _titles(self) -> list[list[str]]:
        """The title of each, with the seed where a unit has several pictures."""
        times = Counter(str(p.unit) for p in self)
        return [lines_of(p.unit) + [f"seed {p.seed}"] * (times[str(p.unit)] > 1) for p in self]

    def _repr_png_(self) -> bytes:
        return as_png(self.to_grid())


def ways(made: Iterable[Prototype]) -> dict[tuple[str, int], str]:
    """How pictures were made, by method and seed: the method, and the seed where a method has several."""
    seeds: dict[str, dict[int, None]] = {}
    for one in made:
        seeds.setdefault(one.method, {})[one.seed] = None
    return {
        (method, seed): f"{method}, seed {seed}" if len(own) > 1 else method
        for method, own in seeds.items()
        for seed in own
    }


def failed(made: Prototype) -> str:
    """What became of a picture that did not come out, in a word or two; "" of one that did."""
    return "" if made.status == "done" else made.status.partition(":")[0]


def failure(made: Prototype) -> list[str]:
    """The line below the title of a picture that did not come out."""
    return [f"({failed(made)})"] if failed(made) else []


def lines_of(unit: Unit) -> list[str]:
    """A unit's title in lines: its name, and below it that of its class where there is one.

    >>> lines_of(Unit("class", 3, label="hen"))
    ['class:3', 'hen']
    """
    return [str(unit), unit.label] if unit.label and unit.index is not None else [str(unit)]


STANDS, TAKEN_BACK, NOT_JUDGED = "stands", "taken back", "not judged"
"""What a judge says of a label."""


@dataclass(frozen=True)
class Description:
    """What a method says that a unit responds to: one row of labels.csv.

    `label` is what it says, "" where it says nothing; `candidate` is what it would say if it had to, and `others` are
    the next best. `score` is the method's own and tells candidates of one unit apart, nothing more. `p_value` is the
    chance that a unit of the same layer that knows nothing of the candidate gets as high a score on images that had
    no part in choosing it; None where it was not asked. `status` says whether the label stands, was taken back, or was
    not judged, and `reason` why it does not stand. `evidence` names the images that were looked at, `details`
    holds what else the method has to tell (captions, weights, ranges, options). `split_seed` is that of the halves
    of the images on which the label was chosen and judged; None where it is not known.
    """

    unit: Unit
    method: str
    label: str
    score: float
    candidate: str = ""
    others: tuple[tuple[str, float], ...] = ()
    p_value: float | None = None
    evidence: tuple[str, ...] = ()
    seed: int = 0
    model: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    status: str = NOT_JUDGED
    reason: str = ""
    split_seed: int | None = None

    @property
    def verdict(self) -> str:
        """The status, and behind a colon the reason where there is one."""
        return f"{self.status}: {self.reason}" if self.reason else self.status

    @property
    def said(self) -> str:
        """What it says in one line, with its method and p-value.

        >>> Description(Unit("fc", 3), "dnd", "", 0.5, "a cat").said
        'dnd: no label (would say a cat)'
        """
        odds = "" if self.p_value is None else f" (p = {self.p_value:.3g})"
        would = f" (would say {self.candidate})" if self.candidate else ""
        return f"{self.method}: {self.label + odds if self.label else 'no label' + would}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "layer": self.unit.layer,
            "unit": str(self.unit),
            "method": self.method,
            "label": self.label,
            "candidate": self.candidate or self.label,
            "score": _rounded(self.score),
            "p_value": None if self.p_value is None else _rounded(self.p_value),
            "status": self.status,
            "reason": self.reason,
            "others": [[text, _rounded(score)] for text, score in self.others],
            "evidence": list(self.evidence),
            "seed": self.seed,
            "split_seed": self.split_seed,
            "model": self.model,
            "details": dict(self.details),
        }

    def to_row(self) -> dict[str, Any]:
        """One row of a table: all of it that is a scalar."""
        return {name: fact for name, fact in self.to_dict().items() if _is_scalar(fact)}

    def __repr__(self) -> str:
        p = "" if self.p_value is None else f", p {self.p_value:.3g}"
        return f"Description({self.unit.title!r}: {self.label!r}, {self.method}, score {self.score:.3g}{p})"


def _is_scalar(fact: object) -> bool:
    return fact is None or isinstance(fact, str | int | float)


def _rounded(x: float) -> float | None:
    return float(f"{x:.6g}") if np.isfinite(x) else None
