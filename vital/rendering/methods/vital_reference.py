"""VITAL as it was published, number for number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from vital import objectives as obj
from vital import params as par
from vital import regularizers as reg
from vital.activations import ReferenceBank
from vital.activations.bank import Choice
from vital.models import Model
from vital.optim import Optimizer
from vital.rendering.methods.alignment import missing_class_reason, paired, references_of, upstream_layers
from vital.rendering.methods.base import METHODS, Method, Plan, image_size, roll_by
from vital.rendering.methods.stages import stages
from vital.terms import Term
from vital.tracing import list_layers
from vital.units import OUTPUT, Unit
from vital.utils.options import Count, CountOrZero, NonNegative, Positive, Share, Side

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
INNER = {"conv1": 0.1}
INNER_PRIOR = 3e-7
"""For inner units the published weights are 0.1 at conv1 and 1 elsewhere, and those of both priors 3e-7."""


@METHODS.register("vital-reference")
@dataclass(frozen=True)
class VitalReference(Method):
    """The published method, number for number (VITAL, ICCV 2025).

    Sort matching against 50 images of the class on pixels in the network's normalized space, started from
    N(0, 1); Adam with lr 1.0 and betas (0.5, 0.9); 2000 steps with a linear warm-up of 100 and a cosine; a
    wrap-around roll of up to 30 pixels; clamped to [0, 1] in pixels after each step. Two priors are added: four
    unsquared Frobenius norms of differences, and the norm of the normalized image. Their published weights are, for
    classes, 3e-3 on ViT-L/16, 3e-4 on ViT-L/32 and 0 on all other networks, and for inner units 3e-7. The published
    layers and weights are taken where the network has those layers (ResNet, DenseNet, ConvNeXt, ViT), else `stages`
    with weight 1. References are drawn by label, or are the images with the highest value where there are no labels.

    Inner units are aligned at the layers before their own, under masks of relevance by the rule "reference" that
    starts with the unit's activation. References are the whole images that excite them most, all of the same weight, as
    in the published code; the paper crops them to patches. A unit that is silent on the picture has no
    relevance there, and its picture never moves: the published code does not guard against it, nor does this. Where two
    activations that are 0 are added the published relevance is 0 / 0; here each takes half.

    Options:
        steps: The number of steps.
        size: The side of the picture in pixels; none for the network's own.
        n_references: The number of reference images.
        selection: How the references of a class are selected, as in `ReferenceBank.references`.
        layers: The layers to align; none for the published ones.
        layer_weights: The weight of each layer; none for the published ones.
        lr: The learning rate after the warm-up; it falls as a cosine.
        warmup: The number of steps over which the learning rate grows.
        roll: The most that each step moves the picture, as a share of its side; none for 30 pixels.
        tv: The weight of total variation; none for the published one.
        l2: The weight of the norm of the normalized picture; none for the published one.
        fit: Whether the network sees the picture at its own input size, whatever the size of the picture.
    """

    needs_images: ClassVar[bool] = True
    steps: Count = 2000
    size: Side | None = None
    n_references: Count = 50
    selection: Choice = "auto"
    layers: tuple[str, ...] | None = None
    layer_weights: tuple[float, ...] | None = None
    lr: Positive = 1.0
    warmup: CountOrZero = 100
    roll: Share | None = None
    tv: NonNegative | None = None
    l2: NonNegative | None = None
    fit: bool = False

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """A class without images."""
        return missing_class_reason(unit, bank, self.n_references, self._choice(unit), seed)

    def unused(self, model: Model, unit: Unit, bank: ReferenceBank | None) -> dict[str, str]:
        """A selection for an inner unit."""
        del model, bank
        why = "does not apply: the references of an inner unit are the images that excite it most, of one weight"
        return {} if unit.is_class else {"selection": why}

    def _choice(self, unit: Unit) -> Choice:
        """How references are chosen: as asked for a class, the strongest alike for an inner unit."""
        return self.selection if unit.is_class else "top"

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the published parts."""
        made = [self._term(model, unit, bank, seed) for unit in units]
        terms, notes = [term for term, _ in made], [note for _, note in made]
        size = image_size(model, self.size)
        roll = roll_by(self.roll, 30, size)
        return Plan(
            terms,
            par.Pixels(size, model.channels, mean=model.mean, std=model.std),
            [roll] if roll.pixels else [],
            Optimizer(self.lr, (0.5, 0.9), "warmup-cosine", warmup=self.warmup),
            self.steps,
            notes=notes,
            fit=self.fit,
        )

    def _term(self, model: Model, unit: Unit, bank: ReferenceBank | None, seed: int) -> tuple[Term, str]:
        """One unit's loss, and in words where its references come from."""
        layers, weights = self._aligned(model, unit)
        inner = unit.layer != OUTPUT
        rule, start = ("reference", "activation") if inner else ("", "")
        template, note = references_of(
            unit, bank, layers, self.n_references, self._choice(unit), seed, rule, start
        )
        prior = INNER_PRIOR if inner else VIT_L_PRIORS.get(_patch(model), 0.0) if layers == VIT_L else 0.0
        tv, l2 = (prior if given is None else given for given in (self.tv, self.l2))
        term = obj.Alignment(template, weights=dict(zip(layers, weights, strict=True))) * 1.0
        if tv:
            term = term + tv * reg.TotalVariation("four", of="input")
        if l2:
            term = term + l2 * reg.L2(0.0, "input", squared=False)
        return term, note

    def _aligned(self, model: Model, unit: Unit) -> tuple[tuple[str, ...], tuple[float, ...]]:
        layers, weights = layers_and_weights(model, self.layers, self.layer_weights)
        if unit.layer == OUTPUT or self.layers:
            return layers, weights
        layers = upstream_layers(model, unit, layers)
        return layers, paired(layers, self.layer_weights or tuple(INNER.get(layer, 1.0) for layer in layers))


def layers_and_weights(
    model: Model, layers: tuple[str, ...] | None, weights: tuple[float, ...] | None
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The layers to align and their weights: as asked for, else as published, else by `stages`."""
    known = list_layers(model)
    published = next((names for names in PUBLISHED if all(n in known for n in names)), ())
    chosen = layers or published or stages(model)
    if weights is None and chosen == VIT_L and _patch(model) == 32:
        return chosen, (1.0, 1.0, 1.0, 1.0, 0.1)
    published_weights = PUBLISHED.get(chosen, (1.0,) * len(chosen))
    return chosen, paired(chosen, published_weights if weights is None else weights)


def _patch(model: Model) -> int:
    """The side of a vision transformer's patches, in pixels."""
    return int(next(model.module.get_submodule(VIT_L[0]).parameters()).shape[-1])
