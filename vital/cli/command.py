"""How a command of `vital` reads its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperArgument, TyperCommand


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
        return super().parse_args(ctx, joined(args, flags))


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
