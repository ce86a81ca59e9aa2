"""`vital methods`: what can be set."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import typer

from vital.cli.common import table
from vital.recipes import METHODS


def methods() -> None:
    """List the methods with their options and defaults; set one with --set OPTION=VALUE."""
    typer.echo("\n\n".join(described(name) for name in METHODS))


def described(name: str) -> str:
    """Describe a method: its docstring and its fields."""
    kind: Any = METHODS[name]
    text = inspect.cleandoc(kind.__doc__ or "").replace("\n", "\n    ")
    rows = [(f"    {f.name}", _shown(f.default), str(f.type)) for f in fields(kind)]
    return f"{name}\n    {text}\n\n" + table(["    option", "default", "type"], rows)


def _shown(value: Any) -> str:
    return (",".join(map(str, value)) or "(by the network)") if isinstance(value, tuple) else str(value)
