"""What the commands share: how arguments are read, and how results are shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vital.cli.talk import is_quiet, log
from vital.errors import InvalidValueError, UsageError
from vital.utils.io import path_of, resolved

if TYPE_CHECKING:
    from vital.data import ImageSet
    from vital.models import Model

NUMBER = re.compile(r"[-+−]?[\d.]+(e[-+]?\d+)?( ?%| [kMG]?B| s)?|-|nan")
"""What stands at the right of its column on a terminal."""


def open_images(where: Path, labels: Path | None = None, workers: int | None = None) -> ImageSet:
    """Open the images that the arguments name."""
    from vital.data import load_images

    return load_images(where, labels=labels, workers=workers)


def check_apart(out: Path | None, images: Path | str | None) -> None:
    """Raise `UsageError` for a folder of results in that of the images, which a later command would take for images."""
    if out is None or images is None or out.suffix == ".safetensors" or not Path(images).is_dir():
        return
    if resolved(out).is_relative_to(resolved(images)):
        raise UsageError(
            f"--out {out} lies in the folder of the images, {images}, and what is written there would be taken for "
            "images later; give a folder outside it"
        )


def images_of(bank: Path, labels: Path | None = None, workers: int | None = None) -> ImageSet:
    """Open the images that a bank was made of, as they were typed then; `labels` may be others."""
    from vital.activations import opened_from

    _check_bank(bank)
    opened = opened_from(bank)
    if labels is not None and opened.get("parts"):
        raise UsageError(f"--image-labels {labels} cannot be given for {bank}, whose parts have their own")
    found = _opened(bank, opened, labels)
    return found if workers is None else replace(found, workers=workers)


def _check_bank(bank: Path) -> None:
    """Raise `UsageError` for what is no bank, before its images are looked for."""
    from vital.utils.tensor_cache import load

    if bank.is_dir():
        raise UsageError(f"--bank {bank} is a folder; give the file that vital bank wrote")
    found = load(bank)
    if found is None or "made_of" not in found[1]:
        raise UsageError(
            f"--bank {bank} is no bank, or is damaged; make it with vital bank, or give --images DIR"
        )


def opened_as(images: Path, labels: Path | None) -> dict[str, str]:
    """How images are opened, for a bank that is to find them again, from other folders too."""
    return {"images": str(images), "labels": str(labels or ""), "folder": str(Path.cwd())}


def _opened(bank: Path, opened: Mapping[str, str], labels: Path | None = None) -> ImageSet:
    from vital.data import joined

    if parts := json.loads(opened.get("parts", "[]")):
        return joined([_opened(bank, part) for part in parts])
    if not opened.get("images"):
        raise UsageError(f"--bank {bank} does not say where its images are; give --images DIR too")
    found = _again(bank, opened, "images", "--images DIR")
    named = opened.get("labels") and labels is None
    return open_images(found, _again(bank, opened, "labels", "--image-labels CSV") if named else labels)


def _again(bank: Path, opened: Mapping[str, str], what: str, option: str) -> Path:
    """The path that was typed when a bank was made, from the folder of then, from here, or beside the bank."""
    from vital.data.open import SETS
    from vital.data.shards import shards_at

    typed = str(path_of(opened[what]))
    if typed in SETS and what == "images":
        return Path(typed)
    folders = [Path(opened["folder"])] if opened.get("folder") else []
    places = [folder / typed for folder in (*folders, Path(), bank.parent, resolved(bank).parent)]
    found = next((place for place in places if place.exists() or _there(shards_at(place))), None)
    if found is None:
        raise UsageError(
            f"the {what} of --bank {bank} are no longer at {str(places[0])!r}; give {option} too"
        )
    return found


def _there(paths: Sequence[Path]) -> bool:
    return bool(paths) and all(path.exists() for path in paths)


_TYPED: ContextVar[Mapping[str, str]] = ContextVar("typed", default={})  # noqa: B039  nobody changes it


@contextmanager
def typed_options(context: typer.Context | None) -> Iterator[None]:
    """Let `say_ignored` know which options were typed, until the block ends."""
    flags = dict[str, str]()
    for option in context.command.params if context else ():
        source = context.get_parameter_source(str(option.name)) if context else None
        if getattr(source, "name", "") == "COMMANDLINE":
            flags[str(option.name)] = option.opts[0]
    token = _TYPED.set(flags)
    try:
        yield
    finally:
        _TYPED.reset(token)


def names_of(group: type) -> list[str]:
    """The names of the options of a group."""
    return [option.name for option in fields(group)]


def say_ignored(why: str, *names: str) -> None:
    """Say which of some options were typed, though nothing comes of them; a file of options is for many commands."""
    for name in names:
        if name in (flags := _TYPED.get()):
            log.warning("%s is ignored: %s", flags[name], why)


def warn_of_words(net: Model, concepts: str | None, encoder: object) -> None:
    """Say where a network that is not of the built-in world is put into its words."""
    from vital.describing.api import is_world
    from vital.describing.candidates.concept_lists import WORLD, concepts_for

    if concepts is None and concepts_for(encoder, None) == WORLD and not is_world(net):
        log.warning(
            "the words are those of the built-in world, which %s may know nothing of; --concepts FILE gives your own",
            net.name,
        )


def show_skipped(pictures: ImageSet | None) -> None:
    """List the images that could not be read, on standard error."""
    for name, reason in pictures.skipped if pictures else ():
        log.warning("skipped %s: %s", name, reason)


def listed(text: str, option: str) -> list[str]:
    """Split a list at its commas.

    >>> listed("layer3, layer4", "--layers")
    ['layer3', 'layer4']
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise InvalidValueError(f"{option} is {text!r}; give names with commas between them")
    return found


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out rows in columns that are as wide as they must be; on a terminal, as wide as it has room for.

    What is read by another program has one line for each row, whole, and no colors.

    >>> print(table(["name", "n"], [["conv1", 64], ["fc", 10]]))
    name   n
    conv1  64
    fc     10
    """
    texts = [[str(cell) for cell in row] for row in [header, *rows]]
    if sys.stdout.isatty():
        return _for_terminal(texts)
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in texts)
    return "\n".join(line.rstrip() for line in lines)


def _for_terminal(texts: Sequence[Sequence[str]]) -> str:
    """The first row as a heading above a line; cells that find no room are broken into lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for title, column in zip(texts[0], zip(*texts, strict=True), strict=True):
        numbers = len(texts) > 1 and all(NUMBER.fullmatch(cell.strip()) for cell in column[1:])
        made.add_column(Text(title), justify="right" if numbers else "left", overflow="fold")
    for row in texts[1:]:
        made.add_row(*map(Text, row))
    console = Console()
    with console.capture() as caught:
        console.print(made)
    return "\n".join(line.rstrip() for line in caught.get().splitlines())


def megabytes(count: int) -> str:
    """Say a number of bytes in MB, and a small one in kB.

    >>> megabytes(1_540_000), megabytes(2_100)
    ('1.5 MB', '2.1 kB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def watched() -> bool:
    """Whether progress is shown: a bar on a terminal, else a line every half a minute; none where --quiet is given."""
    return not is_quiet()
