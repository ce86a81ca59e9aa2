import io
import sys
import time
import types

import pytest
import torch
import tqdm.std

from vital.callbacks.base import Step
from vital.rendering.watching import Counted
from vital.utils import progress
from vital.utils.progress import Progress, aside


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_what_is_done_how_fast_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    stream = io.StringIO()
    with Progress("images", 40, "image", stream=stream) as bar:
        bar.update(10)
        time.sleep(0.1)
    first = stream.getvalue().splitlines()[0]
    assert first.startswith("vital: images 10 of 40 images, ")
    assert " images/s, " in first
    assert " gone, about " in first
    assert first.endswith(" left")


def test_what_was_done_before_has_no_part_in_the_pace() -> None:
    bar = Progress("images", 100, "image", done=90)
    assert "left" not in bar.line()
    bar._start -= 50
    bar.update(5)
    assert bar.line() == "images 95 of 100 images, 10 s/image, 50 s gone, about 50 s left"


def test_a_job_inside_another_is_told_in_its_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    outer, inner = Terminal(), Terminal()
    with Progress("methods", 2, "method", stream=outer) as job:
        with Progress("fourier", 8, "step", stream=inner) as part:
            part.update(3)
        job.update()
    assert "fourier 3 of 8 steps" in outer.getvalue()
    assert inner.getvalue() == ""
    assert job.note == ""


def test_a_job_that_fails_leaves_no_bar_behind() -> None:
    stream = Terminal()
    with pytest.raises(KeyError), Progress("steps", 2, stream=stream):
        raise KeyError
    assert not progress._OPEN
    with Progress("steps", 2, stream=stream) as bar:
        assert bar._outer is None


def test_lines_of_others_stand_above_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("steps", 2, stream=Terminal()):
        aside("vital: hello")
    assert "vital: hello\n" in capsys.readouterr().err


def test_a_notebook_has_a_bar_that_comes_late_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert progress.in_notebook()
    made = []

    class Bar(tqdm.std.tqdm):  # type: ignore[type-arg]
        def __init__(self, *args, **settings) -> None:
            super().__init__(*args, **settings)
            made.append(settings)

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    stream = io.StringIO()
    with Progress("steps", 2, stream=stream) as bar:
        bar.update()
    assert stream.getvalue().strip() == ""
    assert (made[0]["delay"], made[0]["leave"]) == (progress.NOTEBOOK_DELAY, False)


def test_nothing_is_shown_where_nothing_is_wanted() -> None:
    for wanted in (False, None):
        stream = Terminal()
        with Progress("steps", 2, shown=wanted, stream=stream) as bar:
            bar.update()
        assert stream.getvalue() == ""


def test_steps_move_the_bar_and_only_whole_units_are_told() -> None:
    with Progress("rendering by vital", 5, "unit", shown=False) as job:
        watch = Counted(job)
        watch.on_begin(["a", "b", "c", "d", "e"], 4)
        for number in (1, 2):
            watch.on_step(Step(number, 4, torch.zeros(5)))
        assert job.done == 2.5
        assert job.line().startswith("rendering by vital 0 of 5 units, ")
        assert job.line().endswith(", step 2 of 4")
