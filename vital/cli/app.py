"""The application: its commands, and how it ends."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vital._version import __version__
from vital.cli.bank import bank, merge
from vital.cli.circuit import circuit
from vital.cli.compare import compare_command
from vital.cli.concepts import concepts
from vital.cli.demo import demo
from vital.cli.describe import describe, dissect
from vital.cli.doctor import doctor
from vital.cli.exemplars import exemplars
from vital.cli.explain import explain
from vital.cli.layers import layers
from vital.cli.lwta import app as lwta
from vital.cli.methods import methods
from vital.cli.render import render
from vital.cli.report import report
from vital.cli.score import score
from vital.cli.serve import serve
from vital.errors import VitalError

app = typer.Typer(
    name="vital",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    *(demo, layers, bank, merge, concepts, render, exemplars, circuit),
    *(describe, dissect, explain, score, report, serve, methods, doctor),
):
    app.command()(command)
app.command("compare")(compare_command)
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

    An error that is not a `VitalError` is a defect of the program and keeps its traceback.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _warn  # type: ignore[assignment]
        try:
            app(None if arguments is None else list(arguments), prog_name="vital")
        except VitalError as error:
            typer.echo(f"vital: {error}", err=True)
            return error.exit_code
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
    return 0


def _warn(message: Warning | str, *where: Any) -> None:
    del where
    typer.echo(f"vital: warning: {message}", err=True)
