"""State dicts from files: read without running code, and held against the network before they are put in."""

from __future__ import annotations

import argparse
import json
import pathlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vital.errors import WeightsError, first_line, nearest, unknown
from vital.models.checkpoints import choose, flattened

INDEX = ".index.json"
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")


def load_weights(module: nn.Module, path: str | Path) -> str:
    """Load a state dict from a file into a network, in place, and name the part of the file that was taken.

    The file is a `.safetensors` file, one that torch wrote (`.pt`, `.pth`, `.pth.tar`, `.ckpt`, `.bin`), or the index
    of several (`.index.json`). Half precision becomes the network's own. The state dict may lie in tables
    ("state_dict", "model", "ema") and its names may have a prefix ("module.", "backbone."): what leaves an exact fit is
    taken, and a warning says what was taken and left where there was a choice. `FILE!PART` takes the part of that name.
    Nothing is changed when the weights do not fit. Raises `WeightsError` for a file that cannot be read or would run
    code, for missing or unexpected keys, wrong shapes, and values that are not finite.
    """
    return fit(module, read_state(path), str(path))


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read all tensors of a file by their paths in it, those of one part for `FILE!PART`."""
    path, part = _parted(str(Path(path).expanduser()))
    sharded = path.name.endswith(INDEX)
    if path.suffix.lower() not in SUFFIXES and not sharded:
        raise WeightsError(
            f"{path} is not a weights file; allowed are {', '.join(SUFFIXES)}, {INDEX}, and 'random' for random ones"
        )
    if not path.is_file():
        siblings = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        close = nearest(path.name, [p.name for p in siblings])
        raise WeightsError(
            f"there is no weights file {path}" + (f"; did you mean {close[0]!r}?" if close else "")
        )
    state = dict(flattened(_shards(path) if sharded else _content(path)))
    if not state:
        raise WeightsError(f"{path} holds no state dict, that is, no table from names to tensors")
    found = {key: value for key, value in state.items() if key.startswith(part)}
    if not found:
        raise unknown(f"part of {path}", part[:-1], dict.fromkeys(key.rpartition(".")[0] for key in state))
    return found


def _parted(given: str) -> tuple[Path, str]:
    """The file, and what the names of the wanted part begin with.

    >>> _parted("runs/w.pt!ema")[1]
    'ema.'
    """
    file, mark, part = given.rpartition("!")
    return (Path(file), f"{part}.") if mark and not Path(given).exists() else (Path(given), "")


def _content(path: Path) -> Any:
    return _safetensors(path) if path.suffix.lower() == ".safetensors" else _torch(path)


def _shards(path: Path) -> dict[str, Any]:
    """What the files hold that an index names, which lie beside it."""
    try:
        names = sorted(
            {str(name) for name in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()}
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{path} is no index of weights files, with a table 'weight_map'") from error
    found: dict[str, Any] = {}
    for name in names:
        part = path.parent / Path(name).name
        if not part.is_file():
            raise WeightsError(f"{path} names {name!r}, which is not beside it; put it there")
        found |= _content(part)
    return found


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {first_line(error)}") from error


def _torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a foreign file shows in how it ends
            with torch.serialization.safe_globals(_plain_types()):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds pickled objects or is damaged, and only plain tensors are read; "
            "save the state dict with torch.save(model.state_dict(), FILE) or as safetensors"
        ) from error
    except Exception as error:  # torch.load passes on whatever a damaged archive makes its parts raise
        raise WeightsError(
            f"{path} cannot be read, with {type(error).__name__}: {first_line(error)}; write it with torch.save"
        ) from error


def _plain_types() -> list[Any]:
    """Types that hold numbers and texts alone, which training scripts write beside the weights."""
    scalars = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    scalar = np.float64(0).__reduce__()[0]
    renamed = [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    return [argparse.Namespace, (pathlib.PosixPath, "pathlib.PosixPath"), np.dtype, *scalars, *renamed]


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> str:
    """Load a state dict whose names and shapes are those of the network; raises `WeightsError` otherwise.

    The answer names the part of `state` that was taken where something was left beside it, else it is empty.
    """
    own = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    taken, note = choose(state, own, source)
    _check_finite(taken.tensors, source)
    module.load_state_dict({**module.state_dict(), **taken.tensors})
    if note:
        warnings.warn(note, stacklevel=2)
    return taken.prefix[:-1] if note else ""


def _check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise WeightsError(f"{source}: {bad} of the {tensor.numel()} values in {name!r} are not finite")
