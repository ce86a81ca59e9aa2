"""Code that is not of `vital`: a network, a data set, a term or a file of the user's. It may raise anything.

Where such code is called it stands in `foreign`, and every public door ends with `explained`, so that nothing but a
`VitalError` comes out, which says whose code failed. Pressed keys pass, and warnings that are errors.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import FrameSummary, walk_tb

from vital.errors import (
    DefectError,
    ForeignCodeError,
    MissingDependencyError,
    OutOfMemoryError,
    RunError,
    VitalError,
    first_line,
)
from vital.utils.importing import unimportable

RAISED = (Exception, SystemExit)
"""What foreign code ends with: a `sys.exit` in it must not end this program."""
PASSING = (VitalError, Warning)
"""What needs no explanation."""
_OWN = {
    "vital",
    "torch",
    "torchvision",
    "numpy",
    "PIL",
    "scipy",
    "tqdm",
    "typer",
    "safetensors",
    "kornia",
    "jinja2",
}
_OWN |= sys.stdlib_module_names - {"__main__"}
"""The packages of which `vital` itself is made, and Python's own."""


def culprit(error: BaseException) -> FrameSummary | None:
    """The innermost place that an error came through and that is not of `vital` or what it is made of.

    >>> culprit(ValueError()) is None
    True
    """
    found = None
    for frame, line in walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _OWN:
            found = FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name, lookup_line=False)
    return found


def described(error: BaseException) -> str:
    """The type of an error, its first line, and where in foreign code it was raised.

    >>> described(ValueError("too large."))
    'ValueError: too large'
    """
    kind, said, place = type(error).__name__, first_line(error), culprit(error)
    where = f" ({Path(place.filename).name}, line {place.lineno}, in {place.name})" if place else ""
    return (kind if said == kind else f"{kind}: {said}") + where


@contextmanager
def foreign(fault: str, kind: type[VitalError] = ForeignCodeError, step: str = "mend it") -> Iterator[None]:
    """Turn whatever foreign code raises into one sentence: whose `fault` it is, what it raised, and the next `step`.

    >>> with foreign("the term Own() failed"):
    ...     raise KeyError("layer9")
    Traceback (most recent call last):
    ...
    vital.errors.ForeignCodeError: the term Own() failed: KeyError: 'layer9'; mend it
    """
    try:
        yield
    except PASSING:
        raise
    except RAISED as error:
        package = unimportable(error)
        raise _memory(error) or kind(f"{fault}: {package or f'{described(error)}; {step}'}") from error


NO_ROOM = (errno.ENOSPC, errno.EIO)
"""What a stream says, such as standard output, that takes nothing more."""


def explained(error: BaseException) -> VitalError:
    """What is said at a public door of an error that nobody explained on its way there.

    >>> explained(KeyError("x"))
    DefectError("vital failed: KeyError: 'x'; if what you gave is allowed, this is a defect of vital: please report it")
    """
    if short := _memory(error):
        return short
    if package := unimportable(error):
        return MissingDependencyError(package)
    if place := culprit(error):
        return ForeignCodeError(f"{place.name} failed: {described(error)}; mend it")
    if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
        return RunError(f"cannot write: {error.strerror}")
    return DefectError(
        f"vital failed: {described(error)}; if what you gave is allowed, this is a defect of vital: please report it"
    )


def _memory(error: BaseException) -> OutOfMemoryError | None:
    from vital.utils.memory import short_of_memory  # torch, for which a wrong command line need not wait

    if not short_of_memory(error):
        return None
    return OutOfMemoryError(
        f"memory does not suffice: {first_line(error)}; use a smaller batch or size, or another device"
    )
