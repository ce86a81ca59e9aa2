"""A figure of matplotlib that saves itself as papers want it: text as text, no dates, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParamsDefault
from matplotlib.figure import Figure

from vital.errors import InvalidValueError
from vital.utils.io import path_of, write

DPI = 300
"""Pixels per inch of a PNG."""
STYLE = {
    key: value
    for key, value in rcParamsDefault.items()
    if key.split(".")[0] in {"axes", "font", "legend", "lines", "patch", "pdf", "savefig", "svg", "text"}
} | {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "vital", "font.size": 7}
"""The settings under which figures are drawn and saved, whatever those of the session are."""
METADATA: Mapping[str, Mapping[str, str | None]] = {
    "pdf": {"CreationDate": None, "Creator": "vital"},
    "svg": {"Date": None, "Creator": "vital"},
    "png": {"Software": "vital"},
}
"""What stands in the files beside the figure, by format."""


class PaperFigure(Figure):
    """A figure that is saved with text as text (TrueType in PDF), its pictures pixel by pixel, and no date.

    It shows itself in a notebook.
    """

    def savefig(self, fname: Any, **how: Any) -> None:
        """Save as matplotlib does; the ending of the name, or `format`, says as what."""
        kind = str(how.get("format") or Path(str(getattr(fname, "name", fname))).suffix[1:]).lower() or "png"
        for axes in self.axes:
            for image in axes.images:
                image.set_interpolation("antialiased" if kind == "png" else "none")
        own: dict[str, Any] = {"dpi": DPI, "metadata": dict(METADATA.get(kind, {}))}
        with rc_context(STYLE):
            super().savefig(fname, **{**own, **how})

    def to_bytes(self, kind: str) -> bytes:
        """The file, as "pdf", "svg" or "png". Raises `InvalidValueError` for another kind."""
        if kind not in METADATA:
            raise InvalidValueError(f"the format is {kind!r}; allowed are {', '.join(METADATA)}")
        buffer = io.BytesIO()
        self.savefig(buffer, format=kind)
        return buffer.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the file whole or not at all, and say where; the ending is .pdf, .svg or .png. Raises `RunError`."""
        path = path_of(path)
        if path.suffix[1:].lower() not in METADATA:
            raise InvalidValueError(
                f"the figure is {str(path)!r}; allowed are the endings .pdf, .svg and .png"
            )
        write(path, self.to_bytes(path.suffix[1:].lower()))
        return path

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=96)
        return buffer.getvalue()
