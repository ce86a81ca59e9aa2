"""The picture of an explanation: the image, and where in it the winning units won."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from vital.lwta.explain import Explanation, Winner
from vital.utils.drawing import FAINT, GAP, INK, PAPER, fitted, font, scaled

LINE = 15
"""Pixels from one line of small text to the next."""

FOR, AGAINST = (30, 110, 180), (190, 80, 40)
"""Colors of contributions above and below 0."""


def drawn(found: Explanation, count: int, size: int) -> Image.Image:
    """Draw the image on the left, and one row per layer: its first `count` winners, each `size` pixels wide."""
    image = scaled(found.image, size)
    cell = image.height + 3 * LINE + GAP
    left = size + 3 * GAP
    sheet = Image.new(
        "RGB", (left + count * (size + GAP), len(found.layers) * (cell + LINE) + 2 * GAP), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    odds = "" if found.probability is None else f"{found.probability:.1%}"
    sheet.paste(image, (GAP, GAP + LINE))
    for row, text in enumerate((found.decision.label or str(found.decision), odds)):
        draw.text(
            (GAP, image.height + (row + 2) * LINE), fitted(text, size + GAP, 13), fill=INK, font=font(13)
        )
    most = max((abs(w.contribution) for w in found.winners), default=0.0)
    for row, layer in enumerate(found.layers):
        top = GAP + row * (cell + LINE)
        draw.text((left, top), layer, fill=FAINT, font=font(12))
        for column, winner in enumerate(found.of(layer, count)):
            _cell(sheet, image, winner, (left + column * (size + GAP), top + LINE), most)
    return sheet


def _cell(
    sheet: Image.Image, image: Image.Image, winner: Winner, corner: tuple[int, int], most: float
) -> None:
    """Draw one winner: where it won, its words, its strength and a bar as long as its contribution."""
    (x, y), draw, width = corner, ImageDraw.Draw(sheet), image.width
    sheet.paste(image if winner.where is None else lit(image, winner.where), corner)
    y += image.height + 2
    name = winner.label or f"unit {winner.unit.index}"
    draw.text((x, y), fitted(name, width, 12), fill=INK, font=font(12))
    said = f"{winner.unit.index}: {winner.strength:.2g} at {winner.share:.0%}"
    draw.text((x, y + LINE), fitted(said, width, 11), fill=FAINT, font=font(11))
    length = round(width * abs(winner.contribution) / most) if most else 0
    color = FOR if winner.contribution >= 0 else AGAINST
    draw.rectangle((x, y + 2 * LINE, x + max(1, length), y + 2 * LINE + 5), fill=color)


def lit(image: Image.Image, where: Tensor) -> Image.Image:
    """Darken an image where a unit did not win; `where` (H, W) is NaN there.

    >>> dark = lit(Image.new("RGB", (4, 4), "white"), torch.tensor([[1.0, torch.nan]]))
    >>> dark.getpixel((0, 0)), dark.getpixel((3, 0))
    ((255, 255, 255), (63, 63, 63))
    """
    won = Image.fromarray((~where.isnan()).to(torch.uint8).mul(255).numpy())
    mask = won.resize(image.size, Image.Resampling.NEAREST)
    return Image.composite(image, image.point(lambda v: v // 4), mask)
