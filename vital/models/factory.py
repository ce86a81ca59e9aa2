"""Networks from a user's own Python file: `path/to/file.py:function`.

Running that file is the one place where the project runs code that it was pointed at.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from torch import nn

from vital.errors import ModelError, unknown
from vital.models.model import OUTPUTS, Model, Output
from vital.models.published import metadata
from vital.utils.file_kinds import no_file
from vital.utils.foreign import foreign
from vital.utils.hashing import sha256
from vital.utils.io import did_you_mean, resolved

SIDE = 224

AS_MADE = "as the factory made them"
"""What is said of weights that nobody gave."""


def parse_factory(spec: str) -> tuple[Path, str] | None:
    """Split `path/to/file.py:function`; None for anything else.

    >>> parse_factory("nets/small.py:net")[1]
    'net'
    """
    path, colon, function = spec.rpartition(":")
    return (Path(path).expanduser(), function) if colon and path.endswith(".py") and function else None


def from_factory(path: Path, function: str) -> Model:
    """Run the file, call its function without arguments, and make a `Model` of what comes back.

    A `Model` is taken as it is. For a bare module the file's constants count (see `from_module`). Raises
    `UnknownNameError` for a function that is not there and `ModelError` for a file or function that fails.
    """
    if not path.is_file():
        why = no_file(path)
        raise ModelError(
            f"{path} cannot be run: {why}" if why else f"there is no file {path}{did_you_mean(path)}"
        )
    with _beside(path.parent):
        module = _run(path)
        made = _call(path, module, function)
    if isinstance(made, Model):
        return made
    if not isinstance(made, nn.Module):
        kind = type(made).__name__
        raise ModelError(f"{path}:{function} returned a {kind}; allowed are a torch module and a vital.Model")
    return from_module(made, f"{path.stem}:{function}", vars(module), AS_MADE)


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let the file import its neighbors while it runs; where we are, and what is printed to, stays as it was."""
    entry, here = str(resolved(folder)), _here()
    sys.path.insert(0, entry)
    try:
        with redirect_stdout(sys.stdout), redirect_stderr(sys.stderr):
            yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)
        if here is not None and here != _here():
            os.chdir(here)


def _here() -> Path | None:
    """The folder that we are in; None where it was deleted, and cannot be come back to."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _run(path: Path) -> ModuleType:
    name = f"_{path.stem}_{sha256(str(resolved(path)))[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up by name
    with foreign(f"{path} cannot be imported", ModelError):
        spec.loader.exec_module(module)
    return module


def _call(path: Path, module: ModuleType, function: str) -> Any:
    factory = getattr(module, function, None)
    if not callable(factory):
        raise unknown(f"function in {path.name}", function, _functions(module))
    with foreign(
        f"{path}:{function} failed",
        ModelError,
        "it has to return a torch module when called without arguments",
    ):
        return factory()


def _functions(module: ModuleType) -> list[str]:
    own = (
        k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__
    )
    return [name for name in own if not name.startswith("_")]


def from_module(
    module: nn.Module, name: str, constants: Mapping[str, Any] | None = None, weights: str = "as given"
) -> Model:
    """Make a `Model` of a bare module.

    MEAN, STD, SIZE, RESIZE, CLASSES, CHANNELS, BANDS and OUTPUT among `constants` count. Without them, what a module of
    timm or open_clip says itself counts, and failing that: mean 0, std 1, 224 pixels, the short side resized to the
    input size, no class names, the channels of the first convolution (3 where there is none), and outputs of which
    nothing is known. CHANNELS counts as a whole number only, OUTPUT as a text: a table under that name is part of
    somebody's architecture.

    >>> from_module(nn.Conv2d(1, 4, 3), "net", {"SIZE": 28}).channels
    1
    """
    own = constants or {}
    channels = own["CHANNELS"] if type(own.get("CHANNELS")) is int else first_channels(module)
    said = {**_fitting(module, name, channels, own), **own}
    size = _read(said, "SIZE", _pair, (SIDE, SIDE))
    output = said.get("OUTPUT")
    return Model(
        module,
        name,
        size,
        channels,
        _read(said, "MEAN", _numbers, (0.0,)),
        _read(said, "STD", _numbers, (1.0,)),
        _read(said, "RESIZE", lambda side: None if side is None else int(side), min(size)),
        _read(said, "INTERPOLATION", str, "bilinear"),
        classes=_read(said, "CLASSES", _names, ()),
        weights=weights,
        bands=_read(said, "BANDS", tuple, ()),
        output=_read(said, "OUTPUT", _output, None) if isinstance(output, str) else None,
    )


def _fitting(module: nn.Module, name: str, channels: int, own: Mapping[str, Any]) -> dict[str, Any]:
    """What a module says itself, but for what the file's constants or its channels leave without meaning."""
    found = metadata(module)
    if "SIZE" in own:
        found.pop("RESIZE", None)
    if len(found.get("MEAN", (0,))) not in (1, channels) and not {"MEAN", "STD"} <= own.keys():
        warnings.warn(
            f"{name}: its published mean and std are for {len(found['MEAN'])} channels, not for {channels}, and are "
            "not taken; give MEAN and STD in its file, or vital.Model(network, mean=..., std=...)",
            stacklevel=2,
        )
        del found["MEAN"], found["STD"]
    return found


def _output(value: str) -> Output:
    if value not in OUTPUTS:
        raise ValueError(f"allowed are {', '.join(OUTPUTS)}")
    return value


def _read(constants: Mapping[str, Any], key: str, read: Callable[[Any], Any], default: Any) -> Any:
    try:
        return read(constants[key]) if key in constants else default
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the constant {key} is {constants[key]!r}, which cannot be read: {error}"
        ) from error


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    height, width = (value, value) if isinstance(value, int) else value
    return int(height), int(width)


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in np.atleast_1d(np.asarray(value, dtype=float)).reshape(-1))


def _names(value: Sequence[str]) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(v, str) for v in value):
        raise ValueError("allowed is a list of texts")
    return tuple(value)


def first_channels(module: nn.Module) -> int:
    """Count the input channels of the first convolution; 3 where there is none.

    >>> first_channels(nn.Sequential(nn.ReLU(), nn.Conv2d(1, 4, 3)))
    1
    """
    convolutions = (part for part in module.modules() if isinstance(part, nn.Conv2d))
    return next((c.in_channels for c in convolutions if c.in_channels), 3)
