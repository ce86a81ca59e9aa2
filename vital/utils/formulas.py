"""Text that a spreadsheet would take for a formula, marked so that it stays text.

A formula is what a cell begins with, and a cell begins where the spreadsheet thinks so: behind a semicolon in countries
where that parts the cells of CSV, behind a tab, and in a new line.
"""

from __future__ import annotations

import re

_UNSEEN = (
    r'["\x00-\x08\x0b\x0c\x0e-\x20\x85\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]*'
)
_BEGINS = rf"'*{_UNSEEN}[=+\-@\uff1d\uff0b\uff0d\uff20]"
"""The signs of a formula, some in wide letters, behind what is not seen or goes as quotes; or what stands for them."""
_PLACES = rf"^{{0}}(?='*[\t\r\n])|(?:^|(?<=[;\t\r\n])){{0}}(?={_BEGINS})"
_FORMULA, _MARKED = (re.compile(_PLACES.format(mark)) for mark in ("", "'"))


def marked(text: str) -> str:
    """Text with an apostrophe wherever a formula would begin.

    >>> marked("=1+1"), marked("a cat; =1+1"), marked("a cat")
    ("'=1+1", "a cat;' =1+1", 'a cat')
    """
    return _FORMULA.sub("'", text)


def unmarked(text: str) -> str:
    """The text of which `marked` made this.

    >>> unmarked("a cat;' =1+1"), unmarked("the cat's")
    ('a cat; =1+1', "the cat's")
    """
    return _MARKED.sub("", text)
