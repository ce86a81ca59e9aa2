"""Where the range of every number of a part begins and ends: the border itself, what lies beside it, and no number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

import pytest
import torch

from vital import objectives as obj
from vital import params as par
from vital import regularizers as reg
from vital import transforms
from vital.errors import InvalidValueError
from vital.params import PARAMS
from vital.records import Template
from vital.terms import OBJECTIVES, REGULARIZERS
from vital.transforms import TRANSFORMS

INF, NAN = math.inf, math.nan
FLAT, VECTOR = torch.ones(1, 2, 3, 3), torch.ones(2)
TEMPLATE = Template({"layer2": torch.arange(6.0).view(2, 3)}, unit="class:0")


@dataclass(frozen=True)
class Numbers:
    """What a field of a part takes, and what it refuses."""

    kind: type
    field: str
    make: Callable[[Any], Any]
    taken: tuple[Any, ...]
    refused: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.kind.__name__}.{self.field}"


def named(kind: Any, field: str, taken: tuple[Any, ...], refused: tuple[Any, ...], **rest: Any) -> Numbers:
    return Numbers(kind, field, lambda value: kind(**rest, **{field: value}), taken, refused)


FROM_0 = ((0, 1e-9, 1e9), (-1e-9, -1, INF, NAN))
ABOVE_0 = ((1e-9, 1e9), (0, -1e-9, INF, NAN))
SHARE = ((0, 1), (-1e-9, 1 + 1e-9, INF, NAN))
COUNT = ((1, 2), (0, -1))
PIXELS = ((0, 1), (-1, 0.5))
SIZES = ((1, 3, (1, 1), (2, 1)), (0, -1, (0, 1), (1, 0), (1,), (1, 1, 1)))
SIMILAR = {"layer": "layer2", "target": FLAT}

TERMS = [
    named(obj.Direction, "power", *FROM_0, layer="layer2", vector=VECTOR),
    named(obj.Direction, "floor", *SHARE, layer="layer2", vector=VECTOR),
    named(obj.Caricature, "power", *FROM_0, **SIMILAR),
    named(obj.Caricature, "floor", *SHARE, **SIMILAR),
    named(obj.ActivationDifference, "power", *FROM_0, **SIMILAR),
    named(obj.ActivationDifference, "floor", *SHARE, **SIMILAR),
    named(obj.FeatureMatch, "power", (1, 2), (0, 3, 1.5, NAN), **SIMILAR),
    named(obj.Reach, "value", *ABOVE_0, unit="layer2:1"),
    named(obj.Alignment, "weights", ({"layer2": 0}, {"layer2": -1}), ({"layer2": NAN},), template=TEMPLATE),
    named(reg.Blur, "sigma", *ABOVE_0),
    named(reg.Boundary, "width", *COUNT),
    named(reg.Range, "low", (0.5 - 1e-9, -1), (0.5, 0.6, NAN), high=0.5),
    named(reg.Range, "high", (0.5 + 1e-9, 2), (0.5, 0.4, NAN), low=0.5),
]  # fmt: skip
IMAGES = [
    *(named(kind, "size", *SIZES) for kind in (par.Pixels, par.Fourier, par.Phase, par.LowRes, par.CPPN)),
    *(
        named(kind, "channels", *COUNT, size=2)
        for kind in (par.Pixels, par.Fourier, par.Phase, par.LowRes, par.CPPN)
    ),
    *(named(kind, "sd", *FROM_0, size=2) for kind in (par.Pixels, par.Fourier, par.LowRes)),
    named(par.Pixels, "mean", ((0.5,), (0.1, 0.2, 0.3)), ((), (0.1, 0.2)), size=2),
    named(par.Pixels, "std", ((1e-9,), (0.1, 0.2, 0.3)), ((), (0.1, 0.2), (0.0,), (1.0, 1.0, -1.0), (NAN,)), size=2),
    named(par.Fourier, "decay", (0, 8), (-1e-9, 8 + 1e-9, INF, NAN), size=2),
    named(par.Fourier, "coarse", (0, 1 - 1e-9), (-1e-9, 1, INF, NAN), size=2),
    named(par.CPPN, "hidden", *COUNT, size=2),
    named(par.CPPN, "layers", *COUNT, size=2),
    named(par.LowRes, "factors", ((1,), (1, 2), (9,)), ((), (0,), (2, 0), (2, 2)), size=4),
    named(par.Shared, "images", *COUNT, base=par.Fourier(2)),
    named(par.From, "noise", *FROM_0, base=par.Pixels(2), image=torch.full((3, 2, 2), 0.5)),
]  # fmt: skip
CHANGES = [
    *(named(kind, "pixels", *PIXELS) for kind in (transforms.Roll, transforms.Jitter, transforms.Pad, transforms.Trim)),
    named(transforms.Flip, "p", *SHARE),
    named(transforms.Noise, "sd", *FROM_0),
    named(transforms.Noise, "uniform", *FROM_0),
    named(transforms.ColorShift, "mean", *FROM_0),
    named(transforms.ColorShift, "std", *FROM_0),
    named(transforms.Blur, "low", (0, 1), (-1e-9, 1 + 1e-9, NAN), high=1.0),
    named(transforms.Blur, "high", (0, 1), (-1e-9, INF, NAN), low=0.0),
    named(transforms.Scale, "low", (0.01, 1), (0.01 - 1e-9, 1 + 1e-9, NAN), high=1.0),
    named(transforms.Scale, "high", (1, 100), (1 - 1e-9, 100 + 1e-9, NAN), low=1.0),
    named(transforms.Scale, "choices", ((0.01,), (1.0, 100.0)), ((0.0,), (1.0, 101.0), (NAN,))),
    named(transforms.Resize, "share", (0.01, 100), (0, 0.01 - 1e-9, 100 + 1e-9, NAN, None)),
    named(transforms.Resize, "size", *SIZES),
    named(transforms.Rotate, "degrees", (0, 360), (-1e-9, 360 + 1e-9, NAN)),
    named(transforms.Rotate, "choices", ((-360.0, 360.0),), ((-360 - 1e-9,), (1.0, 361.0), (NAN,))),
    named(transforms.Crop, "size", *SIZES),
    named(transforms.Crop, "fraction", ((0.0, 1.0), (0.5, 0.5)), ((-1e-9, 1), (0.5, 1 + 1e-9), (0.5, 0.4), (NAN, 1))),
    named(transforms.Crop, "spread", *FROM_0),
    named(transforms.Crop, "sd", *FROM_0),
]  # fmt: skip

FREE = {
    "Spectrum.decay", "L1.center", "L2.center", "Boundary.center", "BatchNormStatistics.first", "Pad.value",
    "TotalVariation.power",
}  # fmt: skip
"""Numbers without a range, which only have to be finite; and one that is a choice."""

EACH = pytest.mark.parametrize("numbers", [*TERMS, *IMAGES, *CHANGES], ids=str)


@EACH
def test_what_lies_in_the_range_is_taken_its_border_included(numbers: Numbers) -> None:
    for value in numbers.taken:
        assert getattr(numbers.make(value), numbers.field) == value


@EACH
def test_what_lies_outside_is_refused_by_a_sentence_that_says_what_is_allowed(numbers: Numbers) -> None:
    for value in numbers.refused:
        with pytest.raises(InvalidValueError, match=r"allowed|must be below|give one of them"):
            numbers.make(value)


@pytest.mark.parametrize("registry", [OBJECTIVES, REGULARIZERS, PARAMS, TRANSFORMS], ids=lambda one: one.what)
def test_every_number_of_a_part_has_a_range_here(registry: Any) -> None:
    known = {str(numbers) for numbers in (*TERMS, *IMAGES, *CHANGES)} | FREE
    for entry in registry.entries.values():
        hints = get_type_hints(entry.item)
        for field in fields(entry.item):
            if field.init and {"int", "float"} & set(str(hints[field.name]).replace("'", " ").split()):
                assert f"{entry.item.__name__}.{field.name}" in known
