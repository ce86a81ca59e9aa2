"""A look at a few pictures of a set as it is opened: whether they stay what they are, and can be what is meant."""

from __future__ import annotations

import warnings
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from vital.data.imageset import ImageSet, evenly
from vital.data.sources import Array, Files, Indexable, Joined, Picture, Selected, Source
from vital.errors import DataError
from vital.utils.arrays import range_hint
from vital.utils.foreign import RAISED
from vital.utils.pictures import opened_picture

LOOKED_AT, LOOKS = 8, 24
"""How many pictures are looked at, and how often in all: a random flip escapes once in 65,000 sets."""
PLAIN = (".jpg", ".jpeg", ".webp", ".gif", ".bmp")
"""Files of 8 bits a channel, of which nothing is asked."""
SINGLE = (".jpg", ".jpeg", ".jfif", ".bmp", ".ppm", ".pgm")
"""Files of one picture."""
SAMPLES = 277
"""Where a TIFF says how many bands it has."""
DIM = 1 / 64
"""The share of white that some image reaches where its values are floats in [0, 1]."""


def check_pictures(images: ImageSet) -> None:
    """Look at a few pictures.

    Raises `DataError` for items that are no images, are out of range, or change from look to look, and warns of values
    that leave most of the range free, as 12 bits in 16 do.
    """
    highest: dict[str, float] = {}
    left: dict[str, str] = {}
    indices = evenly(len(images), LOOKED_AT)
    for index in indices:
        source, at = _leaf(images.source, index)
        if isinstance(source, Files) and (told := _left_out(source, at)):
            left.setdefault(told, images.names[index])
        try:
            picture = _look(source, at)
        except DataError as error:
            raise DataError(f"the image {images.names[index]} of {images.name}: {error}") from error
        if picture is None:
            continue
        if isinstance(source, Indexable):
            _check_item(source, at, picture, images.name, max(3, LOOKS // len(indices)))
        kind, value = _top(picture)
        highest[kind] = max(highest.get(kind, 0.0), value)
    for told, name in left.items():
        warnings.warn(f"of the images of {images.name} some {told}, such as {name}", stacklevel=3)
    for kind, value in highest.items():
        if told := _dim(kind, value):
            warnings.warn(f"the images of {images.name} {told}", stacklevel=3)


def _leaf(source: Source, index: int) -> tuple[Source, int]:
    """The source that a picture comes from, and its number there."""
    while True:
        if isinstance(source, Joined):
            source, index = source.place(index)
        elif isinstance(source, Selected):
            index = source.indices[index]
            source = source.source
        else:
            return source, index


def _left_out(source: Files, index: int) -> str:
    """What of a file is not shown: the pictures behind its first, and bands that no color stands for."""
    if PurePosixPath(source.names[index]).suffix.lower() in SINGLE:
        return ""
    try:
        with opened_picture(source.root / source.names[index]) as picture:
            pages, bands = getattr(picture, "n_frames", 1), len(picture.getbands())
            held: int = getattr(picture, "tag_v2", {}).get(SAMPLES, bands)
    except RAISED:  # it is skipped, and listed, when it is used
        return ""
    if held > bands:
        return f"hold {held} bands, of which {bands} are shown (give all as arrays, in an .npz file)"
    return "hold several pictures, of which the first is shown (save each as a file)" if pages > 1 else ""


def _look(source: Source, index: int) -> Picture | None:
    """A picture; None for one that cannot be read, or of which nothing is asked."""
    if not isinstance(source, Files | Array | Indexable):
        return None
    if isinstance(source, Files) and PurePosixPath(source.names[index]).suffix.lower() in PLAIN:
        return None
    try:
        return source.read(index)
    except DataError:
        raise
    except RAISED:  # it is skipped, and listed, when it is used
        return None


def _check_item(source: Indexable, index: int, picture: Picture, name: str, looks: int) -> None:
    first = np.asarray(picture)
    if first.dtype.kind == "f" and first.size:
        low, high = float(first.min()), float(first.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):
            hint = range_hint(low, high)
            if hint.startswith("undo"):
                hint = "leave the normalization out of its transform, the network has its own"
            raise DataError(
                f"item {index} of {name} is an image with values from {low:.4g} to {high:.4g}; floats must lie in "
                f"[0, 1]: {hint}"
            )
    for _ in range(looks - 1):
        if not np.array_equal(first, np.asarray(source.read(index))):
            raise DataError(
                f"item {index} of {name} is another image at each look, as with random augmentation; "
                "open the data set without it, such as with transform=None"
            )


def _top(picture: Picture) -> tuple[str, float]:
    """What the values of a picture are, and the highest of them."""
    if isinstance(picture, Image.Image) and picture.mode not in ("L", "LA", "RGB", "RGBA", "F"):
        values: Any = np.asarray(picture) if picture.mode.startswith("I") else np.zeros(0)
        return "uint16", float(values.max(initial=0))
    values = np.asarray(picture)
    return ("float" if values.dtype.kind == "f" else str(values.dtype)), float(values.max(initial=0))


def _dim(kind: str, highest: float) -> str:
    """What is said of images that leave most of the range free; empty for others.

    >>> _dim("uint16", 4095)
    'have 16 bits and reach 4095 at most, which is 0.0625 of white; multiply those of 12 bits by 16'
    >>> _dim("uint16", 40000), _dim("uint8", 0)
    ('', '')
    """
    if not highest:
        return ""
    if kind == "uint16" and highest < 2**14:
        bits = next(b for b in (1, 8, 10, 12, 14) if highest < 2**b)
        factor = 65535 // (2**bits - 1)
        share = f"{highest / 65535:.3g} of white; multiply those of {bits} bit{'s' * (bits > 1)} by {factor}"
        return f"have 16 bits and reach {highest:.0f} at most, which is {share}"
    if kind == "uint8" and highest <= 1:
        return "have 8 bits and reach 1 at most, which is 0.004 of white; multiply them by 255"
    if kind == "float" and highest < DIM:
        return f"reach {highest:.3g} at most where white is 1; divide by their white once"
    return ""
