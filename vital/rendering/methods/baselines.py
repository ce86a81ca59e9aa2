"""The methods that users compare with: activation maximization on pixels and Fourier canvases, MACO, DeepInversion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vital import objectives as obj
from vital import params as par
from vital import regularizers as reg
from vital import transforms
from vital.activations import ReferenceBank
from vital.data import load_images
from vital.errors import DataError
from vital.models import Model
from vital.models.pixels import fit_channels, resize_and_crop, to_tensor
from vital.models.scores import LIKELY, meaning
from vital.optim import Optimizer
from vital.rendering.methods.base import METHODS, Method, Plan, image_size, roll_by
from vital.terms import Term
from vital.types import Parameterization
from vital.units import OUTPUT, Unit
from vital.utils.options import Count, Factor, NonNegative, Positive, Share, Side
from vital.utils.random import generator

REDIRECT = 16


def activation(unit: Unit) -> Term:
    """The plain objective of a unit: its logit, its value at a position, or its mean."""
    if unit.source:
        return obj.Direction(unit)
    if unit.layer == OUTPUT:
        return obj.Logit(unit)
    return obj.Neuron(unit) if unit.position is not None else obj.Channel(unit)


@dataclass(frozen=True)
class Accentuating(Method):
    """A method that may start from an image and stay near it: feature accentuation (Hamblin et al. 2024).

    Options:
        start: The file of the image from which the picture starts; none for a random start.
        start_weight: The weight of the distance from that image.
        start_layer: The layer at which the distance is taken; none for the pixels.
    """

    start: str | None = None
    start_weight: NonNegative = 0.0
    start_layer: str | None = None

    def unused(self, model: Model, unit: Unit, bank: ReferenceBank | None) -> dict[str, str]:
        """What is said of the start, where there is no image, or no weight."""
        del model, unit, bank
        if self.start is None:
            why = "does not apply: there is no image to start from, so give start"
            return {"start_weight": why, "start_layer": why}
        return {} if self.start_weight else {"start_layer": "does not apply: start_weight is 0"}

    def files(self) -> dict[str, str]:
        """The image."""
        return {} if self.start is None else {"start": load_images([self.start]).hash()}

    def begun(
        self, model: Model, canvas: par.Invertible, terms: Sequence[Term]
    ) -> tuple[Parameterization, list[Term]]:
        """The canvas as it starts, and the terms with the distance from the image."""
        if self.start is None:
            return canvas, list(terms)
        size = canvas.shape[1:]
        pixels = fit_channels(to_tensor(load_images([self.start])[0]), model.channels, model.name)
        image = resize_and_crop(pixels.float(), size, min(size), "bicubic")
        started = par.From(canvas, image)
        if not self.start_weight:
            return started, list(terms)
        begun = started.decode(started.init(generator())).clamp(
            0, 1
        )  # black and white may be out of its reach
        near = self.start_weight * reg.ImageDistance(begun, self.start_layer)
        return started, [term + near for term in terms]


@METHODS.register("pixels")
@dataclass(frozen=True)
class PixelAscent(Accentuating):
    """Activation maximization on plain pixels (Erhan et al. 2009), with total variation and a roll.

    Options:
        steps: The number of steps.
        size: The side of the picture in pixels; none for the network's own.
        lr: The learning rate.
        tv: The weight of total variation.
        roll: The most that each step moves the picture, as a share of its side; none for 8 pixels.
        decorrelate: Whether the pixels lie along the axes of natural colors, as a Fourier canvas does.
        fit: Whether the network sees the picture at its own input size, whatever the size of the picture.
    """

    steps: Count = 512
    size: Side | None = None
    lr: Positive = 0.05
    tv: NonNegative = 1.0
    roll: Share | None = None
    decorrelate: bool = False
    fit: bool = False

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts."""
        del bank, seed
        terms: list[Term] = [activation(unit) + self.tv * reg.TotalVariation(2) for unit in units]
        size = image_size(model, self.size)
        canvas = par.Pixels(size, model.channels, sd=0.1, decorrelate=self.decorrelate)
        augmentations = [roll_by(self.roll, 8, size)]
        moves, (started, terms) = Optimizer(self.lr), self.begun(model, canvas, terms)
        return Plan(terms, started, augmentations, moves, self.steps, redirect=REDIRECT, fit=self.fit)


@METHODS.register("fourier")
@dataclass(frozen=True)
class FourierAscent(Accentuating):
    """Activation maximization on a Fourier canvas with decorrelated colors, as Lucid does it.

    Adam 0.05, 512 steps, Lucid's pad, jitter, scale, rotate and jitter (Olah et al., Feature Visualization, 2017).

    Options:
        steps: The number of steps.
        size: The side of the picture in pixels; none for the network's own.
        lr: The learning rate.
        fit: Whether the network sees the picture at its own input size, whatever the size of the picture.
    """

    steps: Count = 512
    size: Side | None = None
    lr: Positive = 0.05
    fit: bool = False

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose Lucid's parts."""
        del bank, seed
        canvas = par.Fourier(image_size(model, self.size), model.channels)
        terms = [activation(unit) for unit in units]
        moves, seen = Optimizer(self.lr), [transforms.lucid()]
        started, terms = self.begun(model, canvas, terms)
        return Plan(terms, started, seen, moves, self.steps, redirect=REDIRECT, fit=self.fit)


@METHODS.register("maco")
@dataclass(frozen=True)
class Maco(Method):
    """Activation maximization over the phase alone, with the magnitudes of natural images.

    NAdam 1.0, 256 steps of random crops with noise, and a phase of mean 0 and spread 1 (MACO, Fel et al., NeurIPS
    2023). The magnitude spectrum is the mean over the user's own images.

    Options:
        steps: The number of steps.
        size: The side of the picture in pixels; none for the network's own.
        lr: The learning rate.
        n_transforms: The number of random crops of each step.
        n_images: The number of images over which the magnitude spectrum is the mean.
    """

    needs_images: ClassVar[bool] = True
    steps: Count = 256
    size: Side | None = None
    lr: Positive = 1.0
    n_transforms: Factor = 32
    n_images: Count = 500

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose MACO's parts."""
        del seed
        if bank is None:
            raise DataError("maco needs images for its magnitude spectrum; give images or a bank")
        spread = bank.images.spread(self.n_images)
        magnitude = par.spectrum(_batches(bank, spread), decorrelate=model.channels == 3)
        size = image_size(model, self.size)
        canvas = par.Phase(size, model.channels, magnitude=magnitude, standard_phase=True)
        terms = [activation(unit) for unit in units]
        augmentations = [transforms.maco(model.size)]
        return Plan(
            terms,
            canvas,
            augmentations,
            Optimizer(self.lr, kind="nadam"),
            self.steps,
            self.n_transforms,
            REDIRECT,
        )


def _batches(bank: ReferenceBank, indices: Sequence[int]) -> Iterator[Tensor]:
    for _, batch in bank.images.batches(bank.model, 16, indices=indices):
        yield batch


@METHODS.register("deep-inversion")
@dataclass(frozen=True)
class DeepInversion(Method):
    """Inversion by batch-norm statistics (Yin et al., Dreaming to Distill, CVPR 2020).

    Cross entropy of the class (the plain objective for inner units, and for outputs without probabilities), the
    distance to the running statistics, total variation and norm priors, roll and flip, Adam 0.25 on pixels clamped to
    [0, 1]. The statistics are those of one image, not of a batch, so that a unit does not depend on its company. All
    steps are at full size; the published schedule spends two thirds of its steps at half of it. A network without batch
    norm is refused.

    Options:
        steps: The number of steps.
        size: The side of the picture in pixels; none for the network's own.
        lr: The learning rate after the warm-up; it falls as a cosine.
        bn: The weight of the distance to the running statistics of batch norm.
        tv: The weight of total variation.
        l2: The weight of the norm of the normalized picture.
        roll: The most that each step moves the picture, as a share of its side; none for 30 pixels.
        fit: Whether the network sees the picture at its own input size, whatever the size of the picture.
    """

    steps: Count = 1000
    size: Side | None = None
    lr: Positive = 0.25
    bn: NonNegative = 0.01
    tv: NonNegative = 1e-4
    l2: NonNegative = 1e-5
    roll: Share | None = None
    fit: bool = False

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the published parts."""
        del bank, seed
        statistics = reg.BatchNormStatistics.of(model)
        priors = (
            self.bn * statistics
            + self.tv * reg.TotalVariation("four", of="input")
            + self.l2 * reg.L2(0.0, "input", squared=False)
        )
        terms = [self._target(model, unit) + priors for unit in units]
        size = image_size(model, self.size)
        canvas = par.Pixels(size, model.channels, mean=model.mean, std=model.std)
        augmentations = [roll_by(self.roll, 30, size), transforms.Flip()]
        return Plan(
            terms,
            canvas,
            augmentations,
            Optimizer(self.lr, (0.5, 0.9), "warmup-cosine", 100),
            self.steps,
            redirect=REDIRECT,
            fit=self.fit,
        )

    @staticmethod
    def _target(model: Model, unit: Unit) -> Term:
        """The log-probability of a class, where it has one."""
        likely = unit.is_class and meaning(model) in LIKELY
        return obj.Logit(unit, softmax=True) if likely else activation(unit)
