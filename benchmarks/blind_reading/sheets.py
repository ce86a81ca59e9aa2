"""Numbered sheets of pictures, and their key, which is sealed."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.blind_reading.pictures import Record
from vital.errors import RunError
from vital.utils.drawing import GAP, INK, font, scaled, write_centered
from vital.utils.io import explained, read_json

UNSEEN = "?"
COLUMNS, MOST, SIDE, LINE, TEXT = 6, 24, 192, 24, 16


def sheets(
    pictures: Sequence[Image.Image], asked: Mapping[str, Sequence[str]], side: int
) -> list[Image.Image]:
    """Numbered sheets of up to 24 pictures, `side` pixels wide, with the allowed answers at the bottom."""
    starts = range(0, len(pictures), MOST)
    return [sheet(pictures[first : first + MOST], first + 1, asked, side) for first in starts]


def corner(place: int, side: int) -> tuple[int, int]:
    """Where a picture of a sheet begins: left and top."""
    row, column = divmod(place, COLUMNS)
    return GAP + column * (side + GAP), GAP + row * (side + LINE + GAP)


def sheet(
    pictures: Sequence[Image.Image], first: int, asked: Mapping[str, Sequence[str]], side: int
) -> Image.Image:
    """One sheet; its first picture has the number `first`."""
    width = COLUMNS * (side + GAP) + GAP
    lines = answers_line(asked, width - 2 * GAP)
    bottom = corner(COLUMNS * math.ceil(len(pictures) / COLUMNS), side)[1]
    page = Image.new("RGB", (width, bottom + LINE * len(lines) + GAP), "white")
    draw = ImageDraw.Draw(page)
    for place, picture in enumerate(pictures):
        left, top = corner(place, side)
        page.paste(in_square(picture, side), (left, top))
        write_centered(draw, str(first + place), left + side // 2, top + side + 2, side, TEXT)
    for row, line in enumerate(lines):
        draw.text((GAP, bottom + row * LINE), line, fill=INK, font=font(TEXT))
    return page


def in_square(picture: Image.Image, side: int) -> Image.Image:
    """A picture scaled, with its proportions, to fit into a white square."""
    wide = min(side, max(1, round(side * picture.width / picture.height)))
    shown = scaled(picture, wide)
    square = Image.new("RGB", (side, side), "white")
    square.paste(shown, ((side - shown.width) // 2, (side - shown.height) // 2))
    return square


def answers_line(asked: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """The allowed answers, in lines of up to `width` pixels."""
    lines = []
    for column, words in asked.items():
        line = f"{column}: {words[0]}"
        for word in words[1:]:
            if font(TEXT).getlength(f"{line}, {word},") > width:
                lines.append(f"{line},")
                line = f"    {word}"
            else:
                line += f", {word}"
        lines.append(line)
    return [*lines, f"{UNSEEN} where nothing is recognized"]


def sheet_files(folder: Path) -> list[Path]:
    """All sheets of a folder, by number."""
    return sorted(folder.glob("sheet-*.png"), key=lambda file: (len(file.name), file.name))


def digest(folder: Path) -> str:
    """What tells the sheets of a folder from others."""
    found = hashlib.sha256()
    with explained(folder, "read"):
        for file in sheet_files(folder):
            found.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()} ".encode())
    return found.hexdigest()


def seal(content: Mapping[str, Any], sheets_digest: str, asked_for: str) -> Record:
    """Put a key out of sight: nobody reads it by accident, and what was changed is found."""
    text = json.dumps(content).encode()  # the order of the columns is that of the answers
    return {
        "note": "This is the key of a blind reading. Leave it sealed until the answers are scored.",
        "sealed": base64.b64encode(zlib.compress(text, 9)).decode(),
        "sha256": hashlib.sha256(text).hexdigest(),
        "sheets": sheets_digest,
        "settings": asked_for,
    }


def unseal(folder: Path) -> tuple[Record, str]:
    """Open the key of a set: what it holds, and its name. Raises `RunError` where it or the sheets were changed."""
    file = folder / "key.json"
    key = read_json(file)
    try:
        text = zlib.decompress(base64.b64decode(key["sealed"], validate=True))
        fits = hashlib.sha256(text).hexdigest() == key["sha256"]
    except (KeyError, TypeError, ValueError, zlib.error):
        fits = False
    if not fits:
        raise RunError(
            f"{str(file)!r} is no key as this benchmark seals it, or was changed; make the set again"
        )
    if digest(folder) != key.get("sheets"):
        raise RunError(f"the sheets in {str(folder)!r} are not those of its key; make the set again")
    return json.loads(text), key["sha256"]
