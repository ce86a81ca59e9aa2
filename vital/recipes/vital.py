"""VITAL: prototypes by aligning feature distributions with real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from vital import objectives as obj
from vital import parameterisations as par
from vital import regularizers as reg
from vital import views
from vital.engine import Optimiser
from vital.errors import BadValue
from vital.models import Model
from vital.recipes.aligned import bearable_noise, before, firm, followed_by, lacking, paired, references_of
from vital.recipes.base import METHODS, Method, Plan, image_size
from vital.recipes.stages import stages
from vital.reference import ReferenceBank
from vital.reference.bank import Choice
from vital.terms import Term
from vital.types import View
from vital.units import OUTPUT, Unit


@METHODS.register("vital")
@dataclass(frozen=True)
class Vital(Method):
    """Sort matching on a Fourier canvas, of what takes part in the unit's response alone.

    Differences from the published method: a Fourier parameterisation with decorrelated colours, so that the
    gradient works on all scales at once; each layer's loss divided by its template's variance, so that no layer
    needs a hand-tuned weight; few references, chosen by the unit's own activation, so that the picture shows what the
    unit prefers and not only what its class looks like, and no mixture of many; a small term for the unit itself,
    weighted with `unit_weight`; and total variation weighted with `tv` and noise on what the network sees, since detail
    that the network ignores is never taken away by it. The noise is `views.Rough(rough)` where the network keeps to
    what it says under it (`firm`), and otherwise of a standard deviation of up to `noise`, as much as it bears
    (`bearable_noise`). A firm network can be asked itself: its class units are shown by a term for the unit of weight
    1, beside which alignment weighs `lean`, and what references share but the network does not use stays out. Its
    canvas shrinks by `shrink` (`Optimiser.shrink`), without which the rough looks leave grain all over the picture;
    where looks are steadier, shrinking only takes contrast away.

    Class units are aligned at the last `depth` stages alone, under masks of relevance: at earlier layers, and without
    masks, the picture shows what the references look like whether the network uses it or not. Inner units are aligned
    at the stages up to their own layer. Their references are the `patches` of the places that excite
    them most, as the paper says (the share of what the place responds to; 0 for whole images, which are also taken
    where the unit does not answer to its patches: `answers`). Relevance starts at
    one where a unit is silent, and a term of weight `wake` brings the unit to the value that it has on the images that
    excite it most and no further (`Reach`), through rectifiers that are off too during the first half of the steps, so
    that a silent start is left behind.
    `relevance` is a rule of `vital.relevance.RULES`, "gradient" for gradient × activation, which is taken where
    relevance cannot be followed and named in the record, or "none" for no masks. `roll` is a share of the shorter
    side; small, so that the picture keeps its layout. `layers` default to the stages (`vital.recipes.stages`),
    `weights` to 1. `size` 0 is the network's own.
    """

    needs_images: ClassVar[bool] = True
    steps: int = 256
    size: int = 0
    references: int = 3
    depth: int = 2
    choose: Choice = "activation"
    layers: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    relevance: str = "zplus"
    unit_weight: float = 0.05
    wake: float = 4.0
    patches: float = 0.9
    tv: float = 1.0
    noise: float = 0.1
    rough: float = 0.25
    lean: float = 0.05
    lr: float = 0.05
    shrink: float = 1.0
    roll: float = 0.05
    decay: float = 1.0

    def problem(self, unit: Unit, bank: ReferenceBank | None, seed: int) -> str:
        """A class without images."""
        return lacking(unit, bank, self.references, self.choose, seed)

    def plan(self, model: Model, units: Sequence[Unit], bank: ReferenceBank | None, seed: int) -> Plan:
        """Compose the parts."""
        if not 0 <= self.roll <= 1:
            raise BadValue(f"roll is {self.roll}; allowed are shares of the side, from 0 to 1")
        if self.depth < 1:
            raise BadValue(f"depth is {self.depth}; allowed are whole numbers from 1")
        pace = Optimiser(self.lr, (0.5, 0.9), "cosine", shrink=self.shrink)
        terms, notes = [], []
        for unit in units:
            term, note = self._term(model, unit, bank, seed)
            terms.append(term)
            notes.append(note)
        size = image_size(model, self.size)
        return Plan(
            terms,
            par.Fourier(size, model.channels, decay=self.decay),
            self._looks(model, bank, min(size)),
            pace if self._firm(model, bank) else replace(pace, shrink=0.0),
            self.steps,
            redirect=self.steps // 2,
            notes=notes,
        )

    def _looks(self, model: Model, bank: ReferenceBank | None, side: int) -> list[View]:
        """The random looks at a picture, of which the side is in pixels."""
        looks: list[View] = [views.Roll(max(1, round(self.roll * side)))] if self.roll else []
        if self._firm(model, bank):
            return [*looks, views.Rough(self.rough)]
        strength = bearable_noise(model, bank, self.noise) if bank and self.noise else 0.0
        return [*looks, views.Noise(strength)] if strength else looks

    def _firm(self, model: Model, bank: ReferenceBank | None) -> bool:
        return bank is not None and self.rough > 0 and firm(model, bank, views.Rough(self.rough))

    def _term(self, model: Model, unit: Unit, bank: ReferenceBank | None, seed: int) -> tuple[Term, str]:
        """What one unit's picture is to make small, and in words where its references come from."""
        layers, weights = self._aligned(model, unit)
        rule, why, inner = "", "", unit.layer != OUTPUT
        if self.relevance != "none":
            rule, why = followed_by(model, unit, layers, self.relevance)
        patches = self.patches if inner else 0.0
        template, note = references_of(
            unit, bank, layers, self.references, self.choose, seed, rule, patches=patches
        )
        term: Term = obj.Alignment(template, dict(zip(layers, weights, strict=True)), scale="variance")
        if unit.is_class and self._firm(model, bank):
            term = self.lean * term + obj.Logit(unit, softmax=True)
        elif unit.is_class:
            term = term + self.unit_weight * obj.Logit(unit, softmax=True)
        else:
            term = term + self._woken(unit, bank)
        if self.tv:
            term = term + self.tv * reg.TotalVariation(2)
        return term, "; ".join(part for part in (note, why) if part)

    def _woken(self, unit: Unit, bank: ReferenceBank | None) -> Term:
        """The term for an inner unit: up to its natural value, or ever higher where that is not above 0."""
        natural = bank.natural_value(unit, self.references) if bank else 0.0
        if natural > 0:
            return self.wake * obj.Reach(unit, natural)
        return self.unit_weight * (obj.Direction(str(unit)) if unit.source else obj.Channel(unit))

    def _aligned(self, model: Model, unit: Unit) -> tuple[tuple[str, ...], tuple[float, ...]]:
        layers = self.layers or stages(model)
        if not self.layers and unit.layer == OUTPUT:
            layers = layers[-self.depth :]
        elif not self.layers:
            layers = tuple(dict.fromkeys((*before(model, unit, layers), unit.layer)))
        return layers, paired(layers, self.weights or (1.0,) * len(layers))
