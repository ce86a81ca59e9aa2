"""Docstrings as Markdown for the site: examples as code, options as a list, formulas and sources on lines of their own.

An extension of griffe, which mkdocstrings reads the code with; mkdocs.yml names it.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"^(Formula|Source|Units|Parameters|Range): (.*(?:\n[ ]+\S.*)*)", re.MULTILINE)
ITEM = re.compile(r"^    ([\w, `*]+): (.*(?:\n[ ]{5,}\S.*)*)", re.MULTILINE)
SECTION = re.compile(r"^(Options|Fields):\n((?:    .*\n?)+)", re.MULTILINE)


def as_markdown(docstring: str) -> str:
    """A docstring in which Markdown shows what its plain text does.

    >>> print(as_markdown("Add.\\n\\n>>> 1 + 1\\n2"))
    Add.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    parts = docstring.split("\n\n")
    return "\n\n".join(_example(part) if part.startswith(">>>") else _prose(part) for part in parts)


def _example(part: str) -> str:
    return f"```pycon\n{part.rstrip()}\n```"


def _prose(part: str) -> str:
    part = SECTION.sub(lambda found: f"{found[1]}:\n\n{_items(found[2])}", part)
    return ENTRY.sub(lambda found: _entry(found[1], " ".join(found[2].split())), part)


def _items(lines: str) -> str:
    return ITEM.sub(lambda found: f"- `{found[1]}`: {' '.join(found[2].split())}", lines)


def _entry(name: str, text: str) -> str:
    shown = f"`{text}`" if name == "Formula" and "`" not in text else text
    return f"**{name}.** {shown}\n"


class Docstrings(griffe.Extension):
    """Bring every docstring to Markdown before it is parsed."""

    def on_object(self, *, obj: Any, **kwargs: Any) -> None:
        """Change the text of an object that was loaded."""
        del kwargs
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
