"""Pictures on sheets: tensors as pictures, one width, lines of text that fit, grids with and without titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vital.errors import InvalidValueError

INK, FAINT, PAPER = (20, 20, 20), (150, 150, 150), "white"
GAP = 8
TILE, TEXT = 128, 11
"""The least width of a tile with a title, and the least height of its letters, in pixels."""
LARGEST, LONGEST = 2**28, 2**20
"""The most pixels of a sheet, and along a side of it."""


def to_pil(image: Tensor, bands: Sequence[int] = ()) -> Image.Image:
    """An image (C, H, W) in [0, 1] as PIL, rounded to 8 bits.

    `bands` are the channels that are shown as red, green and blue, or one as grey; by default the first three of three
    or more, and the first of fewer.

    >>> to_pil(torch.ones(3, 4, 4)).size
    (4, 4)
    """
    chosen = list(shown_bands(len(image), bands))
    pixels = to_array(image[chosen], np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels if len(chosen) == 3 else pixels[..., 0]))


def shown_bands(channels: int, bands: Sequence[int] = ()) -> tuple[int, ...]:
    """The channels that a picture shows: those asked for, the first three of three or more, or the first.

    >>> shown_bands(12), shown_bands(12, (3, 2, 1)), shown_bands(2)
    ((0, 1, 2), (3, 2, 1), (0,))
    """
    return tuple(bands) or ((0, 1, 2) if channels >= 3 else (0,))


def as_rgb(pictures: Tensor, bands: Sequence[int] = ()) -> Tensor:
    """Bring pictures (B, C, H, W) to three channels: grey becomes RGB, and of more the `bands` are shown.

    >>> as_rgb(torch.zeros(2, 12, 4, 4), (3, 2, 1)).shape, as_rgb(torch.zeros(2, 1, 4, 4)).shape
    (torch.Size([2, 3, 4, 4]), torch.Size([2, 3, 4, 4]))
    """
    return pictures[:, list(shown_bands(pictures.shape[1], bands))].expand(-1, 3, -1, -1)


def fits_png(channels: int) -> bool:
    """Whether a picture of so many channels is all in a PNG file: grey or RGB."""
    return channels in (1, 3)


def to_array(image: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """An image (C, H, W) as an array (H, W, C), float32 in [0, 1] unless another type is asked for; always a copy.

    Whole numbers of 8 bits run from 0 to 255.

    >>> to_array(torch.ones(3, 4, 5)).shape
    (4, 5, 3)
    """
    if copy is False:
        raise InvalidValueError("an array of a picture is a copy; allowed are copy=None and copy=True")
    pixels = image.detach().cpu().float().permute(1, 2, 0)
    if dtype is not None and np.dtype(dtype) == np.uint8:
        return (pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy().copy()
    return np.array(pixels.numpy(), np.float32 if dtype is None else dtype)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def scaled(picture: Image.Image, width: int) -> Image.Image:
    """A picture in RGB at a width, with its proportions."""
    height = height_at(picture, width)
    shown = picture.convert("RGB")
    return shown if shown.size == (width, height) else shown.resize((width, height), Image.Resampling.BICUBIC)


def height_at(picture: Image.Image, width: int) -> int:
    """The height of a picture at a width, with its proportions."""
    return max(1, round(width * picture.height / picture.width))


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


def write_centered(
    draw: ImageDraw.ImageDraw, text: str, middle: int, top: int, width: int, size: int
) -> None:
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
    tall, line = max(height_at(picture, width) for picture in pictures), text + text // 3
    step = tall + max(map(len, titles)) * line + GAP
    columns = max(1, min(columns, len(pictures)))
    rows = -(-len(pictures) // columns)
    sheet = _blank(columns * (width + GAP) + GAP, rows * step + GAP, len(pictures))
    draw = ImageDraw.Draw(sheet)
    for i, (picture, lines) in enumerate(zip(pictures, titles, strict=True)):
        left, top = GAP + i % columns * (width + GAP), GAP + i // columns * step
        sheet.paste(scaled(picture, width), (left, top))
        for row, words in enumerate(lines):
            write_centered(draw, words, left + width // 2, top + tall + row * line, width, text)
    return sheet


def _blank(width: int, height: int, count: int) -> Image.Image:
    """An empty sheet for so many pictures. Raises `InvalidValueError` where it would be too large to be looked at."""
    if width * height > LARGEST or max(width, height) > LONGEST:
        raise InvalidValueError(
            f"a sheet of {count} pictures would have {width} x {height} pixels; make it of fewer, or of smaller ones"
        )
    return Image.new("RGB", (width, height), PAPER)


def contact_sheet(pictures: Sequence[Image.Image], columns: int = 8, size: int | None = None) -> Image.Image:
    """Pictures in a grid with a thin white margin, each scaled to the first one's size or to `size`."""
    if not pictures:
        return Image.new("RGB", (1, 1), PAPER)
    width, height = pictures[0].size if size is None else (size, size)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = _blank(columns * (width + 4) + 4, rows * (height + 4) + 4, len(pictures))
    for i, picture in enumerate(pictures):
        place = (4 + i % columns * (width + 4), 4 + i // columns * (height + 4))
        shown = picture.convert("RGB")
        sheet.paste(shown if shown.size == (width, height) else shown.resize((width, height)), place)
    return sheet
