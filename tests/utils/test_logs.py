import logging
import time

import pytest

from vital.utils import logs
from vital.utils.logs import busy


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FIRST_WORD_SECONDS", 0.05)


def test_what_takes_long_is_said_even_while_libraries_are_silenced(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "vital"):
        with busy("loading one"):
            pass
        with busy("loading two"):
            logging.disable(logging.ERROR)
            time.sleep(0.3)
            logging.disable(logging.NOTSET)
    assert said(caplog) == ["loading two …"]


def test_at_debug_all_is_said_with_its_seconds(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "vital"), busy("loading one"):
        pass
    assert said(caplog) == ["loading one", "loading one took 0.0 s"]


def test_nothing_is_said_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with busy("loading one"):
        time.sleep(0.1)
    assert capsys.readouterr() == ("", "")
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("vital").handlers)
