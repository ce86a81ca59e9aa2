"""Small circuits: which units of an earlier layer feed a unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vital.attribution.composites import Relevance
from vital.attribution.propagation import propagate
from vital.attribution.start import start_at
from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import Tracer, list_layers
from vital.types import Images
from vital.units import Unit, find_layer


@dataclass(frozen=True)
class Feeder:
    """A unit of an earlier layer, and its share of the relevance of the unit that it feeds."""

    unit: Unit
    share: float


def feeders(
    model: Model,
    unit: str | Unit,
    layer: str,
    images: Images,
    count: int = 4,
    *,
    rule: str | Relevance = "zplus",
    batch: int = 8,
) -> list[Feeder]:
    """The `count` units of an earlier layer that feed a unit most, largest share first.

    Formula: share_c = Σ_k Σ_p r_{k,c,p} / Σ_k R_k, over images k and places p of the layer
    Source: relevance of channels, Achtibat et al., From attribution maps to human-understandable explanations, 2023

    Images (B, C, H, W) in [0, 1] are those that the unit responds to, such as its references; R_k is the relevance
    that starts at the unit (its activation, summed over its places), so that an image counts as much as it excites
    the unit. With most rules the shares of a whole layer that all ways pass through sum to 1; of a layer beside a
    shortcut, to less. Negative shares come last. Units of a token layer stand for all of its tokens.

    Raises `InvalidValueError` where the unit's relevance over the images is not above 0 and for a layer that is not
    before it, `NoRuleError` for an operation without a rule.

    >>> _ = torch.manual_seed(0)
    >>> model = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1),
    ...                                   torch.nn.ReLU()), size=(8, 8))
    >>> torch.nn.init.ones_(model.module[2].weight).shape, len(feeders(model, "3:0", "1", torch.rand(2, 3, 8, 8), 2))
    (torch.Size([2, 4, 1, 1]), 2)
    """
    unit, known = model.unit(unit), find_layer(layer, list_layers(model))
    if count < 1 or batch < 1:
        raise InvalidValueError(f"count is {count} and batch is {batch}; allowed are whole numbers from 1")
    if not len(images):
        raise InvalidValueError("there are no images; give those that the unit responds to")
    shares = channel_shares(model, unit, layer, images, rule, batch)
    best = shares.sort(descending=True, stable=True).indices[:count].tolist()
    tokens = "all" if known.kind == "tokens" else ""
    return [Feeder(Unit(layer, c, tokens=tokens), float(shares[c])) for c in best]


@torch.no_grad()
def channel_shares(
    model: Model, unit: Unit, layer: str, images: Images, rule: str | Relevance = "zplus", batch: int = 8
) -> Tensor:
    """The share of every channel of a layer, (C,): what `feeders` ranks."""
    total, start = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    with Tracer(model, [unit.layer, layer], record=True) as tracer:
        for part in torch.split(images, batch):
            trace = tracer(part.to(model.device, model.image_dtype))
            begun = start_at(trace, unit)
            r = propagate(trace, {unit.layer: begun}, [layer], rule)[layer]
            total = total + r.double().reshape(*r.shape[:2], -1).sum((0, 2)).cpu()
            start += begun.double().sum().cpu()
    if not float(start) > 0:
        raise InvalidValueError(
            f"the relevance of {unit} over these {len(images)} images is {float(start):.3g}, of which there are no "
            f"shares; give images that it responds to"
        )
    return total / start
