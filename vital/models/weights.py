"""State dicts from files: read without running code, and held against the network before they are put in."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vital.errors import WeightsError, first_line, nearest

SUFFIXES = (".safetensors", ".pt", ".pth")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "model.", "_orig_mod.")
# Auxiliary classifiers (GoogLeNet, Inception v3, segmentation) only run in training.
_IDLE = re.compile(r"(aux\d|AuxLogits|aux_classifier)\.")


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load a state dict from a `.safetensors`, `.pt` or `.pth` file into a network, in place.

    Half precision becomes the network's own; a wrapping `{"state_dict": ...}` and a prefix common to all keys
    ("module.", "model.") are taken off. Nothing is changed when the weights do not fit. Raises `WeightsError` for a
    file that cannot be read or would run code, for missing or unexpected keys, wrong shapes, and values that are
    not finite.
    """
    fit(module, read_state(path), str(path))


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict as it stands in the file, without a wrapper."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise WeightsError(
            f"{path} is not a weights file; allowed are {', '.join(SUFFIXES)}, and 'random' for random ones"
        )
    if not path.is_file():
        siblings = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
        close = nearest(path.name, [p.name for p in siblings])
        raise WeightsError(
            f"there is no weights file {path}" + (f"; did you mean {close[0]!r}?" if close else "")
        )
    state = _unwrapped(_safetensors(path) if path.suffix.lower() == ".safetensors" else _torch(path))
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no state dict, that is, no table from names to tensors")
    return {str(key): value for key, value in state.items()}


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
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds pickled objects or is damaged, and only plain tensors are read; "
            "save the state dict with torch.save(model.state_dict(), FILE) or as safetensors"
        ) from error
    except Exception as error:  # torch.load passes on whatever a damaged archive makes its parts raise
        raise WeightsError(f"{path} cannot be read: {first_line(error)}") from error


def _unwrapped(state: Any) -> Any:
    for key in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            return state[key]
    return state


def fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict whose names and shapes are those of the network; raises `WeightsError` otherwise."""
    own = module.state_dict()
    state = _renamed(state, own)
    missing = [key for key in own if key not in state and not _may_lack(key)]
    surplus = [key for key in state if key not in own and not _IDLE.match(key)]
    if missing or surplus:
        parts = [_some("missing", missing)] * bool(missing) + [_some("unexpected", surplus)] * bool(surplus)
        raise WeightsError(f"{source} does not fit the network: {'; '.join(parts)}")
    wrong = [
        f"{key} is {tuple(value.shape)} where the network has {tuple(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    if wrong:
        raise WeightsError(f"{source} does not fit the network: {_some('wrong shapes', wrong, '; ')}")
    _check_finite(state, source)
    module.load_state_dict({**own, **{key: value for key, value in state.items() if key in own}})


def _may_lack(key: str) -> bool:
    return key.endswith("num_batches_tracked") or bool(_IDLE.match(key))


def _renamed(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off, or put on, the prefix that all keys of one side share, where that makes the two sides meet."""
    found = dict(state)
    while found and not any(key in own for key in found):
        prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in found)), "")
        if not prefix:
            break
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    head = next(iter(own), "").partition(".")[0] + "."
    if not any(key in own for key in found) and all(key.startswith(head) for key in own):
        found = {head + key: value for key, value in found.items()}
    return found


def _some(what: str, keys: list[str], gap: str = ", ", count: int = 3) -> str:
    shown = gap.join(keys[:count]) + (f"{gap}…" if len(keys) > count else "")
    return f"{len(keys)} {what} ({shown})"


def _check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise WeightsError(f"{source}: {bad} of the {tensor.numel()} values in {name!r} are not finite")
