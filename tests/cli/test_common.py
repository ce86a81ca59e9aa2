"""Tables, on a terminal and elsewhere."""

from __future__ import annotations

import re
import sys

import pytest

from vital.cli.common import table

HEAD = ["unit", "value", "probability", "file"]
ROWS = [
    ["class:0", "0.0028", "1.0 %", "runs/first/units/class_0/a name that is long enough to find no room.png"],
    ["layer4:52", "-12", "-", "runs/first/units/layer4_52/vital-0.png"],
]


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")


def shown(header: list[str], rows: list[list[str]]) -> str:
    """A table without its bold letters."""
    return re.sub(r"\x1b\[\d*m", "", table(header, rows))


@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_fits_the_terminal_and_loses_nothing(
    wide: None, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = shown(HEAD, ROWS).splitlines()
    assert max(map(len, lines)) <= columns
    assert (len(lines) == 4) == (columns == 200)
    assert "…" not in "".join(lines)
    if columns == 200:
        assert lines[2].endswith("find no room.png")
        assert lines[2].index("0.0028") + 6 == lines[3].index("-12") + 3, "numbers stand at the right"


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_elsewhere_a_row_is_a_line_whatever_the_width(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = table(HEAD, ROWS).splitlines()
    assert [len(line.split("  ")) >= 4 for line in lines] == [True] * 3
    assert lines[1].endswith("find no room.png")
    assert "\x1b" not in "".join(lines)


def test_a_cell_is_never_read_as_markup(wide: None) -> None:
    assert "[bold]x[/bold]" in table(["a[0]"], [["[bold]x[/bold]"]])
    assert "a[0]" in table(["a[0]"], [["x"]])


def test_a_table_without_rows_is_its_heading(wide: None) -> None:
    assert shown(["a", "b"], []).split()[:2] == ["a", "b"]
