from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import Image

from vital.errors import InvalidValueError
from vital.figures import tiles_figure


def made():
    return tiles_figure([Image.new("RGB", (8, 8), "red")], [["layer4:162", "a $5 cat_x"]])


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_equal_figures_are_equal_bytes_whatever_the_session_sets(kind: str, monkeypatch) -> None:
    first = made().to_bytes(kind)
    monkeypatch.setitem(mpl.rcParams, "pdf.fonttype", 3)
    monkeypatch.setitem(mpl.rcParams, "font.size", 20)
    monkeypatch.setitem(mpl.rcParams, "axes.titlesize", 30)
    assert made().to_bytes(kind) == first
    assert not re.search(rb"CreationDate|<dc:date>|tIME", first)


def test_text_is_text() -> None:
    svg = made().to_bytes("svg").decode()
    assert ">layer4:162</text>" in svg or ">layer4:162</tspan>" in svg
    assert "a $5 cat_x" in svg
    pdf = made().to_bytes("pdf")
    assert b"/Type3" not in pdf
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf


def test_files_are_written_by_their_endings(tmp_path: Path) -> None:
    made().save(tmp_path / "a" / "figure.PNG")
    with Image.open(tmp_path / "a" / "figure.PNG") as shown:
        assert shown.width == 2025
    made().savefig(tmp_path / "b.svg")
    assert (tmp_path / "b.svg").read_bytes() == made().to_bytes("svg")
    with pytest.raises(InvalidValueError, match=r"allowed are the endings \.pdf, \.svg and \.png"):
        made().save(tmp_path / "figure.jpg")
    with pytest.raises(InvalidValueError, match="allowed are pdf, svg, png"):
        made().to_bytes("tiff")
    assert made()._repr_png_().startswith(b"\x89PNG")
