"""The application: its commands, and how it ends."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from vital._version import __version__
from vital.cli.atlas import atlas
from vital.cli.bank import bank, merge
from vital.cli.circuit import circuit
from vital.cli.command import Command
from vital.cli.compare import compare_command
from vital.cli.completion import SHELL, for_bash
from vital.cli.concepts import concepts
from vital.cli.demo import demo
from vital.cli.describe import describe, dissect
from vital.cli.doctor import doctor
from vital.cli.examples import epilog
from vital.cli.exemplars import exemplars
from vital.cli.explain import explain
from vital.cli.figure import figure
from vital.cli.layers import layers
from vital.cli.lwta import app as lwta
from vital.cli.methods import methods
from vital.cli.render import render
from vital.cli.report import report
from vital.cli.score import score
from vital.cli.serve import serve
from vital.cli.talk import log, shown_logs, talkative
from vital.cli.words import agree, classes
from vital.errors import DefectError, VitalError
from vital.utils.foreign import culprit, explained

DEBUG = "VITAL_DEBUG"
"""The variable of the environment with which failures show their tracebacks."""

app = typer.Typer(
    name="vital",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    *(demo, layers, bank, merge, concepts, atlas, render, exemplars, circuit),
    *(describe, dissect, explain, score, agree, classes, report, figure, serve, methods, doctor),
):
    app.command(cls=Command, epilog=epilog(command.__name__))(talkative(command))
app.command("compare", cls=Command, epilog=epilog("compare"))(talkative(compare_command))
app.add_typer(lwta)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vital {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Show what the units of a vision network respond to."""
    del version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the answer is the exit code: 0, 1 for work that failed, 2 for a wrong request.

    Whatever else is raised is one line too, which says whose code failed; with VITAL_DEBUG its traceback comes first.
    """
    if sys.stdout is None:  # as of some services
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            return main(arguments)
    if os.environ.get(SHELL) == "complete_bash":
        return for_bash(_run)
    return _run(arguments)


def _run(arguments: Sequence[str] | None = None) -> int:
    with warnings.catch_warnings(), shown_logs():
        warnings.showwarning = _warn  # type: ignore[assignment]
        try:
            app(None if arguments is None else list(arguments), prog_name="vital")
        except VitalError as error:
            return _told(error)
        except SystemExit as end:
            if culprit(end):  # a network or a plugin may end so
                return _told(explained(end), end)
            return end.code if isinstance(end.code, int) else 0
        except Exception as error:  # noqa: BLE001  nobody explained it
            return _told(explained(error), error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or not culprit(error):
                raise
            return _told(explained(error), error)
    return 0


def _told(error: VitalError, cause: BaseException | None = None) -> int:
    """Say in one line what failed; returns its exit code."""
    cause, hint = cause or error.__cause__, ""
    if os.environ.get(DEBUG):
        traceback.print_exception(cause or error)
    elif cause is not None and (culprit(cause) or isinstance(error, DefectError)):
        hint = f" ({DEBUG}=1 shows its traceback)"
    typer.echo(f"vital: {error}{hint}", err=True)
    return error.exit_code


def _warn(message: Warning | str, *where: Any) -> None:
    del where
    log.warning("warning: %s", message)
