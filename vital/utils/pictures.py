"""Files of pictures, opened with care: they may come from anywhere, and be anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from stat import S_ISREG

from PIL import Image

from vital.utils.file_kinds import check_file

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is read, whatever the name of a file says. Pillow knows more, and hands some of it to other programs."""
MOST_PIXELS = 2**26
"""The most pixels of a picture: as many take 2.4 GB on their way to a network."""


@contextmanager
def opened_picture(source: str | Path | BytesIO) -> Iterator[Image.Image]:
    """Open a picture, whose pixels are not read yet.

    Raises `OSError` for what is no file and for more pixels than `MOST_PIXELS`;
    decoders raise errors of many types for what is damaged.
    """
    if not isinstance(source, BytesIO):
        check_file(source)
    with Image.open(source, formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            most = f"{MOST_PIXELS / 1e6:.0f} million"
            raise OSError(f"it has {width} x {height} pixels; allowed are {most}, so make it smaller")
        yield picture


ENDS = {".png": b"IEND\xaeB`\x82", ".gif": b";"}
"""What files of some kinds end with."""


def is_whole(path: Path) -> bool:
    """Whether there is a file that was written to its end, as far as its kind tells.

    A disk that failed leaves empty files, and files that were cut off.
    """
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode) or not found.st_size:
            return False
        end = ENDS.get(path.suffix, b"")
        with path.open("rb") as file:
            file.seek(max(0, found.st_size - len(end)))
            return file.read(len(end)) == end
    except OSError:
        return False
