"""Names that are attacks, in figures: the files are whole, and what they say is text."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from tests.reporting.test_page import EVIL
from vital.figures import grid_figure, tiles_figure, words_figure
from vital.figures.table import Word

NAMES = [*EVIL, "]]></text><script>alert(1)</script>", "a\ud800b", "$x^2$ \\input{/etc/passwd}", "\x7f\x85"]
ALLOWED = {
    "Agent", "RDF", "Work", "clipPath", "creator", "defs", "format", "g", "image", "metadata", "path", "rect", "style",
    "svg", "text", "title", "tspan", "type", "use",
}  # fmt: skip
PICTURE = Image.new("RGB", (8, 8))


def of(kind: str):
    titles = [[name, name] for name in NAMES]
    if kind == "words":
        says = {(row, column): Word(name) for row, name in enumerate(NAMES) for column in (0, 1)}
        return words_figure(titles, NAMES[:2], says)
    if kind == "tiles":
        return tiles_figure([PICTURE] * len(NAMES), titles)
    cells = {(row, column): PICTURE for row in range(3) for column in range(len(NAMES))}
    return grid_figure(NAMES[:3], titles, {**cells, (0, 1): NAMES[4]})


@pytest.mark.parametrize("kind", ["words", "tiles", "grid"])
def test_an_svg_of_hostile_names_is_whole_and_holds_texts_alone(kind: str) -> None:
    tree = ET.fromstring(of(kind).to_bytes("svg"))  # noqa: S314  made here
    assert {part.tag.rpartition("}")[2] for part in tree.iter()} <= ALLOWED
    for part in tree.iter():
        assert not [name for name in part.attrib if name.rpartition("}")[2].lower().startswith("on")]
        links = [value for name, value in part.attrib.items() if name.endswith("href")]
        assert all(value.startswith(("#", "data:image/png")) for value in links)
    seen = " ".join(tree.itertext())
    assert "<scr" in seen  # some of them are cut
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\x7f]", seen)


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_other_files_of_hostile_names_are_made(kind: str) -> None:
    data = of("words").to_bytes(kind)
    assert data.startswith(b"\x89PNG" if kind == "png" else b"%PDF")
    assert not re.search(rb"/(JS|JavaScript|OpenAction|Launch|URI)\b", data)
