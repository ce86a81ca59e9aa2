"""A small circuit as a picture: a unit, and below it the units of an earlier layer that feed it most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw

from vital.activations import ReferenceBank
from vital.attribution import Feeder, Relevance, feeders
from vital.errors import InvalidValueError
from vital.models import Model
from vital.records import Prototypes
from vital.rendering.api import render
from vital.units import Unit
from vital.utils.drawing import FAINT, GAP, PAPER, scaled, write_centered
from vital.utils.io import as_png


@dataclass(frozen=True, eq=False)
class Circuit:
    """A unit, the units that feed it with their shares, and a prototype of each, the unit's own first.

    It shows itself in a notebook.
    """

    unit: Unit
    feeders: tuple[Feeder, ...]
    prototypes: Prototypes = field(repr=False)

    def to_grid(self, size: int = 160) -> Image.Image:
        """One picture: the unit above, its feeders below with their shares; `size` is the width of a prototype."""
        return circuit_sheet(self.prototypes, self.feeders, size)

    def _repr_png_(self) -> bytes:
        return as_png(self.to_grid())


def circuit(
    model: Model,
    unit: str | Unit,
    layer: str,
    *,
    bank: ReferenceBank,
    count: int = 4,
    n_exemplars: int = 8,
    rule: str | Relevance = "zplus",
    **options: Any,
) -> Circuit:
    """Find the `count` units of `layer` that feed a unit most, and render it and them.

    The shares are those of `vital.attribution.feeders` over the unit's `n_exemplars` strongest images in the bank;
    `options` are those of `vital.render`, such as `method` and `steps`. The bank must have been made for the unit's
    layer and, where the method needs references, for `layer`.

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
    unit = model.unit(unit)
    seen = bank.tensor(bank.strongest(unit, n_exemplars))
    found = feeders(model, unit, layer, seen, count, rule=rule)
    made = render(model, [unit, *(feeder.unit for feeder in found)], bank=bank, **options)
    return Circuit(unit, tuple(found), made)


def circuit_sheet(prototypes: Prototypes, found: Sequence[Feeder], size: int = 160) -> Image.Image:
    """Draw a circuit: the first prototype above, the others below with their shares, the thicker the line the larger.

    Raises `InvalidValueError` where there is not one prototype for the unit and one for each feeder.
    """
    if len(prototypes) != len(found) + 1 or not found:
        raise InvalidValueError(
            f"there are {len(prototypes)} prototypes for a unit and {len(found)} feeders; give one of each"
        )
    text = max(10, size // 11)
    pictures = [scaled(prototype.to_pil(), size) for prototype in prototypes]
    tall, width = max(p.height for p in pictures), GAP + len(found) * (size + GAP)
    top, fan = GAP + text + GAP, size // 2
    below = top + tall + fan
    sheet = Image.new("RGB", (width, below + tall + 2 * (text + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    write_centered(draw, prototypes[0].unit.title, width // 2, GAP // 2, width - 2 * GAP, text)
    for i, feeder in enumerate(found):
        middle = GAP + i * (size + GAP) + size // 2
        thick = max(1, round(size / 8 * max(0.0, feeder.share)))
        draw.line([(width // 2, top + tall), (middle, below)], fill=FAINT, width=thick)
        sheet.paste(pictures[i + 1], (middle - size // 2, below))
        write_centered(draw, feeder.unit.title, middle, below + tall + GAP // 2, size, text)
        share = f"{100 * feeder.share:.1f} %"
        write_centered(draw, share, middle, below + tall + text + GAP, size, text)
    sheet.paste(pictures[0], (width // 2 - size // 2, top))
    return sheet
