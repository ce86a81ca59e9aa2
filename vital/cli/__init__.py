"""The command line: `vital COMMAND`."""

from vital.cli.app import main as main

__all__ = ["main"]
