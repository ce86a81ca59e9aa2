"""How much a command says: --quiet and --verbose, which every command has, and where what the library logs is shown."""

from __future__ import annotations

import functools
import inspect
import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any, TextIO, get_type_hints

from typer import Option

from vital.cli.stopping import stoppable
from vital.errors import UsageError, VitalError
from vital.utils.logs import FIRST_WORD_SECONDS

log = logging.getLogger("vital.cli")
"""What commands say beside their results: remarks, and which parts of the work failed."""


Quiet = Annotated[
    bool, Option("--quiet", "-q", help="Print nothing but errors and the files that were written.")
]
Verbose = Annotated[
    bool,
    Option(
        "--verbose",
        "-v",
        help="Print more: each unit's status, what was found in the cache, and seconds.",
    ),
]


def talkative(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --quiet and --verbose, and let it end in one sentence where it is stopped.

    >>> list(inspect.signature(talkative(lambda model: None)).parameters)
    ['model', 'quiet', 'verbose']
    """
    hints = get_type_hints(command, include_extras=True)
    own = {"quiet": Quiet, "verbose": Verbose}
    parameters = [
        parameter.replace(
            kind=parameter.KEYWORD_ONLY, annotation=hints.get(parameter.name, parameter.annotation)
        )
        for parameter in inspect.signature(command).parameters.values()
    ]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in own.items()
    ]

    @functools.wraps(command)
    def call(*, quiet: bool = False, verbose: bool = False, **given: Any) -> None:
        if quiet and verbose:
            raise UsageError("--quiet and --verbose are both given; give one of them")
        logging.getLogger("vital").setLevel(
            logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
        )
        with _silenced() if quiet else nullcontext(), _first_word(), stoppable():
            command(**given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


class _Handler(logging.Handler):
    """Shows what is logged on standard error, above a bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from vital.utils.progress import aside

        aside(f"vital: {record.getMessage()}")


@contextmanager
def shown_logs() -> Iterator[None]:
    """Show what the library logs until the block ends."""
    root, handler = logging.getLogger("vital"), _Handler()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


class _Quiet:
    """The output of a command that is to be quiet: the files that it names, or else all that it said."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.said, self.named = out, io.StringIO(), False


_QUIET: list[_Quiet] = []


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep back what is printed; a command that writes no file has printed its answer, which is shown at its end."""
    quiet = _Quiet(sys.stdout)
    _QUIET.append(quiet)
    try:
        with redirect_stdout(quiet.said):
            yield
    except VitalError:
        quiet.named = True  # the error is all there is to say
        raise
    finally:
        _QUIET.remove(quiet)
        if not quiet.named:
            quiet.out.write(quiet.said.getvalue())


@contextmanager
def _first_word() -> Iterator[None]:
    """Say that PyTorch is being loaded, where a command is still silent after a second for that."""
    if "torch" in sys.modules:
        yield
        return

    def say() -> None:
        if "torch" in sys.modules:
            log.info("loading PyTorch …")

    late = threading.Timer(FIRST_WORD_SECONDS, say)
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


def is_quiet() -> bool:
    """Whether the command was asked to be quiet."""
    return bool(_QUIET)


def wrote(*files: Path | str) -> None:
    """Name the files that a command was for, one a line, which is all that a quiet one prints."""
    for quiet in _QUIET[-1:]:
        quiet.named = True
        quiet.out.writelines(f"{file}\n" for file in files)
        quiet.out.flush()
