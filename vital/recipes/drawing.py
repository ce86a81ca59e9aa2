"""What the sheets share: pictures of one width, lines of text that fit, and PNG bytes."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

INK, FAINT, PAPER = (20, 20, 20), (150, 150, 150), "white"
GAP = 8


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


def png(picture: Image.Image) -> bytes:
    """A picture as PNG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
