"""What the library says of itself, by Python's `logging`, under the name "vital": nothing is shown unless asked for.

INFO is what a user waits for, DEBUG what was found and how long it took.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_WORD_SECONDS = 1.0
"""After how long it is said what is waited for."""

logger = logging.getLogger("vital")


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Say what is waited for: at INFO once it has taken a second; at DEBUG at once, and how long it took."""
    start, late = time.monotonic(), None
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("%s", doing)
    elif logger.isEnabledFor(logging.INFO):
        late = threading.Timer(FIRST_WORD_SECONDS, _say, (f"{doing} …",))
        late.daemon = True
        late.start()
    try:
        yield
    finally:
        if late is not None:
            late.cancel()
        logger.debug("%s took %.1f s", doing, time.monotonic() - start)


def _say(text: str) -> None:
    """Say it even while other libraries are silenced (`logging.disable`), which is when most waiting is done."""
    logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, text, (), None))
