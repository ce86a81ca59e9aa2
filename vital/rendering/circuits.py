"""A small circuit as a picture: a unit, and below it, layer by layer, the units that feed it most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from vital.activations import ReferenceBank
from vital.attribution import AttributionGraph, Feeder, Relevance, attribution_graph
from vital.errors import InvalidValueError
from vital.models import Model
from vital.records import Prototypes, failed, lines_of
from vital.rendering.api import render
from vital.units import Unit
from vital.utils.drawing import FAINT, GAP, PAPER, scaled, write_centered
from vital.utils.io import as_png
from vital.utils.options import Count, Side
from vital.utils.public import door, with_doors

if TYPE_CHECKING:
    from vital.figures.vector import PaperFigure


@with_doors
@dataclass(frozen=True, eq=False)
class Circuit:
    """A unit, the units that feed it with their shares, and a prototype of each, in the order of `graph.units`.

    It shows itself in a notebook.
    """

    graph: AttributionGraph
    prototypes: Prototypes = field(repr=False)

    @property
    def unit(self) -> Unit:
        """The unit at the top."""
        return self.graph.unit

    @property
    def feeders(self) -> tuple[Feeder, ...]:
        """The units of the first layer below it."""
        return self.graph.levels[0]

    def to_grid(self, size: Side = 160) -> Image.Image:
        """One picture: the unit above, its feeders below with their shares; `size` is the width of a prototype."""
        return circuit_sheet(self.prototypes, self.graph, size)

    def figure(self, columns: int = 2) -> PaperFigure:
        """A figure for a paper, on one or two `columns` of the page."""
        from vital.figures import Node, circuit_figure

        shown = {p.unit: failed(p) or p.to_pil() for p in self.prototypes}
        levels = [[Node(str(self.unit), lines_of(self.unit), shown[self.unit])]]
        levels += [
            [Node(str(f.unit), lines_of(f.unit), shown[f.unit], f.share) for f in level]
            for level in self.graph.levels
            if level
        ]
        edges = [(str(edge.unit), str(edge.feeder), edge.share) for edge in self.graph.edges]
        return circuit_figure(levels, edges, columns)

    def _repr_png_(self) -> bytes:
        return as_png(self.to_grid())


@door
def circuit(
    model: Model,
    unit: str | Unit,
    layers: str | Sequence[str],
    *,
    bank: ReferenceBank,
    count: Count = 4,
    n_exemplars: Count = 8,
    rule: str | Relevance = "zplus",
    **options: Any,
) -> Circuit:
    """Find the `count` units of a layer that feed a unit most, and render it and them.

    Of several layers, from later to earlier, each unit of one has the `count` units of the next that feed it most
    below it. The shares are those of `vital.attribution.attribution_graph` over the unit's `n_exemplars` strongest
    images in the bank; `options` are those of `vital.render`, such as `method` and `steps`. The bank must have been
    made for the unit's layer and, where the method needs references, for `layers`.

    >>> import torch, vital; from vital.models import Model
    >>> net = Model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3),
    ...                                 torch.nn.ReLU()), size=(16, 16))
    >>> torch.nn.init.ones_(net.module[2].weight).ndim
    4
    >>> bank = vital.build_bank(net, ["3"], vital.load_images(torch.rand(4, 3, 16, 16)), disk=False)
    >>> made = circuit(net, "3:0", "1", bank=bank, count=2, method="fourier", steps=1, progress=False)
    >>> len(made.feeders), [str(p.unit) for p in made.prototypes][0]
    (2, '3:0')
    """
    unit, below = model.unit(unit), [layers] if isinstance(layers, str) else layers
    seen = bank.tensor(bank.strongest(unit, n_exemplars))
    graph = attribution_graph(model, unit, below, seen, count, rule=rule)
    return Circuit(graph, render(model, graph.units, bank=bank, **options))


@door
def circuit_sheet(prototypes: Prototypes, graph: AttributionGraph, size: Side = 160) -> Image.Image:
    """Draw a circuit: the unit above, below it the levels with their shares; the larger the share the thicker the line.

    `prototypes` are in the order of `graph.units`. Raises `InvalidValueError` where there is not one for each unit.
    """
    units, levels = graph.units, [[Feeder(graph.unit, 1.0)], *(level for level in graph.levels if level)]
    if len(prototypes) != len(units) or len(units) == 1:
        raise InvalidValueError(
            f"there are {len(prototypes)} prototypes for a unit and {len(units) - 1} feeders; give one of each"
        )
    text = max(10, size // 11)
    pictures = {unit: scaled(p.to_pil(), size) for unit, p in zip(units, prototypes, strict=True)}
    tall, width = max(p.height for p in pictures.values()), GAP + max(map(len, levels)) * (size + GAP)
    below = 2 * (text + GAP)  # two lines of text stand below a picture, but above the first
    row, first = tall + below + size // 2, GAP + text + GAP
    middles, tops = dict[Unit, int](), dict[Unit, int]()
    for depth, level in enumerate(levels):
        left = (width - GAP - len(level) * (size + GAP)) // 2 + GAP + size // 2
        middles.update({feeder.unit: left + i * (size + GAP) for i, feeder in enumerate(level)})
        tops.update({feeder.unit: first + depth * row - (below if depth else 0) for feeder in level})
    sheet = Image.new("RGB", (width, max(tops.values()) + tall + below + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for edge in graph.edges:
        thick = max(1, round(size / 8 * max(0.0, edge.share)))
        start = tops[edge.unit] + tall + (0 if edge.unit == graph.unit else below)
        ends = [(middles[edge.unit], start), (middles[edge.feeder], tops[edge.feeder])]
        draw.line(ends, fill=FAINT, width=thick)
    for unit, picture in pictures.items():
        sheet.paste(picture, (middles[unit] - size // 2, tops[unit]))
    write_centered(draw, prototypes[0].unit.title, middles[graph.unit], GAP // 2, width - 2 * GAP, text)
    for feeder in (feeder for level in levels[1:] for feeder in level):
        middle, end = middles[feeder.unit], tops[feeder.unit] + tall
        write_centered(draw, feeder.unit.title, middle, end + GAP // 2, size, text)
        write_centered(draw, f"{100 * feeder.share:.1f} %", middle, end + text + GAP, size, text)
    return sheet
