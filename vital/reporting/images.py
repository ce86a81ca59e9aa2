"""Pictures inside the page: scaled down, encoded, and written as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image, features

from vital.reporting.records import EmbeddedImage


@dataclass(frozen=True)
class Sizes:
    """How large pictures are in a page, and how many natural images a unit shows: fewer and smaller for more units."""

    prototype: int
    example: int
    examples: int
    quality: int = 82

    @classmethod
    def of(cls, units: int) -> Sizes:
        """The sizes for a number of units: a page of 1000 units is some 25 MB.

        >>> Sizes.of(8).prototype > Sizes.of(1000).prototype
        True
        """
        if units <= 32:
            return cls(320, 144, 10)
        return cls(224, 96, 10) if units <= 128 else cls(128, 56, 5, 70)


def embed_image(picture: Image.Image, side: int, alt: str, quality: int = 82) -> EmbeddedImage:
    """Encode a picture, at most `side` pixels wide and high, with its transparency where it has some.

    Small pictures keep their pixels; the page enlarges them. WebP where Pillow has it, else JPEG or PNG.

    >>> embed_image(Image.new("RGB", (400, 200)), 100, "grey").width
    100
    """
    shown = picture.copy() if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    kind = "WEBP" if features.check("webp") else "PNG" if shown.mode == "RGBA" else "JPEG"
    options = {} if kind == "PNG" else {"quality": quality}
    buffer = io.BytesIO()
    shown.save(buffer, kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode()
    return EmbeddedImage(f"data:image/{kind.lower()};base64,{data}", shown.width, shown.height, alt)
