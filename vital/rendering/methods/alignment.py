"""What both forms of VITAL share: where a unit's references come from, and by which rule its relevance is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vital import regularizers as reg
from vital import transforms
from vital.activations import ReferenceBank
from vital.activations.bank import TOGETHER, Choice
from vital.activations.directions import direction_key
from vital.attribution import RULES, followable
from vital.attribution.receptive_field import receptive_field
from vital.errors import DataError, EmptyClassError, InvalidValueError, ModelError
from vital.models import Model
from vital.records import Template
from vital.rendering.methods.stages import stages
from vital.terms import GRADIENT, RelevanceRequest
from vital.tracing import Tracer, feeding, list_layers
from vital.tracing.readout import layout_of
from vital.types import Transform
from vital.units import OUTPUT, Unit
from vital.utils.options import Names
from vital.utils.random import Random, seed_of

RuleName = Annotated[str, Names(RULES, (GRADIENT,))]
"""The name of a relevance rule, or `GRADIENT`."""
BEARABLE, ALIKE = 0.98, 0.8
ANSWERED = 0.1
"""The share of its natural value that a unit must reach on patches for them to be its references."""

_FOLLOWED: WeakKeyDictionary[Model, set[tuple[str, tuple[str, ...], str]]] = WeakKeyDictionary()
_SWAYED: WeakKeyDictionary[ReferenceBank, WeakKeyDictionary[Model, dict[Transform, float]]] = (
    WeakKeyDictionary()
)
_STAGES: WeakKeyDictionary[Model, dict[str, tuple[str, ...]]] = WeakKeyDictionary()
_COLORS: WeakKeyDictionary[ReferenceBank, reg.Colors] = WeakKeyDictionary()
_ANSWERED: WeakKeyDictionary[ReferenceBank, dict[tuple[Unit, int, float, str], bool]] = WeakKeyDictionary()


def paired(layers: Sequence[str], weights: tuple[float, ...]) -> tuple[float, ...]:
    """The weights, checked to be one for each layer."""
    if len(weights) != len(layers):
        raise InvalidValueError(
            f"there are {len(weights)} weights for the {len(layers)} layers {', '.join(layers)}"
        )
    return weights


def missing_class_reason(
    unit: Unit, bank: ReferenceBank | None, count: int, selection: Choice, seed: int
) -> str:
    """Say that there are no images of a class; empty where there are."""
    try:
        if bank is not None:
            bank.references(unit, count, selection, seed)
    except EmptyClassError as error:
        return str(error)
    return ""


def upstream_layers(model: Model, unit: Unit, layers: Sequence[str]) -> tuple[str, ...]:
    """Those of the layers from which an inner unit's own is made, or its own where there is none; all for a class."""
    if unit.layer == OUTPUT:
        return tuple(layers)
    return feeding(model, unit.layer, layers) or (unit.layer,)


def stages_of(model: Model, unit: Unit) -> tuple[str, ...]:
    """The stages (`vital.rendering.stages`) that an inner unit is made from and its own layer, or all for a class.

    It is worked out once for a network and a layer.
    """
    known = _STAGES.setdefault(model, {})
    if unit.layer not in known:
        found = upstream_layers(model, unit, stages(model))
        known[unit.layer] = found if unit.layer == OUTPUT else tuple(dict.fromkeys((*found, unit.layer)))
    return known[unit.layer]


def choose_rule(model: Model, unit: Unit, layers: Sequence[str], rule: str) -> tuple[str, str]:
    """The rule by which a unit's relevance can be followed to its layers, and why it is not the one asked for."""
    if rule == GRADIENT:
        return rule, "masked by gradient × activation, which is not relevance"
    asked = (str(unit) if unit.source else unit.layer, tuple(layers), rule)
    known = _FOLLOWED.setdefault(model, set())
    if asked in known:
        return rule, ""
    grey = torch.full((1, model.channels, *model.size), 0.5)
    found, why = followable(model, RelevanceRequest(unit, tuple(layers), rule), grey)
    if not why:  # a rule that is missing may be filed yet
        known.add(asked)
    return found, why


def has_one_place(unit: Unit) -> bool:
    """Whether a unit is read at one place: in a vector, at the class token, or at a position."""
    return unit.position is not None or unit.tokens == "cls" or len(layout_of(unit).shape) == 1


def fills_a_third(model: Model, unit: Unit) -> bool:
    """Whether a place of a unit that has several sees a third of the network's input or more, both ways.

    A patch of an attending network sees all. False for all tokens together, which have no center.
    """
    if has_one_place(unit) or unit.tokens:
        return unit.tokens == "patches"
    layout = layout_of(unit)
    field = receptive_field(model, unit.layer, (layout.shape[1] // 2, layout.shape[2] // 2))
    return 3 * field.height >= model.size[0] and 3 * field.width >= model.size[1]


def natural_colors(bank: ReferenceBank, count: int = 64) -> reg.Colors:
    """The term for brightness and colors as `count` images have them that are spread over the whole bank."""
    if bank not in _COLORS:
        _COLORS[bank] = reg.Colors.of(bank.tensor(bank.images.spread(count)))
    return _COLORS[bank]


def max_noise(model: Model, bank: ReferenceBank, most: float) -> float:
    """The strongest of `most`, its half and its quarter that leaves the network's outputs what they are, else 0.

    That is, noise of this standard deviation under which they correlate with 0.98 or more (`output_correlation`). A
    network that never saw noise takes it for detail.
    """
    strengths = (most, most / 2, most / 4)
    return next(
        (s for s in strengths if output_correlation(model, bank, transforms.Noise(s)) >= BEARABLE), 0.0
    )


def bears_half_size(model: Model, bank: ReferenceBank) -> bool:
    """Whether a network recognizes images of half the size: its outputs correlate with 0.8 or more."""
    try:
        return output_correlation(model, bank, transforms.Resize(0.5)) >= ALIKE
    except ModelError:  # one that takes images of its own size alone
        return False


def output_correlation(model: Model, bank: ReferenceBank, transform: Transform, count: int = 16) -> float:
    """How far all outputs over `count` images of the bank correlate with those for the same images transformed.

    0 for a network whose output cannot be read. It is worked out once for a bank, a network and a transform.
    """
    known = _SWAYED.setdefault(bank, WeakKeyDictionary()).setdefault(model, {})
    if transform not in known:
        known[transform] = _output_correlation(model, bank, transform, count)
    return known[transform]


@torch.no_grad()
def _output_correlation(model: Model, bank: ReferenceBank, transform: Transform, count: int) -> float:
    if list_layers(model)[OUTPUT].problem:
        return 0.0
    images = bank.tensor(bank.images.spread(count)).to(model.device, model.image_dtype)
    seen = transform(images, Random([seed_of("noise", i) for i in range(len(images))], model.device))
    with Tracer(model, [OUTPUT]) as tracer:
        clean, other = (
            torch.cat([tracer(part)[OUTPUT] for part in torch.split(shown, TOGETHER)])
            for shown in (images, seen)
        )
    if clean.shape != other.shape:  # maps of another size: their means over places are compared
        clean, other = (out.flatten(2).mean(2) for out in (clean, other))
    return float(_correlation(clean.flatten(), other.flatten()))


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's correlation of two vectors, as a scalar."""
    return torch.cosine_similarity(x - x.mean(), y - y.mean(), dim=0)


def references_of(
    unit: Unit,
    bank: ReferenceBank | None,
    layers: Sequence[str],
    count: int,
    selection: Choice,
    seed: int,
    rule: str = "",
    start: str = "waking",
    patches: float = 0.0,
) -> tuple[Template, str]:
    """A unit's template, and in words where its references come from; `patches` is their share, 0 for whole images.

    Whole images also stand in for patches to which the unit does not answer (`responds_to_patches`).
    """
    if bank is None:
        raise DataError(f"{unit} cannot be rendered without reference images; give images or a bank")
    if unit.position is not None:
        unit = replace(unit, position=None)  # whose references are those of its channel
    placed = patches > 0 and bank.has_places(unit)
    deaf = placed and not responds_to_patches(unit, bank, count, patches)
    share = patches if placed and not deaf else False
    template = bank.template(
        unit, layers, count=count, selection=selection, seed=seed, rule=rule, start=start, patches=share
    )
    if share:
        if count == 1:
            return template, "a patch around the strongest place of the unit"
        return template, f"patches around the {count} strongest places of the unit, of as many images"
    note = bank.references(unit, count, selection, seed).note
    return template, f"{note}, whole, since patches of them do not excite it" if deaf else note


def responds_to_patches(unit: Unit, bank: ReferenceBank, count: int, share: float) -> bool:
    """Whether a unit's mean value on its patches is a tenth or more of that on the images that excite it most.

    A patch is a part of an image, enlarged: what responds to fine detail, or to the edge of the image, may see nothing
    in it, and a template of such patches would show the unit asleep. It is worked out once for a bank and a unit.
    """
    known = _ANSWERED.setdefault(bank, {})
    content = bank.model.weights_hash() + (direction_key("", unit) if unit.source else "")
    if (asked := (unit, count, share, content)) not in known:
        known[asked] = _responds_to_patches(unit, bank, count, share)
    return known[asked]


@torch.no_grad()
def _responds_to_patches(unit: Unit, bank: ReferenceBank, count: int, share: float) -> bool:
    natural = bank.natural_value(unit, count)
    if natural <= 0:  # a direction's may be, and a tenth of it is no bound
        return True
    with Tracer(bank.model, [unit.layer]) as tracer:
        patches = bank.patches(unit, count, share).images.to(bank.model.device, bank.model.image_dtype)
        return float(tracer(patches).read(unit).mean()) >= ANSWERED * natural
