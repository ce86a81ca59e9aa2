"""VITAL: prototypes by aligning feature distributions with real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from vital import objectives as obj
from vital import params as par
from vital import regularizers as reg
from vital import transforms
from vital.activations import ReferenceBank
from vital.activations.bank import Choice
from vital.errors import ModelError
from vital.models import Model
from vital.models.scores import LIKELY, meaning
from vital.optim import Optimizer
from vital.rendering.methods.alignment import (
    RuleName,
    bears_half_size,
    choose_rule,
    fills_a_third,
    has_one_place,
    max_noise,
    missing_class_reason,
    natural_colors,
    references_of,
    stages_of,
)
from vital.rendering.methods.base import METHODS, Method, Plan, image_size
from vital.terms import Term
from vital.types import Transform
from vital.units import OUTPUT, Unit
from vital.utils.options import Count, NonNegative, Positive, Share, Side

PATCH_SHARE = 0.9
"""The share of what a place responds to that a reference patch of an inner unit holds."""
CLASS_ALONE, CLASS_SCENE = 0.03, 0.05
"""The weights of a class's logit: for the class alone, and in its surroundings."""
SMALL, CLASS_SMALL = 128, 0.05
"""The side of small pictures in pixels, where more than natural values brings noise, and a log-probability's weight."""
INNER_ALONE, INNER_SCENE = (0.3, 16.0), (1.0, 1.0)
"""The weights of an inner unit's alignment, and of its activation over the natural one."""
REACH = 4.0
"""The weight of the term that brings an inner unit to its natural value: one of one place, and in small pictures."""
NATURAL = 3
"""The number of images, those that excite an inner unit most, of which its natural value is the mean."""
ROLL, ZOOM, TURN = 0.05, 0.1, 8.0
"""How far each transform moves the picture (share of the side), zooms it (share) and turns it (degrees), at most."""
SURROUNDINGS = 2
"""The number of stages, from the first, at which the surroundings are held to those of all images.

The unit's own layer is none of them: what is usual there is a unit at rest, which would keep it asleep."""


@dataclass(frozen=True)
class AlignmentMethod(Method):
    """What `vital` and `vital-scene` have in common.

    Options:
        steps: The number of steps.
        size: The side of the picture in pixels; none for the network's own.
        n_references: The number of reference images.
        selection: How references are selected, as in `ReferenceBank.references`.
        layers: The layers to align; none for the stages (`vital.rendering.stages`) that the unit is made from.
        unit_weight: The weight of the activation, over its natural value for an inner unit; none for the usual.
        tv: The weight of total variation.
        noise: The most noise that is laid over the picture in each step, as a standard deviation.
        lr: The learning rate at the start; it falls as a cosine.
        coarse: The share of the steps that are made at half the size.
        natural: The weight of the alignment with the average of all images; 0 leaves it out.
        fit: Whether the network sees the picture at its own input size, whatever the size of the picture.
    """

    needs_images: ClassVar[bool] = True
    steps: Count = 256
    size: Side | None = None
    n_references: Count = 1
    selection: Choice = "activation"
    layers: tuple[str, ...] | None = None
    unit_weight: NonNegative | None = None
    tv: NonNegative = 3.0
    noise: NonNegative = 0.1
    lr: Positive = 0.1
    coarse: Share = 0.6
    natural: NonNegative = 0.3
    fit: bool = False

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """A class without images."""
        return missing_class_reason(unit, bank, self.n_references, self.selection, seed)

    def unused(self, model: Model, unit: Unit, bank: ReferenceBank | None) -> dict[str, str]:
        """A coarse beginning and noise that the network does not bear."""
        del unit
        found = {}
        if bank is not None and self.coarse and not (self.fit or bears_half_size(model, bank)):
            found["coarse"] = "does not apply: the network does not recognize images of half the size"
        if bank is not None and self.noise and (most := max_noise(model, bank, self.noise)) < self.noise:
            found["noise"] = f"is brought down to {most:.3g}, the most that the network bears"
        return found


@METHODS.register("vital")
@dataclass(frozen=True)
class Vital(AlignmentMethod):
    """Show the unit alone: what takes part in its response, on a background as natural images have it.

    Sorted activations are aligned with those of reference images at all stages of the network, under masks of
    relevance, so that what the references share but the unit does not use stays out (VITAL, ICCV 2025). Beside it
    brightness, colors and the first stages are aligned, without masks, with the average over all images of the bank,
    which knows nothing of the unit: it gives a natural look to what the unit leaves open. The picture is a Fourier
    canvas with decorrelated colors that goes from coarse to fine where the network recognizes images of half the size;
    it is seen moved, zoomed, turned and with as much noise as the network bears.

    The unit itself is driven: the logit of a class, an inner unit at the center of the picture, so that one thing
    stands there; where it sees less than a third of the picture, everywhere, so that a texture shows it. The
    references of an inner unit are patches around its strongest places. Where relevance cannot be followed,
    gradient × activation takes its place and the record says so.

    Options:
        relevance: The rule of the masks: one of `vital.attribution.RULES`, or "gradient"; none for `vital-scene`.
    """

    relevance: RuleName | None = "zplus"

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts."""
        made = [self._term(model, model.unit(unit), bank, seed) for unit in units]
        size = image_size(model, self.size)
        grows = bank is not None and self.coarse > 0 and (self.fit or bears_half_size(model, bank))
        return Plan(
            [term for term, _ in made],
            par.Fourier(size, model.channels, coarse=self.coarse if grows else 0.0),
            self._transforms(model, bank, min(size)),
            Optimizer(self.lr, (0.5, 0.9), "cosine"),
            self.steps,
            redirect=self.steps // 2,
            notes=[note for _, note in made],
            fit=self.fit,
        )

    def _transforms(self, model: Model, bank: ReferenceBank | None, side: int) -> list[Transform]:
        """The random transforms of a picture, of which the side is in pixels."""
        augmentations: list[Transform] = [
            transforms.Scale(1 - ZOOM, 1 + ZOOM),
            transforms.Rotate(TURN),
            transforms.Roll(max(1, round(ROLL * side))),
        ]
        strength = max_noise(model, bank, self.noise) if bank and self.noise else 0.0
        return [*augmentations, transforms.Noise(strength)] if strength else augmentations

    def _term(self, model: Model, unit: Unit, bank: ReferenceBank | None, seed: int) -> tuple[Term, str]:
        """What one unit's picture is to make small, and in words where its references come from."""
        layers = self._aligned(model, unit)
        rule, why = "", ""
        if self.relevance is not None:
            rule, why = choose_rule(model, unit, layers, self.relevance)
        patches = PATCH_SHARE if rule and unit.layer != OUTPUT else 0.0
        template, note = references_of(
            unit, bank, layers, self.n_references, self.selection, seed, rule, patches=patches
        )
        weight, drive = self._drive(model, unit, bank)
        term: Term = weight * obj.Alignment(template, scale="variance")
        if drive is not None:
            term = term + drive
        if self.natural and bank:
            usual: Term = natural_colors(bank)
            if early := self._early(model, unit):
                usual = obj.Alignment(bank.usual(early), scale="variance") + usual
            term = term + self.natural * usual
        if self.tv:
            term = term + self.tv * reg.TotalVariation(2)
        return term, "; ".join(part for part in (note, why) if part)

    def _drive(self, model: Model, unit: Unit, bank: ReferenceBank | None) -> tuple[float, Term | None]:
        """The weight of the alignment, and the term that makes the unit active.

        The activation of an inner unit is measured by how far its natural value lies above the median image's. One at
        the center is also brought to its natural mean, since where others win it gets no gradient there.
        """
        alone, own = self.relevance is not None, self.unit_weight
        if own == 0 or bank is None:
            return 1.0, None
        small = own is None and min(image_size(model, self.size)) < SMALL
        if unit.is_class:
            if small and meaning(model) in LIKELY:
                return 1.0, CLASS_SMALL * obj.Logit(unit, softmax=True)
            return 1.0, (own or (CLASS_ALONE if alone else CLASS_SCENE)) * obj.Logit(unit)
        natural = bank.natural_value(unit, NATURAL)
        if natural > 0 and (small or (own is None and has_one_place(unit))):
            return 1.0, REACH * obj.Reach(unit, natural)
        weight, drive = INNER_ALONE if alone else INNER_SCENE
        usual, drive = bank.usual_value(unit), own or drive
        if not (alone and unit.layer != OUTPUT and fills_a_third(model, unit)):
            everywhere = obj.Direction(unit) if unit.source else obj.Channel(unit)
            return weight, drive / (natural - usual or 1.0) * everywhere
        strongest = fmean(place.value for place in bank.strongest_places(unit, NATURAL))
        center = drive / (strongest - usual or 1.0) * obj.Neuron(unit)
        return weight, center + obj.Reach(unit, natural) if natural > 0 else center

    def _aligned(self, model: Model, unit: Unit) -> tuple[str, ...]:
        return stages_of(model, unit) if self.layers is None else self.layers

    def _early(self, model: Model, unit: Unit) -> tuple[str, ...]:
        """The first stages, without the unit's own layer; none in a network without places."""
        try:
            found = stages_of(model, unit)
        except ModelError:
            return ()
        return tuple(name for name in found if name != unit.layer)[:SURROUNDINGS]


@METHODS.register("vital-scene")
@dataclass(frozen=True)
class VitalScene(AlignmentMethod):
    """Show the unit in its usual surroundings: like `vital`, with the references' own background.

    An inner unit is driven everywhere. The picture shows what the unit's reference images look like to the network,
    whether the unit uses it or not: easier to recognize, and no evidence of what the unit uses. References are whole
    images.
    """

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts."""
        return Vital(relevance=None, **self.options()).plan(model, units, bank, seed)
