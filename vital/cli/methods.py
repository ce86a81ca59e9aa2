"""`vital methods`: what can be set."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import typer

from vital.cli.common import table
from vital.describing import DESCRIBERS
from vital.rendering import METHODS
from vital.utils.registry import Registry


def methods() -> None:
    """List the methods with their options and defaults, first for pictures and then for words.

    Set an option with --set OPTION=VALUE.
    """
    pictures = [described(name) for name in METHODS]
    typer.echo("\n\n".join([*pictures, *(described(name, DESCRIBERS) for name in DESCRIBERS)]))


def described(name: str, registry: Registry[Any] = METHODS) -> str:
    """Describe a method: its docstring and its fields."""
    kind: Any = registry[name]
    text = inspect.cleandoc(kind.__doc__ or "").replace("\n", "\n    ")
    rows = [(f"    {f.name}", _shown(f.default), str(f.type)) for f in fields(kind)]
    return f"{name}\n    {text}\n\n" + table(["    option", "default", "type"], rows)


def _shown(value: Any) -> str:
    return (",".join(map(str, value)) or "(by the network)") if isinstance(value, tuple) else str(value)
