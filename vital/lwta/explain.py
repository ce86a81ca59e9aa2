"""One image, explained by the units that won: winners, labels, strengths, and what they contribute to the decision."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from vital.attribution import gradients, relevance_of
from vital.errors import InvalidValueError, unknown
from vital.lwta.layers import winners
from vital.lwta.predict import layers_of
from vital.models import Model
from vital.models.scores import probabilities
from vital.tracing import INPUT_OF, Trace, Tracer, list_layers
from vital.tracing.readout import at_places
from vital.types import Images, Layer
from vital.units import OUTPUT, TOKENS, Unit
from vital.utils.drawing import to_pil
from vital.utils.options import Count, CountOrZero, Side
from vital.utils.public import door, with_doors

if TYPE_CHECKING:
    from vital.figures import Place
    from vital.figures.vector import PaperFigure

BY = ("gradient", "relevance")


@dataclass(frozen=True, eq=False)
class Winner:
    """A unit that won its block in one image.

    `share` is the share of the layer's places at which it won, `strength` its mean response there (maybe negative),
    `contribution` the sum there of what it contributes to the decision, in units of the decision's score. `where`
    (H, W) holds its responses where it won and NaN elsewhere; None where the layer has no places in the image, as at a
    class token. Of a layer of tokens it holds the patches.
    """

    unit: Unit
    block: int
    label: str
    share: float
    strength: float
    contribution: float
    where: Tensor | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        numbers = {n: round(getattr(self, n), 6) for n in ("share", "strength", "contribution")}
        where = [] if self.where is None else (~self.where.isnan()).tolist()
        places = {"places": ["".join(".#"[won] for won in row) for row in where]} if where else {}
        return {"unit": str(self.unit), "block": self.block, "label": self.label, **numbers, **places}


@with_doors
@dataclass(frozen=True, eq=False)
class Explanation:
    """What the winning units of each block contribute to one decision; it shows itself in a notebook.

    `decision` is the class that is explained, `score` its output and `probability` that of the class, None where the
    outputs have none (`vital.models.scores`). `winners` has one unit
    per block of each layer, the layers in the network's order, the largest contributions of a layer first. Those of a
    layer do not add up to the score: what goes around the layer contributes too (in a network that competes inside its
    residual blocks most of it), and so do units that won at fewer places than their block's winner, and biases.
    """

    image: Image.Image = field(repr=False)
    decision: Unit
    score: float
    probability: float | None
    by: str
    winners: tuple[Winner, ...] = field(repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, in order."""
        return tuple(dict.fromkeys(w.unit.layer for w in self.winners))

    def of(self, layer: str, count: CountOrZero | None = None) -> tuple[Winner, ...]:
        """Give the winners of one layer, the largest contributions first; all, or the first `count`."""
        return tuple(w for w in self.winners if w.unit.layer == layer)[:count]

    def table(self, count: Count = 5) -> list[tuple[str, str, str, str, str]]:
        """Unit, label, share of places, strength and contribution, for the first `count` winners of each layer."""
        chosen = [w for layer in self.layers for w in self.of(layer, count)]
        return [
            (str(w.unit), w.label, f"{w.share:.0%}", f"{w.strength:.3g}", f"{w.contribution:+.3g}")
            for w in chosen
        ]

    def text(self, count: CountOrZero = 3) -> str:
        """Say it in sentences: the decision, and the winners that contribute most in each layer."""
        odds = "" if self.probability is None else f"probability {self.probability:.1%}, "
        lines = [f"{self.decision.label or self.decision}: {odds}score {self.score:.3g}."]
        for layer in self.layers:
            own = self.of(layer, count)
            said = (f"{w.unit.index}{w.label and f' {w.label}'} ({w.contribution:+.2g})" for w in own)
            lines.append(f"{layer}: {len(self.of(layer))} blocks; largest by {self.by}: {', '.join(said)}.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with the winner of every block."""
        decided = {"decision": str(self.decision), "class": self.decision.label, "by": self.by}
        odds = None if self.probability is None else round(self.probability, 6)
        numbers = {"score": round(self.score, 6), "probability": odds}
        return {**decided, **numbers, "winners": [w.to_dict() for w in self.winners]}

    def figure(self, columns: int = 2, count: int | None = None, layers: Sequence[str] = ()) -> PaperFigure:
        """A figure for a paper, on one or two `columns` of the page: `count` winners of each layer with their places.

        By default they are as many as the page has room for, up to five. `layers` are some of its own, by default the
        last four. Raises `UnknownNameError` for another, and `InvalidValueError` for more winners than find room.
        """
        from vital.figures import explanation_figure, winners_shown

        count = winners_shown(columns, count)
        odds = "" if self.probability is None else f"probability {self.probability:.1%}"
        decision = [self.decision.label or str(self.decision), odds]
        chosen = [(name, list(map(_place, self.of(name, count)))) for name in _shown(self.layers, layers)]
        return explanation_figure(self.image, decision, chosen, columns, self.by)

    def picture(self, count: Count = 4, size: Side = 128) -> Image.Image:
        """Draw it: the image, and a row per layer with the places where its first winners won."""
        from vital.lwta.explain_figure import drawn

        return drawn(self, count, size)

    def _repr_html_(self) -> str:
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.table())
        head = "".join(f"<th>{name}</th>" for name in ("unit", "label", "places", "strength", "contribution"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<p>{html.escape(self.text(0).splitlines()[0])}</p><table><tr>{head}</tr>{body}</table>"


LAST = 4
"""How many layers a figure shows, the last ones."""


def _shown(own: Sequence[str], layers: Sequence[str]) -> Sequence[str]:
    for name in layers:
        if name not in own:
            raise unknown("layer of the explanation", name, own)
    return layers or own[-LAST:]


def _place(winner: Winner) -> Place:
    """A winner, for a figure."""
    from vital.figures import Place

    name = winner.label or f"unit {winner.unit.index}"
    won = None if winner.where is None else (~winner.where.isnan()).numpy()
    return Place(name, winner.contribution, winner.share, won, winner.unit.tokens)


@door
def explain(
    model: Model,
    image: Images,
    *,
    layers: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    decision: str | Unit | None = None,
    by: str = "gradient",
    rule: str = "zplus",
    tokens: str | None = None,
) -> Explanation:
    """Find the winning units of each block for one image (1, C, H, W) in [0, 1], and what they contribute.

    A block's winner is the unit that won at most of its places; of equal ones that with the larger sum of responses
    there. Who won is read from the competition's mask, so that no loser is ever named, also where winners are
    negative.

    `layers` are some that compete (all by default), in any order; `labels` maps units to words, as `vital describe`
    writes them. `decision` is the class to explain, by default the one that the network decides for. `by` says what a
    contribution is: "gradient", response times the gradient of the decision's score, which is exact after the last
    competition, or "relevance" by `rule` (`vital.attribution`). In layers of tokens `tokens` is cls, patches or all: by
    default the class token where there is one, else all.

    Raises `ModelError` for a network without competing layers, `UnknownNameError` for a layer that is none of them, and
    `InvalidValueError`.

    >>> from torch import nn; from vital.lwta import LWTAConv2d
    >>> net = nn.Sequential(LWTAConv2d(3, 8, 3, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    >>> found = explain(Model(net, size=(8, 8), classes=("cat", "dog")), torch.rand(1, 3, 8, 8))
    >>> [w.block for w in sorted(found.winners, key=lambda w: w.block)]
    [0, 1]
    """
    if by not in BY:
        raise InvalidValueError(f"contributions by {by!r} are asked for; allowed are {' and '.join(BY)}")
    if len(image) != 1:
        raise InvalidValueError(f"{len(image)} images are given; one is explained at a time")
    if decision is not None:
        asked = model.units(decision)
        if len(asked) != 1 or not asked[0].is_class:
            raise InvalidValueError(f"the decision is {decision}; allowed is one class, such as {OUTPUT}:0")
        decision = asked[0]
    chosen = _chosen(model, layers)
    watched = [*(f"{INPUT_OF}{name}" for name in chosen), *chosen, OUTPUT]
    with torch.enable_grad(), Tracer(model, watched, record=by == "relevance") as tracer:
        trace = tracer(image.detach().to(model.device, model.image_dtype).requires_grad_())
        scores = trace[OUTPUT].detach()[0]
        unit = model.unit(decision or Unit(OUTPUT, int(scores.argmax())))
        shares = (
            relevance_of(trace, unit, chosen, rule)
            if by == "relevance"
            else gradients.gradient_times_activation_of(trace, unit, chosen)
        )
    found = [w for name in chosen for w in _winners(trace, name, shares[name], labels or {}, tokens)]
    picture, odds = (
        to_pil(image[0].detach().float().cpu(), model.bands),
        probabilities(model, scores[None].float()),
    )
    likely = None if odds is None else float(odds[0, unit.channel])
    return Explanation(picture, unit, float(scores[unit.channel]), likely, by, tuple(found))


def _chosen(model: Model, layers: Sequence[str] | None) -> tuple[str, ...]:
    """The layers to explain by, each once, in the order in which the network calls them."""
    order = list_layers(model)
    known = [name for name in layers_of(model) if name in order]  # a layer may never be called
    for name in layers or ():
        if name not in known:
            raise unknown("competing layer", name, known)
    return tuple(sorted(set(layers or known), key=lambda name: order[name].order))


def _winners(
    trace: Trace, name: str, contributed: Tensor, labels: Mapping[str, str], tokens: str | None
) -> list[Winner]:
    """Find the winner of every block of one layer, the largest contribution first."""
    layer, competition = list_layers(trace.model)[name], trace.model.module.get_submodule(name)
    responses = trace[f"{INPUT_OF}{name}"].detach()
    width = int(competition.competitors)  # type: ignore[arg-type]  # layers_of names competitions alone
    mask = winners(responses, width)
    channel = Unit(name, 0, tokens=_kind(layer, tokens), layout=layer)
    won, x, r = (at_places(channel, t.detach(), 2)[0].cpu() for t in (mask, responses, contributed))
    count = won.sum(1).view(-1, width)
    total = (x * won).sum(1).view(-1, width)
    first = count == count.amax(1, keepdim=True)
    best = total.masked_fill(~first, -torch.inf).argmax(1) + torch.arange(len(count)) * width
    found, sides = [], _sides(trace.model, layer, channel.tokens, tuple(responses.shape[2:]))
    for block, index in enumerate(best.tolist()):
        own, unit = won[index], replace(channel, index=index)
        placed = x[index].masked_fill(~own, torch.nan)
        where = placed[-sides[0] * sides[1] :].view(sides) if sides else None
        numbers = (float(own.float().mean()), float(x[index][own].mean()), float(r[index][own].sum()))
        found.append(Winner(unit, block, labels.get(str(unit), ""), *numbers, where))
    return sorted(found, key=lambda w: -abs(w.contribution))


def _sides(model: Model, layer: Layer, tokens: str, places: tuple[int, ...]) -> tuple[int, ...]:
    """Rows and columns of a layer's places in the image; empty where it has none. Of tokens those are the patches."""
    if len(places) == 2 or not places or tokens == "cls":
        return places if len(places) == 2 else ()
    patches = places[0] - layer.prefix
    rows = round((patches * model.size[0] / model.size[1]) ** 0.5)
    return (rows, patches // rows) if rows and patches > 1 and patches % rows == 0 else ()


def _kind(layer: Layer, tokens: str | None) -> str:
    """Which tokens a layer of them is read at; "" for other layers."""
    if tokens not in (None, *TOKENS):
        raise InvalidValueError(f"tokens is {tokens!r}; allowed are cls, patches and all")
    if layer.kind != "tokens":
        return ""
    if tokens == "cls" and not layer.prefix:
        raise InvalidValueError(
            "tokens is 'cls', but the layer has no class token; allowed are patches and all"
        )
    return tokens or ("cls" if layer.prefix else "all")
