"""How far two ways of naming units agree, beside what labels that know nothing of each other would reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vital.backends import TextEncoder, vocabulary
from vital.describing.evaluation.class_names import cosines
from vital.errors import InvalidValueError
from vital.records import Description
from vital.units import Unit
from vital.utils.public import door
from vital.utils.text import jaccard

CONSTANT = "things and objects"
"""What a method says that always says the same."""


@dataclass(frozen=True)
class Agreement:
    """How far labels agree, unit by unit, with what it means.

    `cosines` are those of the two labels of each unit, or the shares of words in common where no encoder is asked, and
    `same` says where both say the same words. Cosines of texts have a floor, far above 0: `shuffled` is the mean cosine
    of labels of different units (None for a single one), and `constant` that of all labels with one that says nothing.
    Where a unit has no label, its cosine is None.
    """

    cosines: tuple[float | None, ...] = field(repr=False)
    same: tuple[bool, ...] = field(repr=False)
    shuffled: float | None
    constant: float

    @property
    def mean(self) -> float:
        """The mean cosine, NaN where no unit has two labels."""
        known = [cosine for cosine in self.cosines if cosine is not None]
        return fmean(known) if known else float("nan")

    @property
    def floor(self) -> float:
        """The higher of the two floors."""
        return self.constant if self.shuffled is None else max(self.shuffled, self.constant)

    @property
    def above(self) -> tuple[float | None, ...]:
        """What the cosines have over the floor, as shares: 0 at the floor, 1 for the same text."""
        room = max(1e-6, 1 - self.floor)
        return tuple(None if c is None else (c - self.floor) / room for c in self.cosines)


@door
def agreement(ours: Sequence[str], theirs: Sequence[str], encoder: TextEncoder | None = None) -> Agreement:
    """Compare two lists of labels of the same units, "" where there is none.

    With a sentence encoder "puppy" and "dog" agree; without one labels agree as far as they share words, but for
    plural and filler. Raises `InvalidValueError` for a text instead of a list, which would be compared letter by
    letter, and for lists of different lengths.
    """
    if isinstance(ours, str) or isinstance(theirs, str) or len(ours) != len(theirs) or not ours:
        raise InvalidValueError(
            f"the labels are {ours!r} and {theirs!r}; allowed are two lists of one length, from 1"
        )
    known = [i for i, pair in enumerate(zip(ours, theirs, strict=True)) if all(pair)]
    same = tuple(bool(a) and vocabulary(a) == vocabulary(b) for a, b in zip(ours, theirs, strict=True))
    if not known:
        return Agreement((None,) * len(ours), same, None, float("nan"))
    one, two = ([labels[i] for i in known] for labels in (ours, theirs))
    like = _shared_words if encoder is None else cosines(encoder)
    table, nothing = (torch.from_numpy(np.asarray(like(one, other))) for other in (two, [CONSTANT]))
    found = dict(zip(known, table.diagonal().tolist(), strict=True))
    constant = float(nothing.mean() + torch.from_numpy(np.asarray(like(two, [CONSTANT]))).mean()) / 2
    return Agreement(tuple(found.get(i) for i in range(len(ours))), same, _shuffled(table), constant)


def _shared_words(ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[jaccard(one, two) for two in theirs] for one in ours], dtype=np.float64)


def by_method(said: Sequence[Description]) -> dict[str, dict[Unit, str]]:
    """The labels of units by method; of several seeds the first, and none that was taken back."""
    found: dict[str, dict[Unit, str]] = {}
    for one in said:
        if one.label:
            found.setdefault(one.method, {}).setdefault(replace(one.unit, label=""), one.label)
    return found


def pairs_of(said: Mapping[str, dict[Unit, str]]) -> Iterator[tuple[tuple[str, dict[Unit, str]], ...]]:
    """Every two methods."""
    return combinations(said.items(), 2)


def _shuffled(table: Tensor) -> float | None:
    """The mean of what is off the diagonal."""
    count = len(table)
    if count < 2:
        return None
    return float((table.sum() - table.diagonal().sum()) / (count * (count - 1)))
