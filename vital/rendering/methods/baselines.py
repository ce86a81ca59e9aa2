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
from vital.errors import DataError, InvalidValueError
from vital.models import Model
from vital.optim import Optimizer
from vital.rendering.methods.base import METHODS, Method, Plan, image_size
from vital.terms import Term
from vital.units import OUTPUT, Unit

WAKE = 16


def activation(unit: Unit) -> Term:
    """The plain objective of a unit: its logit, its value at a position, or its mean."""
    if unit.source:
        return obj.Direction(unit)
    if unit.layer == OUTPUT:
        return obj.Logit(unit)
    return obj.Neuron(unit) if unit.position is not None else obj.Channel(unit)


@METHODS.register("pixels")
@dataclass(frozen=True)
class PixelAscent(Method):
    """Activation maximization on plain pixels (Erhan et al. 2009), with total variation and a roll."""

    needs_images: ClassVar[bool] = False
    steps: int = 512
    size: int = 0
    lr: float = 0.05
    tv: float = 1.0
    roll: int = 8

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts."""
        del bank, seed
        terms = [activation(unit) + self.tv * reg.TotalVariation(2) for unit in units]
        start = par.Pixels(image_size(model, self.size), model.channels, sd=0.1)
        return Plan(terms, start, [transforms.Roll(self.roll)], Optimizer(self.lr), self.steps, redirect=WAKE)


@METHODS.register("fourier")
@dataclass(frozen=True)
class FourierAscent(Method):
    """Activation maximization on a Fourier canvas with decorrelated colours, as Lucid does it.

    Adam 0.05, 512 steps, Lucid's pad, jitter, scale, rotate and jitter (Olah et al., Feature Visualization, 2017).
    """

    needs_images: ClassVar[bool] = False
    steps: int = 512
    size: int = 0
    lr: float = 0.05

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose Lucid's parts."""
        del bank, seed
        canvas = par.Fourier(image_size(model, self.size), model.channels)
        terms = [activation(unit) for unit in units]
        return Plan(terms, canvas, [transforms.lucid()], Optimizer(self.lr), self.steps, redirect=WAKE)


@METHODS.register("maco")
@dataclass(frozen=True)
class Maco(Method):
    """Activation maximization over the phase alone, with the magnitudes of natural images.

    NAdam 1.0, 256 steps of `crops` random crops with noise, and a phase of mean 0 and spread 1 (MACO, Fel et al.,
    NeurIPS 2023). The magnitude spectrum is the mean over `spectrum_images` of the user's own images.
    """

    needs_images: ClassVar[bool] = True
    steps: int = 256
    size: int = 0
    lr: float = 1.0
    crops: int = 32
    spectrum_images: int = 500

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose MACO's parts."""
        del seed
        if bank is None:
            raise DataError("maco needs images for its magnitude spectrum; give images or a bank")
        if self.spectrum_images < 1:
            raise InvalidValueError(
                f"spectrum_images is {self.spectrum_images}; allowed are whole numbers from 1"
            )
        spread = bank.images.spread(self.spectrum_images)
        magnitude = par.spectrum(_batches(bank, spread), decorrelate=model.channels == 3)
        size = image_size(model, self.size)
        canvas = par.Phase(size, model.channels, magnitude=magnitude, standard_phase=True)
        terms = [activation(unit) for unit in units]
        looks = [transforms.maco(model.size)]
        return Plan(terms, canvas, looks, Optimizer(self.lr, kind="nadam"), self.steps, self.crops, WAKE)


def _batches(bank: ReferenceBank, indices: Sequence[int]) -> Iterator[Tensor]:
    for _, batch in bank.images.batches(bank.model, 16, indices=indices):
        yield batch


@METHODS.register("deep-inversion")
@dataclass(frozen=True)
class DeepInversion(Method):
    """Inversion by batch-norm statistics (Yin et al., Dreaming to Distill, CVPR 2020).

    Cross entropy of the class (the plain objective for inner units), `bn` times the distance to the running
    statistics, total variation and norm priors, roll and flip, Adam 0.25 on pixels clamped to [0, 1]. The
    statistics are those of one image, not of a batch, so that a unit does not depend on its company. All steps are
    at full size; the published schedule spends two thirds of its steps at half of it. A network without batch norm
    is refused.
    """

    needs_images: ClassVar[bool] = False
    steps: int = 1000
    size: int = 0
    lr: float = 0.25
    bn: float = 0.01
    tv: float = 1e-4
    l2: float = 1e-5
    roll: int = 30

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the published parts."""
        del bank, seed
        statistics = reg.BatchNormStatistics.of(model)
        priors = (
            self.bn * statistics
            + self.tv * reg.TotalVariation("four", of="input")
            + self.l2 * reg.L2(0.0, "input", squared=False)
        )
        terms = [self._target(unit) + priors for unit in units]
        canvas = par.Pixels(image_size(model, self.size), model.channels, mean=model.mean, std=model.std)
        looks = [transforms.Roll(self.roll), transforms.Flip()]
        return Plan(
            terms,
            canvas,
            looks,
            Optimizer(self.lr, (0.5, 0.9), "warmup-cosine", 100),
            self.steps,
            redirect=WAKE,
        )

    @staticmethod
    def _target(unit: Unit) -> Term:
        return obj.Logit(unit, softmax=True) if unit.layer == OUTPUT else activation(unit)
