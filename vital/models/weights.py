"""State dicts from files: read without running code, and held against the network before they are put in."""

from __future__ import annotations

import argparse
import pathlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vital.errors import WeightsError, first_line, unknown
from vital.models.checkpoints import StateSet, choose, flattened
from vital.utils.array_files import read_arrays
from vital.utils.file_kinds import no_file
from vital.utils.io import did_you_mean, parse_json, path_of

INDEX = ".index.json"
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar", ".npz")
AGAIN = "copy or download it again, or write it anew with torch.save(model.state_dict(), FILE)"
_TENSORFLOW = "a file of TensorFlow; build the network in PyTorch, and save its weights by their names there"
_PICKLE = (
    "a pickle, which may run code; where you trust it, write it as tensors: torch.save(pickle.load(open(FILE, 'rb')), "
    "'weights.pt')"
)
FOREIGN = {
    **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".tflite", ".index"), _TENSORFLOW),
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE),
    ".onnx": "a file of ONNX; export the weights of the network in PyTorch that it was made of",
    ".msgpack": "a file of Flax; transformers reads it with from_flax=True, and save_pretrained writes safetensors",
    ".npy": "one array of numpy; save a table from names to arrays: numpy.savez('weights.npz', **arrays)",
    ".pt2": "an exported program; save its state dict: torch.save(torch.export.load(FILE).state_dict, 'weights.pt')",
    ".gguf": "a file of GGUF, whose weights are quantized; give those that it was made of",
    ".gz": "compressed; unpack it first",
    ".zip": "compressed; unpack it first",
}
"""Files of weights that are not read, by what their names end with, and what to do."""
STARTS = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file; get the file with git lfs pull",
    b"<": "a web page, not the file; download the file itself",
}
"""What files begin with that hold no weights, whatever their names end with, and what to do."""


def load_weights(module: nn.Module, path: str | Path) -> str:
    """Load a state dict from a file into a network, in place, and name the part of the file that was taken.

    The file is a `.safetensors` file, one that torch wrote (`.pt`, `.pth`, `.pth.tar`, `.ckpt`, `.bin`), `.npz`, or the
    index of several (`.index.json`); arrays of numpy are tensors. Half precision becomes the network's own. The state
    dict may lie in tables ("state_dict", "model", "ema") and its names may have a prefix ("module.", "backbone."): what
    leaves an exact fit is taken, and a warning says what was taken and left where there was a choice. `FILE!PART` takes
    the part of that name.
    Nothing is changed when the weights do not fit. Raises `WeightsError` for a file that cannot be read or would run
    code, for missing or unexpected keys, wrong shapes, and values that are not finite.
    """
    taken, note = fit(module, read_state(path), str(path))
    return taken.prefix[:-1] if note else ""


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read all tensors of a file by their paths in it, those of one part for `FILE!PART`."""
    if "://" in str(path):
        raise WeightsError(f"{path} is an address; download the file, and give its path")
    path, part = _parted(str(path_of(path)))
    _check_file(path)
    try:
        state = flattened(_shards(path) if path.name.endswith(INDEX) else _content(path))
    except ValueError as error:
        raise WeightsError(f"{path} holds no state dict: {error}") from error
    if not state:
        step = "save one with torch.save(model.state_dict(), FILE)"
        raise WeightsError(f"{path} holds no state dict, that is, no table from names to tensors; {step}")
    found = {key: value for key, value in state.items() if key.startswith(part)}
    if not found:
        raise unknown(f"part of {path}", part[:-1], _parts(state))
    return found


def _check_file(path: Path) -> None:
    """Raise `WeightsError` with what to do for what cannot be a file of weights."""
    if path.is_dir():
        held = sorted(p.name for p in path.iterdir() if p.name.endswith(INDEX))
        held = held or sorted(p.name for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        hint = f"give the file in it, such as {path / held[0]}" if held else "give a file of weights"
        raise WeightsError(f"{path} is a folder; {hint}")
    kind = path.suffix.lower()
    if kind not in SUFFIXES and not path.name.endswith(INDEX):
        allowed = f"allowed are {', '.join(SUFFIXES)}, {INDEX}, and 'random' for random ones"
        told = FOREIGN.get(kind)
        raise WeightsError(f"{path} is {told}" if told else f"{path} is not a weights file; {allowed}")
    if not path.is_file():
        why = no_file(path)
        raise WeightsError(
            f"{path} cannot be read: {why}" if why else f"there is no weights file {path}{did_you_mean(path)}"
        )
    start = _start(path)
    if told := next((told for first, told in STARTS.items() if start.lstrip().lower().startswith(first)), ""):
        raise WeightsError(f"{path} is {told}")
    if not start:
        raise WeightsError(f"{path} is empty; {AGAIN}")


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {first_line(error)}") from error


def _parts(state: Mapping[str, Tensor]) -> list[str]:
    """The names under which tensors of a file stand, the shortest first."""
    whole = (key.split(".")[:-1] for key in state)
    every = dict.fromkeys(".".join(names[: i + 1]) for names in whole for i in range(len(names)))
    return sorted(every, key=lambda name: name.count("."))


def _parted(given: str) -> tuple[Path, str]:
    """The file, and what the names of the wanted part begin with.

    >>> _parted("runs/w.pt!ema")[1]
    'ema.'
    """
    file, mark, part = given.rpartition("!")
    return (Path(file), f"{part}.") if mark and not Path(given).exists() else (Path(given), "")


def _content(path: Path) -> Any:
    if path.suffix.lower() == ".npz":
        return _numpy(path)
    return _safetensors(path) if _start(path)[8:9] == b"{" else _torch(path)


def _numpy(path: Path) -> Any:
    try:
        return dict(read_arrays(path))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as plain arrays: {first_line(error)}; {AGAIN}") from error


def _shards(path: Path) -> dict[str, Any]:
    """What the files hold that an index names, which lie beside it."""
    try:
        names = sorted({str(name) for name in parse_json(path.read_bytes())["weight_map"].values()})
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
        raise WeightsError(f"{path} cannot be read as safetensors: {first_line(error)}; {AGAIN}") from error


def _torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a foreign file shows in how it ends
            with torch.serialization.safe_globals(_plain_types()), path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds pickled objects or is damaged, and only plain tensors are read; "
            "save the state dict with torch.save(model.state_dict(), FILE) or as safetensors"
        ) from error
    except Exception as error:  # torch.load passes on whatever a damaged archive makes its parts raise
        if "TorchScript" in str(error):
            step = f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt')"
            raise WeightsError(f"{path} is TorchScript; save its state dict: {step}") from error
        why = f"{type(error).__name__}: {first_line(error).partition('. ')[0]}"
        raise WeightsError(
            f"{path} cannot be read, with {why}; most likely it is cut off or damaged: {AGAIN}"
        ) from error


def _plain_types() -> list[Any]:
    """Types that hold numbers and texts alone, which training scripts write beside the weights."""
    scalars = [
        type(np.dtype(kind)) for kind in (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)
    ]
    scalar = np.float64(0).__reduce__()[0]
    renamed = [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    array = np.zeros(1).__reduce__()[0]
    arrays = [
        np.ndarray,
        (array, "numpy.core.multiarray._reconstruct"),
        (array, "numpy._core.multiarray._reconstruct"),
    ]
    plain = [argparse.Namespace, (pathlib.PosixPath, "pathlib.PosixPath"), np.dtype]
    return [*plain, *scalars, *renamed, *arrays]


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> tuple[StateSet, str]:
    """Load a state dict whose names and shapes are those of the network; raises `WeightsError` otherwise.

    The answer is what was taken, and where something was left beside it, the words of the warning that says so.
    """
    own = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    taken, note = choose(state, own, source)
    found = {name: _plain(tensor, own[name], f"{source}: {name!r}") for name, tensor in taken.tensors.items()}
    _check_finite(found, source)
    module.load_state_dict({**module.state_dict(), **found})
    if note:
        warnings.warn(note, stacklevel=2)
    return taken, note


def _plain(tensor: Tensor, own: Tensor, what: str) -> Tensor:
    """A tensor as the network can take it; raises `WeightsError` for one whose values are not those of weights."""
    if tensor.is_meta:
        raise WeightsError(f"{what} is on the device meta, and holds no values; save it from another device")
    kind = str(tensor.dtype).removeprefix("torch.")
    if own.is_floating_point() and not tensor.is_floating_point():
        step = "save it as floats, each quantized tensor as tensor.dequantize()"
        raise WeightsError(f"{what} is {kind} where the network has floats; {step}")
    return tensor.to_dense() if tensor.layout != torch.strided else tensor


def _check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and (bad := int((~torch.isfinite(tensor.float())).sum())):
            raise WeightsError(f"{source}: {bad} of the {tensor.numel()} values in {name!r} are not finite")
