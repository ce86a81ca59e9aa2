"""Draw the picture of the README: six units of the built-in world, their images, pictures and words.

    python docs/poster.py [FILE]

Rows: the images that excite each unit most; what `vital` shows; what `fourier`, the activation alone, shows; the word.
The encoder is the world's own. Minutes on a small machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

import vital
from vital.utils.drawing import INK, PAPER, contact_sheet, font, scaled, to_pil, write_centered
from vital.world.scenes.dataset import images

UNITS = (
    "class:striped torus",
    "class:metal star",
    "class:checkered cube",
    "layer3:32",
    "layer4:52",
    "planted:2",
)
METHODS = ("vital", "fourier")
TILE, GAP, LEFT, LINE = 148, 6, 104, 26


def rows(model: vital.Model) -> tuple[list[list[Image.Image]], list[str]]:
    """A row of pictures for the images and for each method, and the words."""
    bank = vital.build_bank(model, sorted({unit.layer for unit in model.units(UNITS)}), images(512))
    strongest = [[to_pil(image) for image in bank.tensor(bank.strongest(unit, 4))] for unit in UNITS]
    made = [[contact_sheet(four, columns=2, size=96) for four in strongest]]
    for method in METHODS:
        found = vital.render(model, UNITS, method=method, bank=bank, steps=192)
        made.append([prototype.to_pil() for prototype in found])
    said = vital.describe(
        model, UNITS, bank=bank, methods=["clip-dissect"], encoder="world", concepts="world"
    )
    return made, [description.label or "-" for description in said]


def drawn(made: list[list[Image.Image]], words: list[str]) -> Image.Image:
    """The sheet: names above, words below, what each row is at the left."""
    named = ["strongest images", *METHODS]
    step = TILE + GAP
    sheet = Image.new("RGB", (LEFT + step * len(UNITS), 2 * LINE + step * len(made)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(named):
        for line, part in enumerate(name.split()):
            top = LINE + step * row + TILE // 2 - 8 + 18 * (line - len(name.split()) / 2 + 0.5)
            draw.text((GAP, top), part, fill=INK, font=font(14))
    draw.text((GAP, LINE + step * len(made) + 2), "in words", fill=INK, font=font(14))
    for column, (unit, word) in enumerate(zip(UNITS, words, strict=True)):
        left, middle = LEFT + step * column, LEFT + step * column + TILE // 2
        write_centered(draw, unit.removeprefix("class:"), middle, 4, TILE, 14)
        write_centered(draw, word, middle, LINE + step * len(made) + 2, TILE, 14)
        for row, pictures in enumerate(made):
            sheet.paste(scaled(pictures[column], TILE), (left, LINE + step * row))
    return sheet


if __name__ == "__main__":
    place = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("units.jpg")
    drawn(*rows(vital.load_model("world"))).save(place, quality=88)
    print(f"wrote {place}")
