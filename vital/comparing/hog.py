"""A recognizer that is no network: gradients and colors over a grid, and a linear classifier, fitted on labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vital.comparing.records import at_size
from vital.data import ImageSet
from vital.data.imageset import evenly
from vital.errors import DataError, InvalidValueError
from vital.metrics import luminance
from vital.models import Model
from vital.types import Images
from vital.units import Unit
from vital.utils.hashing import key_of

SIDE, GRID = 64, 4
HUES, LIGHTS = 8, 4
MOST, FEWEST = 4000, 2
BATCH = 64


@dataclass(frozen=True, eq=False)
class HogClassifier:
    """Histograms of oriented gradients and of colors with a linear classifier: a judge that is no network.

    It is fitted, when it is first asked, on the labeled `images` as `own` sees them: of each label with two images or
    more as many as come to 4000 in all, evenly spread. Every fourth of a label is held out, and `accuracy` is that of
    the very classifier that judges. `own` is the network whose classes are asked for. The same images give the same
    words. Raises `DataError` where fewer than two labels can be told apart.
    """

    images: ImageSet
    own: Model = field(repr=False)

    @property
    def name(self) -> str:
        """What it is, and how often it names held-out images right."""
        return f"HOG, {100 * self.accuracy:.0f} % of {self._fit.held} held-out images"

    @property
    def accuracy(self) -> float:
        """The share of held-out images of all labels that it names right."""
        return self._fit.accuracy

    @cached_property
    def key(self) -> str:
        """What tells it from others, without fitting it."""
        seen_by = repr(self.own.preprocessing), self.own.classes
        return key_of("hog", self.images.hash(), seen_by, SIDE, GRID, HUES, LIGHTS, MOST)

    @cached_property
    def counts(self) -> dict[int, list[int]]:
        """Of each label with two images or more, which images there are."""
        found: dict[int, list[int]] = {}
        for i, label in enumerate(self.images.labels):
            if label is not None:
                found.setdefault(label, []).append(i)
        return {label: own for label, own in found.items() if len(own) >= FEWEST}

    def labels_of(self, unit: Unit) -> set[int]:
        """The labels, of those that it is fitted on, that mean a unit's class; none where no image is of it."""
        if not unit.is_class:
            return set()
        try:
            own = self.images.of_class(unit.channel, self.own.classes, len(self.own.classes) or None)
        except DataError:
            return set()
        return {label for i in own if (label := self.images.labels[i]) in self.counts and label is not None}

    def agrees(self, images: Images, units: Sequence[Unit]) -> list[float]:
        """1 where it names the unit's class, else 0; not a number for other units and for classes without images."""
        wanted = [self.labels_of(unit) for unit in units]
        asked = [i for i, labels in enumerate(wanted) if labels]
        found = [math.nan] * len(units)
        if asked:
            said = self._fit.classifier.predict(hog_features(images[asked]).numpy()).tolist()
            for i, label in zip(asked, said, strict=True):
                found[i] = float(label in wanted[i])
        return found

    @cached_property
    def _fit(self) -> _Fit:
        each = max(FEWEST, MOST // max(1, len(self.counts)))
        chosen = [i for own in self.counts.values() for i in map(own.__getitem__, evenly(len(own), each))]
        rows, read = [], list[int]()
        for indices, batch in self.images.batches(self.own, BATCH, indices=chosen):
            rows.append(hog_features(batch))
            read += indices
        return _fitted(torch.cat(rows).numpy(), np.array([self.images.labels[i] for i in read]))


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fitted classifier, the share of held-out images that it names right, and their number."""

    classifier: Any
    accuracy: float
    held: int


def _fitted(features: np.ndarray, labels: np.ndarray) -> _Fit:
    """Fit on three of four images of each label, and try on the fourth."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # by place, unlike the halves on which labels are judged: the share only names this judge, and decides nothing
    place = np.array([int((labels[:i] == label).sum()) for i, label in enumerate(labels)])
    held = place % 4 == 1
    if len(set(labels[~held].tolist())) < 2:
        raise DataError(
            "the images that can be read are of fewer than two labels; HOG needs two to tell apart"
        )
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(features[~held], labels[~held])
    right = classifier.predict(features[held]) == labels[held]
    return _Fit(classifier, float(right.mean()), int(held.sum()))


def hog_features(images: Images) -> Tensor:
    """Gradients and colors of pictures (B, C, H, W) in [0, 1], C 1 or 3, at 64 pixels: (B, 1956) float32.

    Source: Dalal and Triggs, CVPR 2005: 9 orientations, cells of 8 pixels, blocks of 2 × 2 cells, on the luminance; and
    over a grid of 4 × 4 a histogram of 8 hues, each pixel by how colorful it is (max − min), and of 4 lightnesses.
    Raises `InvalidValueError`.

    >>> hog_features(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 1956])
    """
    from skimage.feature import hog

    if images.ndim != 4 or images.shape[1] not in {1, 3} or not len(images):
        raise InvalidValueError(
            f"pictures of the shape {tuple(images.shape)} are given; allowed is (B, C, H, W) with C 1 or 3"
        )
    small = at_size(images.detach().cpu().float(), (SIDE, SIDE))
    edges = [hog(grey.numpy(), 9, (8, 8), (2, 2)) for grey in luminance(small)]
    return torch.cat([torch.from_numpy(np.stack(edges)).float(), _colors(small)], 1)


def _colors(images: Tensor) -> Tensor:
    """Histograms of hue and lightness over a grid: (B, GRID² · (HUES + LIGHTS))."""
    red, green, blue = images.expand(-1, 3, -1, -1).unbind(1)
    colorful = images.amax(1) - images.amin(1)
    angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue) / (2 * math.pi)
    hue = (angle * HUES).round().long() % HUES
    light = (luminance(images) * LIGHTS).long().clamp(max=LIGHTS - 1)
    maps = [(hue == number) * colorful for number in range(HUES)]
    maps += [(light == number).float() for number in range(LIGHTS)]
    return torch.nn.functional.adaptive_avg_pool2d(torch.stack(maps, 1), GRID).flatten(1)


def recognizer_for(
    own: Model, images: ImageSet, units: Sequence[Unit]
) -> tuple[HogClassifier | None, tuple[str, ...]]:
    """A recognizer of the classes among the units, and notes: why there is none, or of which it is silent.

    There is none, without a note, where no unit is a class.
    """
    classes = [unit for unit in dict.fromkeys(units) if unit.is_class]
    if not classes:
        return None, ()
    found = HogClassifier(images, own)
    silent = [unit for unit in classes if not found.labels_of(unit)]
    why = ""
    if all(label is None for label in images.labels):
        why = f"{images.name} has no labels"
    elif own.channels not in {1, 3}:
        why = f"{own.name} has {own.channels} channels, not 1 or 3"
    elif len(found.counts) < 2 or len(silent) == len(classes):
        why = f"{images.name} has fewer than {FEWEST} labeled images of a class, or of one class alone"
    if why:
        return None, (f"HOG is not asked: {why}",)
    named = ", ".join(map(str, silent))
    return found, (f"HOG is silent about {named}: fewer than {FEWEST} labeled images",) if silent else ()
