"""How a command of `vital` reads its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperArgument, TyperCommand

from vital.errors import InvalidValueError, said
from vital.utils.options import MOST, check_seed


class Command(TyperCommand):
    """A command that takes lists with spaces behind their commas."""

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **options)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):  # its metavar and its sentence say what it is
                vars(parameter)["display_type_rich"] = _no_type

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line."""
        flags = {flag for one in self.params for flag in one.opts if "," in (one.metavar or "")}
        left = super().parse_args(ctx, joined(args, flags))
        for one in self.params:
            _check_size(one, ctx.params.get(one.name or ""))
        return left


def _check_size(parameter: Any, value: Any) -> None:
    """Raise `InvalidValueError` for a number that nobody can mean: it would take days, or all memory."""
    if isinstance(value, int) and not isinstance(value, bool):
        name = next((flag for flag in parameter.opts if flag.startswith("--")), str(parameter.name))
        if "seed" in name:
            check_seed(value, name)
        elif value > MOST:
            raise InvalidValueError(f"{name} is {said(value)}; allowed is nothing above {MOST}")


def _no_type(ctx: Any) -> None:
    del ctx


def joined(words: Sequence[str], flags: Iterable[str]) -> list[str]:
    """Words with the lists behind some flags in one word each, where they were typed with spaces.

    >>> joined(["--layers", "a,", "b", "c"], ["--layers"])
    ['--layers', 'a,b', 'c']
    """
    found, listing = list[str](), False
    for word in words:
        flag, equals, _ = word.partition("=")
        if listing and not word.startswith("--") and (found[-1].endswith(",") or word.startswith(",")):
            found[-1] += word
            continue
        listing = (found[-1:] != [] and found[-1] in flags) or (bool(equals) and flag in flags)
        found.append(word)
    return found
