"""A comparison on disk: comparison.csv (long form), table.csv, table.md, table.tex, montage.png, curves.png."""

from __future__ import annotations

from pathlib import Path

from vital.comparing.api import Comparison
from vital.comparing.figures import curves, montage
from vital.utils.io import as_csv, as_png, write


def write_comparison(found: Comparison, path: Path) -> list[Path]:
    """Write all files of a comparison into a folder, each whole or not at all, and name them. Raises `RunError`."""
    header, *rows = found.table.wide()
    files = {
        "comparison.csv": found.table.long_csv(),
        "table.csv": as_csv(header, rows),
        "table.md": found.table.markdown().encode(),
        "table.tex": found.table.latex().encode(),
        "montage.png": as_png(montage(found.shown)),
    }
    for name, content in files.items():
        write(path / name, content)
    names = list(files)
    if found.curves:
        curves(found.curves, path / "curves.png")
        names.append("curves.png")
    return [path / name for name in names]
