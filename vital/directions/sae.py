"""The decoder of a sparse autoencoder, as directions."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vital.directions.files import unit_rows
from vital.errors import DataError, InvalidValueError, unknown
from vital.types import Layer

LINEAR = ("decoder.weight", "dec.weight")
"""Weights of a linear layer from latents to channels, (C, K)."""
ROWS = ("W_dec", "decoder.W")
"""Matrices with a row for each latent, (K, C)."""


def sae_decoder(path: str | Path, layer: Layer, key: str = "") -> Tensor:
    """Read the decoder of a sparse autoencoder from a safetensors file: (latents, C), unit vectors.

    `layer` is where the autoencoder was trained, as `vital.list_layers(model)[NAME]` gives it: its number of channels
    tells a decoder (C, K), as a linear layer has it, from (K, C). Without `key` the matrix is one named
    decoder.weight, dec.weight, W_dec or decoder.W, with or without a prefix. A square matrix says nothing by its
    shape: with its key given, keys that end in "weight" are taken as linear layers, (C, K), all others as rows.
    Latents whose vector is 0 keep it.

    Raises `UnknownNameError` for a key that is not there, `InvalidValueError` where the matrix is in doubt or does not
    fit, and `DataError` for a file that cannot be read.

    >>> import tempfile, torch; from safetensors.torch import save_file
    >>> file = Path(tempfile.mkdtemp()) / "sae.safetensors"
    >>> save_file({"decoder.weight": torch.ones(4, 32)}, file)
    >>> sae_decoder(file, Layer("layer4", "map", (4, 7, 7))).shape
    torch.Size([32, 4])
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}")
    try:
        with safe_open(path, "pt") as file:
            keys = list(file.keys())
            name = _named(str(path), keys, key)
            matrix: Tensor = file.get_tensor(name)
    except SafetensorError as error:
        raise DataError(f"{str(path)!r} is not a safetensors file ({error})") from error
    return unit_rows(_rows(matrix, name, layer, asked=bool(key)).float().contiguous())


def _named(path: str, keys: list[str], key: str) -> str:
    """The key of the decoder: the one given, or the only one with a common name."""
    if key:
        if key not in keys:
            raise unknown(f"matrix in {path!r}", key, keys)
        return key
    found = [k for k in keys if any(k == n or k.endswith(f".{n}") for n in (*LINEAR, *ROWS))]
    if len(found) != 1:
        held = f"{len(found)} matrices with" if found else "no matrix with"
        raise InvalidValueError(
            f"{path!r} holds {held} the name of a decoder; give the key, one of {', '.join(found or keys)}"
        )
    return found[0]


def _rows(matrix: Tensor, name: str, layer: Layer, *, asked: bool) -> Tensor:
    """The matrix with a row for each latent."""
    shape, channels = tuple(matrix.shape), layer.channels
    if matrix.ndim != 2 or channels not in shape:
        raise InvalidValueError(
            f"{name!r} has the shape {shape}; a decoder for layer {layer.name!r} has {channels} rows or columns"
        )
    if shape == (channels, channels):
        if not asked:
            raise InvalidValueError(
                f"{name!r} has the shape {shape}, which does not say whether a latent is a row or a column; "
                f"give key={name!r} to go by the name"
            )
        return matrix.T if name.endswith("weight") else matrix
    return matrix if shape[1] == channels else matrix.T
