"""Pictures inside the report: scaled down, encoded, and written as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image, features

from vital.reporting.records import Picture


@dataclass(frozen=True)
class Sizes:
    """How large pictures are in a report, and how many natural images a unit shows: fewer and smaller for more units.

    `originals` says whether prototypes are PNGs without loss, and their frames are there.
    """

    prototype: int
    example: int
    examples: int
    quality: int = 82
    originals: bool = False

    @classmethod
    def of(cls, units: int) -> Sizes:
        """The sizes for a number of units: a report of 1000 units is some 25 MB.

        >>> Sizes.of(8).prototype > Sizes.of(1000).prototype
        True
        """
        if units <= 32:
            return cls(512, 192, 10, originals=True)
        return cls(224, 96, 10) if units <= 128 else cls(128, 56, 5, 70)


def embed_image(picture: Image.Image, side: int, quality: int = 82, *, lossless: bool = False) -> Picture:
    """Encode a picture, at most `side` pixels wide and high, with its transparency where it has some.

    Small pictures keep their pixels; the page enlarges them. PNG with `lossless`, else WebP where Pillow has it, else
    JPEG or PNG.

    >>> embed_image(Image.new("RGB", (400, 200)), 100).width
    100
    """
    shown = picture.copy() if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    small = "WEBP" if features.check("webp") else "PNG" if shown.mode == "RGBA" else "JPEG"
    kind = "PNG" if lossless else small
    options = {} if kind == "PNG" else {"quality": quality}
    buffer = io.BytesIO()
    shown.save(buffer, kind, **options)
    return embedded(buffer.getvalue(), kind.lower(), shown.size)


def embedded(data: bytes, kind: str, size: tuple[int, int]) -> Picture:
    """A picture inside the page, of the bytes of its file."""
    return Picture(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", *size)
