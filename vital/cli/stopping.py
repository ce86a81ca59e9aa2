"""How a command ends that somebody or another program stops: in one sentence."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from vital.errors import VitalError


class StoppedError(VitalError):
    """Somebody pressed Control-C, or another program asked this one to end."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class TerminatedError(KeyboardInterrupt):
    """Another program asked this one to end (SIGTERM)."""


def finished() -> str:
    """What a command kept that says no more about it."""
    return "what was finished is kept"


@contextmanager
def stoppable(kept: Callable[[], str] = finished, goes_on: str = "goes on") -> Iterator[None]:
    """Turn Control-C and SIGTERM in the block into a `StoppedError` that says what was kept and how to go on."""

    def terminate(*_: object) -> NoReturn:
        raise TerminatedError

    heard = threading.current_thread() is threading.main_thread()  # others hear no signal
    before = signal.signal(signal.SIGTERM, terminate) if heard else None
    try:
        yield
    except KeyboardInterrupt as stop:
        code = 143 if isinstance(stop, TerminatedError) else 130
        raise StoppedError(f"stopped; {kept()}, and the same command {goes_on}", code) from None
    finally:
        if heard:
            signal.signal(signal.SIGTERM, before)
