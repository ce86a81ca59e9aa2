"""Every command that is stopped says so in one sentence."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vital.cli.stopping import StoppedError, TerminatedError, stoppable

Cli = Callable[..., Any]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_any_command_that_is_stopped_ends_in_a_sentence(
    vital: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, code: int
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), sent)

    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background has it ignored
    monkeypatch.setattr("vital.models.load_model", stopped)
    answer = vital("layers net.py:make --quiet")
    signal.signal(signal.SIGINT, before)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err == "vital: stopped; what was finished is kept, and the same command goes on\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    del here


def test_the_inner_sentence_counts() -> None:
    said = "stopped; 3 of 4 are kept"
    with pytest.raises(StoppedError, match=said) as stop, stoppable(), stoppable(lambda: said[9:]):
        raise TerminatedError
    assert stop.value.exit_code == 143


def test_other_threads_hear_no_signal_and_are_stoppable_all_the_same() -> None:
    found = list[str]()

    def work() -> None:
        with stoppable():
            found.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["done"]
