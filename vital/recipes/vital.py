"""VITAL: prototypes by aligning feature distributions with real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from vital import objectives as obj
from vital import parameterisations as par
from vital import regularizers as reg
from vital import views
from vital.engine import Optimiser
from vital.errors import BadValue, DataError, EmptyClass
from vital.models import Model
from vital.recipes.base import METHODS, Method, Plan, image_size
from vital.recipes.directions import along
from vital.recipes.stages import stages
from vital.records import Template
from vital.reference import ReferenceBank
from vital.reference.bank import Choice
from vital.relevance import followable
from vital.terms import GRADIENT, Relevant, Term
from vital.trace import survey
from vital.units import OUTPUT, Unit

VIT_L = ("conv_proj", *(f"encoder.layers.encoder_layer_{i}" for i in (2, 9, 20, 23)))
VIT_L_PRIORS = {16: 3e-3, 32: 3e-4}
"""The published weight of both priors by the side of ViT-L's patches; all other networks have none."""
PUBLISHED = {
    ("conv1", "layer1", "layer2", "layer3", "layer4"): (1.0, 1.0, 1.0, 1.0, 1.0),
    ("features.conv0", *(f"features.denseblock{i}" for i in (1, 2, 3, 4))): (1.0, 1.0, 1.0, 1.0, 100.0),
    ("features.0", "features.2.1", "features.4.1", "features.6.1", "features.7.2"): (
        10.0,
        1.0,
        1.0,
        1.0,
        1.0,
    ),
    VIT_L: (1.0, 1.0, 1.0, 1.0, 1.0),
    ("conv_proj", *(f"encoder.layers.encoder_layer_{i}" for i in (0, 4, 8, 11))): (1.0, 1.0, 1.0, 1.0, 1.0),
}
"""Layers and weights of the published class configurations: ResNet, DenseNet, ConvNeXt, ViT-L/16, ViT-B."""


@METHODS.register("vital-reference")
@dataclass(frozen=True)
class VitalReference(Method):
    """The published method for class units, number for number (VITAL, ICCV 2025).

    Sort matching against 50 images of the class on pixels in the network's normalised space, started from
    N(0, 1); Adam with lr 1.0 and betas (0.5, 0.9); 2000 steps with a linear warm-up of 100 and a cosine; a
    wrap-around roll of up to 30 pixels; clamped to [0, 1] in pixels after each step. `tv` and `l2` weigh the
    published priors: four unsquared Frobenius norms of differences, and the norm of the normalised image; below 0
    they stand for the published weights, 3e-3 on ViT-L/16, 3e-4 on ViT-L/32 and 0 on all other networks.
    `layers` and `weights` default to the published ones where the network has those layers (ResNet, DenseNet,
    ConvNeXt, ViT), else to `stages` with weight 1. `references` images are drawn by label, or are those with the
    highest value where the images have no labels. `size` 0 is the network's own.
    """

    needs_images: ClassVar[bool] = True
    steps: int = 2000
    size: int = 0
    references: int = 50
    choose: Choice = "auto"
    layers: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    lr: float = 1.0
    warmup: int = 100
    roll: int = 30
    tv: float = -1.0
    l2: float = -1.0

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """A class without images."""
        return lacking(unit, bank, self.references, self.choose, seed)

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the published parts."""
        layers, weights = layers_and_weights(model, self.layers, self.weights)
        prior = VIT_L_PRIORS.get(_patch(model), 0.0) if layers == VIT_L else 0.0
        tv, l2 = (prior if given < 0 else given for given in (self.tv, self.l2))
        terms, notes = [], []
        for unit in units:
            template, note = references_of(unit, bank, layers, self.references, self.choose, seed)
            term = obj.Alignment(template, weights=dict(zip(layers, weights, strict=True))) * 1.0
            if tv:
                term = term + tv * reg.TotalVariation("four", of="input")
            if l2:
                term = term + l2 * reg.L2(0.0, "input", squared=False)
            terms.append(term)
            notes.append(note)
        return Plan(
            terms,
            par.Pixels(image_size(model, self.size), model.channels, mean=model.mean, std=model.std),
            [views.Roll(self.roll)] if self.roll else [],
            Optimiser(self.lr, (0.5, 0.9), "warmup-cosine", warmup=self.warmup),
            self.steps,
            notes=notes,
        )


@METHODS.register("vital")
@dataclass(frozen=True)
class Vital(Method):
    """Sort matching on a Fourier canvas, of what takes part in the unit's response alone.

    Differences from the published method: a Fourier parameterisation with decorrelated colours, so that the
    gradient works on all scales at once; each layer's loss divided by its template's variance, so that no layer
    needs a hand-tuned weight; references chosen by the unit's own activation, so that the picture shows what the
    unit prefers and not only what its class looks like; relevance masks for class units too, without which the
    picture shows what the references look like whether the network uses it or not; a small term for the unit itself,
    weighted with `unit_weight`; and total variation weighted with `tv`, since noise that the network ignores is never
    taken away by it. Inner units are aligned at the layers up to their own.
    `relevance` is a rule of `vital.relevance.RULES`, "gradient" for gradient × activation, which is taken where
    relevance cannot be followed and named in the record, or "none" for no masks. `roll` is a share of the shorter
    side; small, so that the picture keeps its layout. `layers` default to `stages`, `weights` to 1. `size` 0 is the
    network's own.
    """

    needs_images: ClassVar[bool] = True
    steps: int = 256
    size: int = 0
    references: int = 8
    choose: Choice = "activation"
    layers: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    relevance: str = "zplus"
    unit_weight: float = 0.05
    tv: float = 0.3
    lr: float = 0.05
    roll: float = 0.05
    decay: float = 1.0

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """A class without images."""
        return lacking(unit, bank, self.references, self.choose, seed)

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts."""
        if not 0 <= self.roll <= 1:
            raise BadValue(f"roll is {self.roll}; allowed are shares of the side, from 0 to 1")
        terms, notes = [], []
        for unit in units:
            term, note = self._term(model, unit, bank, seed)
            terms.append(term)
            notes.append(note)
        size = image_size(model, self.size)
        return Plan(
            terms,
            par.Fourier(size, model.channels, decay=self.decay),
            [views.Roll(max(1, round(self.roll * min(size))))] if self.roll else [],
            Optimiser(self.lr, (0.5, 0.9), "cosine"),
            self.steps,
            redirect=16,
            notes=notes,
        )

    def _term(self, model: Model, unit: Unit, bank: ReferenceBank | None, seed: int) -> tuple[Term, str]:
        """What one unit's picture is to make small, and in words where its references come from."""
        layers, weights = self._aligned(model, unit)
        rule, why = "", ""
        if self.relevance != "none":
            rule, why = followed_by(model, unit, layers, self.relevance)
        template, note = references_of(unit, bank, layers, self.references, self.choose, seed, rule)
        term: Term = obj.Alignment(template, dict(zip(layers, weights, strict=True)), scale="variance")
        if self.unit_weight:
            term = term + self.unit_weight * unit_term(unit)
        if self.tv:
            term = term + self.tv * reg.TotalVariation(2)
        return term, "; ".join(part for part in (note, why) if part)

    def _aligned(self, model: Model, unit: Unit) -> tuple[tuple[str, ...], tuple[float, ...]]:
        layers = self.layers or stages(model)
        if unit.layer != OUTPUT and not self.layers:
            known = survey(model)
            layers = tuple(n for n in layers if known[n].order < known[unit.layer].order) or layers[:1]
            layers = tuple(dict.fromkeys((*layers, unit.layer)))
        return layers, paired(layers, self.weights or (1.0,) * len(layers))


def followed_by(model: Model, unit: Unit, layers: Sequence[str], rule: str) -> tuple[str, str]:
    """The rule by which a unit's relevance can be followed to its layers, and why it is not the one asked for."""
    if rule == GRADIENT:
        return rule, "masked by gradient × activation, which is not relevance"
    grey = torch.full((1, model.channels, *model.size), 0.5)
    before = tuple(layer for layer in layers if layer != unit.layer)
    return followable(model, Relevant(unit, before or tuple(layers), rule), grey)


def unit_term(unit: Unit) -> Term:
    """The term for the unit itself: log-probability of a class, the mean of anything else."""
    if unit.source:
        return obj.Direction(str(unit))
    return obj.Logit(unit, softmax=True) if unit.layer == OUTPUT else obj.Channel(unit)


def layers_and_weights(
    model: Model, layers: tuple[str, ...], weights: tuple[float, ...]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The layers to align and their weights: as asked for, else as published, else by `stages`."""
    known = survey(model)
    published = next((names for names in PUBLISHED if all(n in known for n in names)), ())
    chosen = layers or published or stages(model)
    given = weights or PUBLISHED.get(chosen, (1.0,) * len(chosen))
    if not weights and chosen == VIT_L and _patch(model) == 32:
        given = (1.0, 1.0, 1.0, 1.0, 0.1)
    return chosen, paired(chosen, given)


def paired(layers: Sequence[str], weights: tuple[float, ...]) -> tuple[float, ...]:
    """The weights, after a look that there is one for each layer."""
    if len(weights) != len(layers):
        raise BadValue(f"there are {len(weights)} weights for the {len(layers)} layers {', '.join(layers)}")
    return weights


def _patch(model: Model) -> int:
    """The side of a vision transformer's patches, in pixels."""
    return int(next(model.module.get_submodule(VIT_L[0]).parameters()).shape[-1])


def lacking(unit: Unit, bank: ReferenceBank | None, count: int, choose: Choice, seed: int) -> str:
    """Say that there are no images of a class; empty where there are."""
    try:
        if bank is not None and not unit.source:
            bank.references(unit, count, choose, seed)
    except EmptyClass as error:
        return str(error)
    return ""


def references_of(
    unit: Unit,
    bank: ReferenceBank | None,
    layers: Sequence[str],
    count: int,
    choose: Choice,
    seed: int,
    rule: str = "",
) -> tuple[Template, str]:
    """A unit's template, and in words where its references come from."""
    if bank is None:
        raise DataError(f"{unit} cannot be rendered without reference images; give images or a bank")
    if unit.source:
        return along(bank, unit, layers, count, rule)
    template = bank.template(unit, layers, count=count, choose=choose, seed=seed, rule=rule)
    return template, bank.references(unit, count, choose, seed).note
