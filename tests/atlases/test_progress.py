import io
import time

import pytest

from vital.atlases.plan import Piece
from vital.atlases.progress import StageProgress
from vital.utils import progress

PIECES = [Piece("bank"), Piece("exemplars", 0, ("a:0", "a:1")), Piece("exemplars", 1, ("a:2",))]


def test_units_are_counted_by_stage() -> None:
    shown = StageProgress.of(PIECES)
    assert shown.totals == {"bank": 1, "exemplars": 3}
    shown.tell(PIECES[0], 1.0)
    assert shown.line().startswith("bank, ")
    shown.tell(PIECES[1], 0.5)
    shown.tell(PIECES[1], 0.5)
    assert shown.line().startswith("exemplars 1 of 3 units, ")
    shown.tell(PIECES[1], 1.0)
    shown.tell(PIECES[2], 1.0)
    assert shown.line().startswith("exemplars 3 of 3 units, ")


def test_stages_may_take_turns() -> None:
    pieces = [*PIECES, Piece("words", 0, ("a:0", "a:1"))]
    shown = StageProgress.of(pieces)
    for piece, said in ((1, "exemplars 2 of 3"), (3, "words 2 of 2"), (2, "exemplars 3 of 3")):
        shown.tell(pieces[piece], 1.0)
        assert shown.line().startswith(said)


def test_a_line_is_written_now_and_then_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    shown = StageProgress({"exemplars": 2}, stream=io.StringIO())
    with shown.shown():
        shown.tell(PIECES[2], 1.0)
        time.sleep(0.2)
    lines = shown.stream.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) >= 2
    assert lines[0].startswith("vital: exemplars 1 of 2 units, ")
    assert "left" in lines[0]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar() -> None:
    shown = StageProgress.of(PIECES)
    shown.stream = Terminal()
    with shown.shown():
        shown.tell(PIECES[1], 1.0)
        time.sleep(0.2)
        shown.tell(PIECES[2], 1.0)
    assert "exemplars 3 of 3 units" in shown.stream.getvalue()


def test_nothing_is_shown_where_nothing_is_wanted() -> None:
    shown = StageProgress({"bank": 1}, stream=io.StringIO())
    with shown.shown(wanted=False):
        shown.tell(PIECES[0], 1.0)
    assert shown.stream.getvalue() == ""  # type: ignore[attr-defined]
