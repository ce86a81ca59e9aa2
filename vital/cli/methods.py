"""`vital methods`: what can be set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from vital.cli import completion
from vital.cli.common import table
from vital.errors import unknown

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="One method; all of them unless given.",
        autocompletion=completion.all_methods,
    ),
]


def methods(name: Name = None) -> None:
    """List the methods with their options.

    Each option has its default and its meaning. First come the methods for pictures, VITAL's own and then the others,
    after them those for words, and last the judge of words. Set an option with
    --set OPTION=VALUE; none leaves the choice to the method where the meaning says so.
    """
    kinds = documented()
    if name is not None and name not in kinds:
        raise unknown("method", name, kinds)
    typer.echo("\n\n".join(described(each, kinds[each]) for each in ([name] if name else kinds)))


def documented() -> Mapping[str, Any]:
    """All that has options, by name: methods for pictures, VITAL's first, those for words, and the judge of words."""
    from vital.describing import DESCRIBERS
    from vital.describing.evaluation.significance import JudgeOptions
    from vital.rendering import METHODS

    pictures = sorted(METHODS.items(), key=lambda item: "" if item[0].startswith("vital") else item[0])
    words = sorted(DESCRIBERS.items(), key=lambda item: item[0])
    return dict([*pictures, *words, ("judge", JudgeOptions)])


def described(name: str, kind: Any) -> str:
    """Describe a method: its docstring and its options."""
    from vital.utils.options import options_of, shown, without_options

    text = without_options(kind).replace("\n", "\n    ")
    rows = [(f"    {o.name}", shown(o.default), o.meaning) for o in options_of(kind).values()]
    return f"{name}\n    {text}\n\n" + table(["    option", "default", "meaning"], rows)
