"""The page: widths of columns, sizes of letters, colors that everyone tells apart, and texts that fit.

All lengths are inches, all sizes of letters points. One column is 3.25 inches wide and two are 6.75, as in ICML; CVPR
and ICCV have 3.25 and 6.875, NeurIPS and ICLR one column of 5.5, in which 6.75 is scaled to 81 %.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

from vital.errors import InvalidValueError
from vital.utils.text import printable

TALLEST = 200.0
"""The most that a page of a PDF may be tall, in inches."""
WIDTHS = {1: 3.25, 2: 6.75}
"""How wide a figure is, in inches, by the columns of the page that it takes."""

FONT = "DejaVu Sans"
"""The letters, which matplotlib brings along."""
TEXT, SMALL = 7.5, 6.5
"""The sizes of letters, in points. Nothing is smaller."""
LINE = 1.25 / 72
"""The height of a line of letters of one point, in inches."""
GAP = 0.05
"""The space between two things."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colors, those that stand out on white first."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""One for each color, so that they are told apart without colors too."""
FOR, AGAINST = PALETTE[0], PALETTE[1]
"""Contributions above and below 0."""
INK, FAINT, BLANK = "#141414", "#6b6b6b", "#ececec"
"""Text, lesser text, and the place of a picture that is not there."""


def check_columns(columns: int) -> float:
    """The width of a figure. Raises `InvalidValueError`.

    >>> check_columns(1)
    3.25
    """
    if columns not in WIDTHS:
        raise InvalidValueError(f"columns is {columns!r}; allowed are 1 and 2, the columns of the page")
    return WIDTHS[columns]


@lru_cache(maxsize=4096)
def length(text: str, size: float, weight: str = "normal") -> float:
    """How long a line of text is, in inches.

    >>> 0.4 < length("layer4:162", TEXT) < 0.8
    True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    letters = FontProperties(family=FONT, size=size, weight=weight)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of letters that the font lacks; whoever saves the figure hears of them
        return float(text_to_path.get_text_width_height_descent(text, letters, ismath=False)[0]) / 72


def fitted(text: str, width: float, size: float, weight: str = "normal") -> str:
    """The text, cut with … where it is longer than `width`: at its end, and the name of a unit in its middle.

    >>> fitted("tabby, tabby cat", 0.5, TEXT), fitted("weights/sae.safetensors:3@layer4", 0.8, TEXT)
    ('tabby,…', 'weight…layer4')
    """
    text = printable(" ".join(text.split()))
    keep = len(text)
    shown = text
    while keep > 1 and length(shown, size, weight) > width:
        keep -= 1
        tail = keep // 2 if ":" in text and " " not in text else 0
        shown = f"{text[: keep - tail].rstrip()}…{text[len(text) - tail :] if tail else ''}"
    return shown


def wrapped(text: str, width: float, size: float, lines: int = 2) -> list[str]:
    """The text in up to so many lines, broken at spaces that break; the last one is cut where it does not fit.

    >>> wrapped("striped torus of metal", 0.7, TEXT)
    ['striped torus', 'of metal']
    """
    found = list[str]()
    left = [word for word in printable(text).split(" ") if word]
    while left and len(found) < lines - 1:
        count = next((n for n in range(len(left), 1, -1) if length(" ".join(left[:n]), size) <= width), 1)
        if length(" ".join(left), size) <= width:
            break
        found.append(fitted(" ".join(left[:count]), width, size))
        left = left[count:]
    return [*found, fitted(" ".join(left), width, size)] if left else found
