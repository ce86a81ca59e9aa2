"""Records to one HTML file: no request leaves it, and no text in it can become anything but text.

Every text is escaped, and control characters, among them those that turn the direction of writing around, are shown by
their number. Beyond that a policy in the head lets the browser run the page's own script and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from vital._version import __version__
from vital.reporting.plots import figures_of
from vital.reporting.records import Page
from vital.utils.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment


def as_html(page: Page) -> str:
    """Lay a page out. Equal pages, equal text.

    >>> "<title>a &amp; b</title>" in as_html(Page("a & b"))
    True
    """
    style, script = part("style.css"), part("common.js") + part("script.js")
    return (
        templates(part)
        .get_template("page.html")
        .render(
            page=page,
            figures=[figures_of(one.view) for one in page.units],
            version=__version__,
            style=Markup(style),  # noqa: S704 (a file of this package)
            script=Markup(script),  # noqa: S704
            style_hash=_hash(style),
            script_hash=_hash(script),
            icon=base64.b64encode(part("icon.svg").encode()).decode(),
        )
    )


@cache
def templates(load: Callable[[str], str]) -> Environment:
    """Templates by name, in which every text is escaped and made visible."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"caption": caption, "number": number, "percent": percent}
    return environment


def visible(value: Any) -> Any:
    r"""A text with its control characters shown by their number; what is not a text, or is markup, stays.

    >>> visible("a\x00b"), visible(Markup("<b>"))
    ('a[U+0000]b', Markup('<b>'))
    """
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None) -> str:
    """A number in three digits, a dash where there is none.

    >>> number(0.123456), number(None)
    ('0.123', '–')
    """
    return "–" if value is None or not math.isfinite(value) else f"{value:.3g}"


def caption(name: str) -> str:
    """The name of an image without the number before its words.

    >>> caption("00068 a striped torus on the left"), caption("00068.png")
    ('a striped torus on the left', '00068.png')
    """
    return re.sub(r"^\d+ (?=\D)", "", name)


def percent(value: float) -> str:
    """A share in percent.

    >>> percent(0.5)
    '50 %'
    """
    return f"{100 * value:.0f} %"


def part(name: str) -> str:
    """A template, style or script of the report, of which pages of a site take some."""
    return (files("vital.reporting") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
