"""What sheets are drawn with: pictures of one width, lines of text that fit, titled tiles, and PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from vital.errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT, PAPER = (20, 20, 20), (150, 150, 150), "white"
GAP = 8
TILE, TEXT = 128, 11
"""The least width of a tile with a title, and the least height of its letters, in pixels."""


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def scaled(picture: Image.Image, width: int) -> Image.Image:
    """A picture in RGB at a width, with its proportions."""
    height = max(1, round(width * picture.height / picture.width))
    shown = picture.convert("RGB")
    return shown if shown.size == (width, height) else shown.resize((width, height), Image.Resampling.BICUBIC)


def fitted(text: str, width: int, size: int) -> str:
    """The text, with its middle left out where it is wider than `width` pixels.

    >>> fitted("layer4:162", 200, 14), len(fitted("a/very/long/path.safetensors:3@layer4", 100, 14)) < 20
    ('layer4:162', True)
    """
    letters = font(size)
    shown, keep = text, len(text)
    while letters.getlength(shown) > width and keep > 2:
        keep -= 1
        shown = text[: keep // 2] + "…" + text[-(keep - keep // 2) :]
    return shown


def write_centred(draw: ImageDraw.ImageDraw, text: str, middle: int, top: int, width: int, size: int) -> None:
    """Write one line in the middle of a column."""
    shown = fitted(text, width, size)
    left = middle - font(size).getlength(shown) / 2
    draw.text((round(left), top), shown, fill=INK, font=font(size))


def titled_sheet(
    pictures: Sequence[Image.Image],
    titles: Sequence[Sequence[str]],
    columns: int = 8,
    size: int | None = None,
) -> Image.Image:
    """Pictures in a grid, each with the lines of its title below it.

    A tile is `size` pixels wide, or as wide as the widest picture, and at least 128, so that a title fits; smaller
    pictures are enlarged. Equal pictures and titles, equal bytes.

    >>> titled_sheet([Image.new("RGB", (16, 16))], [["layer4:162"]]).width
    144
    """
    if not pictures:
        return Image.new("RGB", (1, 1), PAPER)
    width = max(TILE, size or max(picture.width for picture in pictures))
    text = max(TEXT, width // 14)
    tiles = [scaled(picture, width) for picture in pictures]
    tall, line = max(tile.height for tile in tiles), text + text // 3
    step = tall + max(map(len, titles)) * line + GAP
    columns = max(1, min(columns, len(tiles)))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * step + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (tile, lines) in enumerate(zip(tiles, titles, strict=True)):
        left, top = GAP + i % columns * (width + GAP), GAP + i // columns * step
        sheet.paste(tile, (left, top))
        for row, words in enumerate(lines):
            write_centred(draw, words, left + width // 2, top + tall + row * line, width, text)
    return sheet


def titled_figure(
    pictures: Sequence[Image.Image], titles: Sequence[Sequence[str]], columns: int = 8, inches: float = 1.6
) -> Figure:
    """Pictures in a grid as a figure of matplotlib, each with its title above it, `inches` wide.

    Raises `MissingDependencyError` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "report", "figures") from error
    columns = max(1, min(columns, len(pictures)))
    rows = -(-len(pictures) // columns)
    lines = max(map(len, titles), default=0)
    figure = Figure(figsize=(columns * inches, max(1, rows) * (inches + 0.15 * lines)), layout="constrained")
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(picture.convert("RGB"))
        axes.set_title("\n".join(title), fontsize="x-small", parse_math=False)
        axes.set_axis_off()
    return figure


def png(picture: Image.Image) -> bytes:
    """A picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
