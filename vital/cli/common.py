"""What the commands share: how arguments are read, and how results are shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from vital.errors import BadValue, UsageError, VitalError
from vital.images import ImageSet, images
from vital.models import Model, load_model

FORMS = "torchvision:NAME[/WEIGHTS], timm:NAME, open_clip:NAME/PRETRAINED or path/to/file.py:FUNCTION"
ModelName: TypeAlias = Annotated[str, typer.Argument(metavar="MODEL", help=f"The network: {FORMS}.")]
Weights: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE|none", help="A state dict, or none for random weights.")
]
Device: TypeAlias = Annotated[str | None, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")]
InputSize: TypeAlias = Annotated[
    int | None, typer.Option(min=1, metavar="PX", help="Side of the network's input, where its own is not wanted.")
]
Images: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Images: a folder tree, or a .npz or .npy file.")
]
Labels: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="CSV", help="Labels of the images: the columns file and index.")
]


class Interrupted(VitalError):
    """Somebody pressed Control-C."""

    exit_code = 130


def open_model(
    name: str, weights: str | None = None, device: str | None = None, input_size: int | None = None
) -> Model:
    """Load the network that the arguments name."""
    return load_model(name, weights=weights, device=device, size=input_size)


def open_images(where: Path | None, labels: Path | None = None) -> ImageSet | None:
    """Open the images that the arguments name; None where they name none."""
    if where is None:
        if labels is not None:
            raise UsageError(f"--labels {labels} needs the images that it labels; give --images DIR")
        return None
    return images(where) if labels is None else images(where, labels=labels)


def listed(text: str, option: str) -> list[str]:
    """Split a list at its commas.

    >>> listed("layer3, layer4", "--layers")
    ['layer3', 'layer4']
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise BadValue(f"{option} is {text!r}; give names with commas between them")
    return found


def settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read FIELD=VALUE pairs.

    >>> settings(["steps=64", "tv=0.5"])
    {'steps': '64', 'tv': '0.5'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadValue(f"--set {pair!r} is not a setting; write --set FIELD=VALUE (vital methods lists the fields)")
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


def said_once(facts: Mapping[str, Any]) -> str:
    """Facts on one line.

    >>> said_once({"steps": 3, "size": 0})
    'steps=3 size=0'
    """
    return " ".join(f"{key}={value}" for key, value in facts.items())
