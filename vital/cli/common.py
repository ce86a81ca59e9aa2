"""What the commands share: how arguments are read, and how results are shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from vital.errors import BadValue, VitalError
from vital.images import ImageSet, images
from vital.models import Model, load_model


class Interrupted(VitalError):
    """Somebody pressed Control-C."""

    exit_code = 130


def open_model(
    name: str, weights: str | None = None, device: str | None = None, input_size: int | None = None
) -> Model:
    """Load the network that the arguments name."""
    return load_model(name, weights=weights, device=device, size=input_size)


def open_images(where: Path, labels: Path | None = None) -> ImageSet:
    """Open the images that the arguments name."""
    return images(where, labels=labels)


def show_skipped(pictures: ImageSet | None) -> None:
    """List the images that could not be read, on standard error."""
    for name, reason in pictures.skipped if pictures else ():
        typer.echo(f"vital: skipped {name}: {reason}", err=True)


def listed(text: str, option: str) -> list[str]:
    """Split a list at its commas.

    >>> listed("layer3, layer4", "--layers")
    ['layer3', 'layer4']
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise BadValue(f"{option} is {text!r}; give names with commas between them")
    return found


def read_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read FIELD=VALUE pairs.

    >>> read_settings(["steps=64", "tv=0.5"])
    {'steps': '64', 'tv': '0.5'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadValue(
                f"--set {pair!r} is not a setting; write --set FIELD=VALUE (vital methods lists the fields)"
            )
        if found.setdefault(name.strip(), value) != value:
            raise BadValue(f"--set gives {name.strip()} twice: {found[name.strip()]!r} and {value!r}")
    return found


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out rows in columns that are as wide as they must be.

    >>> print(table(["name", "n"], [["conv1", 64], ["fc", 10]]))
    name   n
    conv1  64
    fc     10
    """
    texts = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in texts)
    return "\n".join(line.rstrip() for line in lines)


def megabytes(count: int) -> str:
    """Say a number of bytes in MB.

    >>> megabytes(1_540_000)
    '1.5 MB'
    """
    return f"{count / 1e6:.1f} MB"


def watched() -> bool:
    """Whether somebody sees a progress bar: only when standard error is a terminal."""
    return sys.stderr.isatty()
