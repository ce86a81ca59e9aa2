"""The files that sparse autoencoders come in: a state dict, bare, below a header, beside settings or in a folder.

Nothing that is pickled runs. `torch.load(weights_only=True)` reads the files of torch, and a stand-in that does nothing
takes the place of each class that such a file names, so that tensors beside pickled settings are read all the same.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vital.errors import DataError, first_line
from vital.models.checkpoints import flattened
from vital.utils.file_kinds import no_file
from vital.utils.io import did_you_mean, parse_json, path_of

FOLDER = ("sae_weights.safetensors", "sae.safetensors", "sae.pt", "ae.pt", "weights.pt")
"""What the file with the weights is called in a folder."""
ARCHETYPES = ("dictionary.W", "dictionary.C", "dictionary.Relax")
"""The parts of an archetypal dictionary: mixtures of points, the points, and what is added to the mixtures."""
ADVICE = "where it was made, save its state dict with torch.save(sae.state_dict(), FILE)"


@dataclass(frozen=True)
class SaeFile:
    """The tensors of a sparse autoencoder.

    `layout` is the package whose own form the file has, where that is sure: saev, SAELens or Prisma, which all keep
    the decoder W_dec with a row for each latent and the encoder W_enc with a column for each.
    """

    path: str
    layout: str
    keys: tuple[str, ...]
    read: Callable[[str], Tensor]


def open_sae(path: str | Path) -> SaeFile:
    """Open a safetensors file, a file of `torch.save`, one of saev, or the folder of one. Raises `DataError`.

    Where the dictionary of Overcomplete is archetypal it is the key `dictionary`: the mixtures of its points.
    """
    given = path_of(path)
    file = _in_folder(given) if given.is_dir() else given
    if not file.is_file():
        why = no_file(file)
        raise DataError(
            f"{str(given)!r} cannot be read: {why}"
            if why
            else f"there is no file {str(given)!r}{did_you_mean(given)}"
        )
    found = _safetensors(file) if file.suffix.lower() == ".safetensors" else _torch(file)
    name = next((k.removesuffix("W") for k in found.keys if k.endswith(ARCHETYPES[0])), None)
    parts = () if name is None else tuple(f"{name}{part.rpartition('.')[2]}" for part in ARCHETYPES)
    if name is None or not set(parts) <= set(found.keys):
        return found
    whole = name.removesuffix(".")

    def read(key: str) -> Tensor:
        return _mixtures(*(found.read(part) for part in parts)) if key == whole else found.read(key)

    return SaeFile(found.path, found.layout, (*found.keys, whole), read)


def _in_folder(folder: Path) -> Path:
    there = [name for name in FOLDER if (folder / name).is_file()]
    if len(there) != 1:
        held = sorted(entry.name for entry in folder.iterdir())[:12]
        raise DataError(
            f"the folder {str(folder)!r} holds {'several' if there else 'none'} of the files that weights are in "
            f"({', '.join(FOLDER)}); give one of its own: {', '.join(there or held) or 'it is empty'}"
        )
    return folder / there[0]


def _safetensors(path: Path) -> SaeFile:
    def read(key: str) -> Tensor:
        with safe_open(path, "pt") as file:
            tensor: Tensor = file.get_tensor(key)
        return tensor

    try:
        with safe_open(path, "pt") as file:
            keys = tuple(file.keys())
    except (SafetensorError, OSError) as error:
        raise DataError(f"{str(path)!r} is not a safetensors file ({first_line(error)})") from error
    is_saelens = path.name == FOLDER[0] and path.with_name("cfg.json").is_file()
    return SaeFile(str(path), "SAELens" if is_saelens else "", keys, read)


def _torch(path: Path) -> SaeFile:
    """A file of `torch.save`; that of saev has a line of JSON before it."""
    with path.open("rb") as file:
        is_saev = file.read(1) == b"{"
        file.seek(0)
        if is_saev:
            _check_header(file.readline(), path)
        content, names = _unpickled(io.BytesIO(file.read()) if is_saev else file, path)
    try:
        tensors = flattened(content) if isinstance(content, Mapping) else {}
    except ValueError as error:
        raise DataError(f"{str(path)!r} holds no state dict: {error}") from error
    if not tensors:
        pickled = type(content).__qualname__ if isinstance(content, _StandIn) else ", ".join(names)
        raise DataError(
            f"{str(path)!r} holds {f'a pickled {pickled}' if pickled else 'no state dict'}, and tensors alone are "
            f"read, since nothing pickled is run; {ADVICE}"
        )
    is_prisma = {"cfg", "state_dict"} <= set(content)
    layout = "saev" if is_saev else "Prisma" if is_prisma else ""
    return SaeFile(str(path), layout, tuple(tensors), tensors.__getitem__)


def _check_header(line: bytes, path: Path) -> None:
    try:
        parse_json(line)
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} begins like a file of saev and has no line of JSON ({first_line(error)})"
        ) from error


class _StandIn:
    """What stands for an object of a class that is not loaded: it takes all it is given and keeps nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def __setstate__(self, state: Any) -> None:
        del state


def _unpickled(data: IO[bytes], path: Path) -> tuple[Any, list[str]]:
    """What a file holds, and the names of the classes in it for which there are stand-ins."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a foreign file shows in how it ends
            names = _foreign(data)
            stands: list[Any] = [(type(name, (_StandIn,), {}), name) for name in names]
            with torch.serialization.safe_globals(stands):
                return torch.load(data, map_location="cpu", weights_only=True), names
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{str(path)!r} holds pickled objects or is damaged, and tensors alone are read, since nothing pickled "
            f"is run; {ADVICE}"
        ) from error
    except Exception as error:  # torch.load passes on whatever a damaged archive makes its parts raise
        raise DataError(
            f"{str(path)!r} cannot be read ({first_line(error)}); allowed are a safetensors file, a state dict that "
            f"torch.save wrote, or a folder that holds one"
        ) from error


def _foreign(data: IO[bytes]) -> list[str]:
    """The classes and functions that a file names and torch does not know as safe; none of an older kind of file."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(data))
    except (ValueError, RuntimeError):
        return []
    finally:
        data.seek(0)


def _mixtures(weights: Tensor, points: Tensor, added: Tensor) -> Tensor:
    """The dictionary of which each entry is a mean of points, weights from 0 and of sum 1, and a little more."""
    shares = weights.float().relu()
    return shares / (shares.sum(-1, keepdim=True) + 1e-8) @ points.float() + added.float()
