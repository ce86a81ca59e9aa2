"""`vital methods`: what can be set."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import typer

from vital.cli.common import table


def methods() -> None:
    """List the methods with their options and defaults, first for pictures and then for words.

    Set an option with --set OPTION=VALUE.
    """
    from vital.describing import DESCRIBERS
    from vital.rendering import METHODS

    known = (*METHODS.items(), *DESCRIBERS.items())
    typer.echo("\n\n".join(described(name, kind) for name, kind in known))


def described(name: str, kind: Any) -> str:
    """Describe a method: its docstring and its fields."""
    text = inspect.cleandoc(kind.__doc__ or "").replace("\n", "\n    ")
    rows = [(f"    {f.name}", _shown(f.default), str(f.type)) for f in fields(kind)]
    return f"{name}\n    {text}\n\n" + table(["    option", "default", "type"], rows)


def _shown(value: Any) -> str:
    return (",".join(map(str, value)) or "(by the network)") if isinstance(value, tuple) else str(value)
