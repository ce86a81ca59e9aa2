"""Circuits: which units of earlier layers feed a unit, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vital.attribution.composites import Relevance
from vital.attribution.conditions import only_of
from vital.attribution.propagation import propagate
from vital.attribution.start import start_at
from vital.errors import InvalidValueError
from vital.models import Model
from vital.tracing import Tracer, list_layers
from vital.types import Images
from vital.units import Unit, find_layer
from vital.utils.options import Count
from vital.utils.public import door


@dataclass(frozen=True)
class Feeder:
    """A unit of an earlier layer, and its share of the relevance of the unit that it feeds."""

    unit: Unit
    share: float

    @property
    def status(self) -> Literal["done", "no relevance"]:
        """Whether relevance above 0 arrives at it."""
        return "done" if self.share > 0 else "no relevance"


@dataclass(frozen=True)
class Edge:
    """A unit, one that feeds it, and the share of the relevance that passes through the unit which arrives there."""

    unit: Unit
    feeder: Unit
    share: float


@dataclass(frozen=True)
class AttributionGraph:
    """A unit and, level by level, those that feed it: what `attribution_graph` finds.

    `levels` holds the units of each layer with their shares of the unit's whole relevance, largest first, and `edges`
    what joins each of them to those of the level above, the unit itself above the first.
    """

    unit: Unit
    levels: tuple[tuple[Feeder, ...], ...]
    edges: tuple[Edge, ...]

    @property
    def units(self) -> list[Unit]:
        """All units: the one at the top, then level by level."""
        return [self.unit, *(feeder.unit for level in self.levels for feeder in level)]


def feeders(
    model: Model,
    unit: str | Unit,
    layer: str,
    images: Images,
    count: Count = 4,
    *,
    rule: str | Relevance = "zplus",
    batch: Count = 8,
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
    return list(attribution_graph(model, unit, [layer], images, count, rule=rule, batch=batch).levels[0])


@door
def attribution_graph(
    model: Model,
    unit: str | Unit,
    layers: Sequence[str],
    images: Images,
    count: Count = 4,
    *,
    rule: str | Relevance = "zplus",
    batch: Count = 8,
) -> AttributionGraph:
    """The units of several layers, from later to earlier, that feed a unit, and how much each feeds which.

    Formula: share of an edge from u to c = Σ_k Σ_p r_{k,c,p} / Σ_k Σ_q r_{k,u,q}, where r_{k,c,p} passed through u
    Source: attribution graphs of conditional relevance, Achtibat et al. 2023, as for `feeders`

    Of each unit of a level the `count` units of the next layer are kept that get most of the relevance that passes
    through it (see `vital.attribution.propagate`). An edge does not depend on what else is kept. A unit at which no
    relevance above 0 arrives has no feeders.

    Raises what `feeders` raises, and `InvalidValueError` for no layers or one that is named twice.

    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 1) for _ in range(3)))
    >>> _ = [weights.data.abs_() for weights in net.parameters()]
    >>> graph = attribution_graph(Model(net, size=(8, 8)), "2:0", ["1", "0"], torch.rand(2, 3, 8, 8), 2)
    >>> [len(level) for level in graph.levels], len(graph.edges)
    ([2, 2], 6)
    """
    unit, layers = model.unit(unit), [layers] if isinstance(layers, str) else list(layers)
    kinds = [find_layer(layer, list_layers(model)).kind for layer in layers]
    if not layers or len(set(layers)) < len(layers):
        raise InvalidValueError(f"the layers are {layers}; name each once, from later to earlier")
    if unit.layer in layers:
        raise InvalidValueError(f"the layer {unit.layer!r} is that of {unit}; name layers before it")
    if not len(images):
        raise InvalidValueError("there are no images; give those that the unit responds to")
    levels: list[tuple[Feeder, ...]] = []
    edges: list[Edge] = []
    above = [unit]
    for layer, kind in zip(layers, kinds, strict=True):
        whole, through = _channel_shares(model, unit, above if levels else [], layer, images, rule, batch)
        if not levels:
            through = [whole]
        tokens, kept = "all" if kind == "tokens" else "", dict[int, None]()
        for each, shares in zip(above, through, strict=True):
            best = shares.sort(descending=True, stable=True).indices[:count].tolist()
            kept.update(dict.fromkeys(best))
            edges += [Edge(each, Unit(layer, c, tokens=tokens), float(shares[c])) for c in best]
        order = sorted(sorted(kept), key=lambda c: -float(whole[c]))
        levels.append(tuple(Feeder(Unit(layer, c, tokens=tokens), float(whole[c])) for c in order))
        above = [model.unit(feeder.unit) for feeder in levels[-1] if feeder.share > 0]
    return AttributionGraph(unit, tuple(levels), tuple(edges))


@torch.no_grad()
def _channel_shares(
    model: Model,
    unit: Unit,
    above: Sequence[Unit],
    layer: str,
    images: Images,
    rule: str | Relevance,
    batch: int,
) -> tuple[Tensor, list[Tensor]]:
    """The share of every channel of a layer, (C,), of the unit's relevance, and of what passes through others above."""
    between = [above[0].layer] if above else []
    start = torch.zeros((), dtype=torch.float64)
    arrived = [torch.zeros((), dtype=torch.float64) for _ in above]
    totals = [torch.zeros((), dtype=torch.float64) for _ in range(1 + len(above))]
    with Tracer(model, [unit.layer, *between, layer], record=True) as tracer:
        for part in torch.split(images, batch):
            trace = tracer(part.to(model.device, model.image_dtype))
            starts = {unit.layer: start_at(trace, unit)}
            start += starts[unit.layer].double().sum().cpu()
            own = propagate(trace, starts, [*between, layer], rule)
            for i, each in enumerate(above):
                arrived[i] += only_of([each], own[each.layer]).double().sum().cpu()
            for i, passed in enumerate([[], *([each] for each in above)]):
                r = (
                    propagate(trace, starts, [layer], rule, conditions=passed)[layer]
                    if passed
                    else own[layer]
                )
                totals[i] = totals[i] + r.double().reshape(*r.shape[:2], -1).sum((0, 2)).cpu()
    if not float(start) > 0:
        raise InvalidValueError(
            f"the relevance of {unit} over these {len(images)} images is {float(start):.3g}, of which there are no "
            f"shares; give images that it responds to"
        )
    return totals[0] / start, [total / passed for total, passed in zip(totals[1:], arrived, strict=True)]
