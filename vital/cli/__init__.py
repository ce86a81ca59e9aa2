"""The command line: `vital COMMAND`."""

from vital.cli.app import main

__all__ = ["main"]
