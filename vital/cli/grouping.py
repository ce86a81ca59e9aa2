"""Groups of options that commands share: a parameter of a command whose type is a group stands for all of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import typer

from vital.cli import extras
from vital.cli.config import Config, kept
from vital.errors import UsageError, VitalError
from vital.utils.io import did_you_mean, path_of

WRITTEN = ("out", "site")
"""The parameters that name what a command writes."""
BUILT_IN = ("world",)
"""The sets of images that have a name."""
THERE = {
    "model": "there is no file {}",
    "weights": "there is no weights file {}",
    "images": "there is no file or folder {}",
    "bank": "there is no bank {}",
    "image_labels": "there is no file {} for --image-labels",
    "classes": "there is no file {} for --classes",
    "concepts": "there is no file {} for --concepts",
    "runs": "there is no run folder '{}'",
}
"""What is said where nothing is at the path that a parameter names."""


def expanded(value: Any) -> Any:
    """Paths and texts that begin with ~/ below the home folder, which shells leave to programs in --option=~/file.

    >>> str(expanded("~/net.py:f")) != "~/net.py:f", expanded(3)
    (True, 3)
    """
    if isinstance(value, list):
        return [expanded(part) for part in value]
    if isinstance(value, str | Path) and str(value).startswith("~/"):
        return type(value)(Path.home() / str(value)[2:])
    return value


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --config, and the options of the groups among its parameters as if each were one of its own.

    What it lacks, packages or files, is said before it begins, and what it was asked for is kept in its run folder.

    >>> from vital.cli.options import NetworkOptions
    >>> @grouped
    ... def load(model: str, *, network: NetworkOptions) -> None:
    ...     print(model, network.device)
    >>> list(inspect.signature(load).parameters)[:4]
    ['model', 'weights', 'device', 'dtype']
    >>> load(model="world", device="cpu")
    world cpu
    """
    hints, groups = get_type_hints(command, include_extras=True), dict[str, Any]()
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if not is_dataclass(kind):
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=kind))
            continue
        groups[name] = kind
        own = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            default = parameter.empty if field.default is MISSING else field.default
            parameters.append(
                inspect.Parameter(
                    field.name, parameter.KEYWORD_ONLY, default=default, annotation=own[field.name]
                )
            )

    parameters += [
        inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Config),
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=typer.Context),
    ]

    @functools.wraps(command)
    def call(**given: Any) -> None:
        from vital.cli.common import check_apart, typed_options

        context = given.pop("context", None)
        given.pop("config", None)
        given = {name: expanded(value) for name, value in given.items()}
        extras.check(given)
        check_apart(given.get("out"), given.get("images"))
        made = {
            name: kind(**{f.name: given.pop(f.name) for f in fields(kind) if f.name in given})
            for name, kind in groups.items()
        }
        with kept(context, given.get("out")), _of_what_is_there(context), typed_options(context):
            check_there(context.params if context else {})
            command(**made, **given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


@contextmanager
def _of_what_is_there(context: typer.Context | None) -> Iterator[None]:
    """Give failures of a request that names files that are not there the exit code of a wrong request."""
    try:
        yield
    except VitalError as error:
        if (
            error.exit_code == 1
            and context is not None
            and any(_missing(path) for _, path in _inputs(context.params))
        ):
            error.exit_code = UsageError.exit_code
        raise


def _inputs(given: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """The files and folders that a command reads from, each with its parameter."""
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Path) and name not in WRITTEN:
                yield name, one
            elif isinstance(one, str) and name == "model" and ".py:" in one:
                converted = one.partition("/")[2] if one.startswith("lwta:") else one
                yield name, Path(converted.rpartition(":")[0])
            elif isinstance(one, str) and name in ("weights", "concepts") and one not in ("random", "world"):
                yield name, Path(one.partition("!")[0])


def check_there(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` for a file or folder that is not there, without PyTorch, which takes seconds to load."""
    for name, path in _inputs(given):
        if name == "image_labels" and not given.get("images"):
            continue  # that there are no images to label, or no other labels for them, is told first
        if name in THERE and _missing(path) and not path.is_symlink():
            other = "" if given.get("images") else ", or give --images DIR"
            made = f"; make it with vital bank{other}" if name == "bank" else ""
            raise UsageError(f"{THERE[name].format(path)}{did_you_mean(path) or made}")


def _missing(path: Path) -> bool:
    text = str(path)
    return text not in BUILT_IN and "{" not in text and ":/" not in text and not path_of(path).exists()
