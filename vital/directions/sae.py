"""The latents of a sparse autoencoder, as directions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vital.directions.files import unit_rows
from vital.directions.sae_files import SaeFile, open_sae
from vital.errors import InvalidValueError, unknown
from vital.types import Layer
from vital.utils.arrays import plain_tensor

DECODERS = {
    "W_dec": True,
    "decoder.W": True,
    "decoder.weight": False,
    "dec.weight": False,
    "dictionary._weights": True,
    "dictionary": True,
}
"""Names of decoders, and whether a latent is a row: (K, C). It is a column of a linear layer from latents, (C, K)."""
ENCODERS = {
    "W_enc": False,
    "encoder.W": False,
    "encoder.weight": True,
    "enc.weight": True,
    "encoder.final_block.0.weight": True,
}
"""The same of encoders: a latent is a row of a linear layer to latents, (K, C)."""
SURE = ("dictionary._weights", "dictionary", "encoder.final_block.0.weight")
"""Names that one package alone gives, Overcomplete, so that they say where the latents are."""


def sae_decoder(path: str | Path, layer: Layer, key: str = "") -> Tensor:
    """Read the decoder of a sparse autoencoder: what each latent adds to the layer; (latents, C), unit vectors.

    `path` is a safetensors file, a state dict that `torch.save` wrote, the `sae.pt` of saev, the file of Prisma, a
    state dict of Overcomplete, or a folder that holds one, such as that of SAELens. Nothing that is pickled in it runs.

    `layer` is where the autoencoder was trained, as `vital.list_layers(model)[NAME]` gives it: its number of channels
    tells a decoder (C, K), as a linear layer has it, from (K, C). Without `key` the matrix is one named W_dec,
    decoder.weight, dec.weight, decoder.W or dictionary, with or without a prefix. A square matrix says nothing by its
    shape: the forms of saev, SAELens, Prisma and Overcomplete settle it; else, with its key given, keys that end in
    "weight" are taken as linear layers, (C, K), all others as rows. Latents whose vector is 0 keep it.

    Raises `UnknownNameError` for a key that is not there, `InvalidValueError` where the matrix is in doubt or does not
    fit, and `DataError` for a file that cannot be read.

    >>> import tempfile, torch; from safetensors.torch import save_file
    >>> file = Path(tempfile.mkdtemp()) / "sae.safetensors"
    >>> save_file({"decoder.weight": torch.ones(4, 32)}, file)
    >>> sae_decoder(file, Layer("layer4", "map", (4, 7, 7))).shape
    torch.Size([32, 4])
    """
    return _latents(path, layer, key, "decoder", DECODERS)


def sae_encoder(path: str | Path, layer: Layer, key: str = "") -> Tensor:
    """Read the encoder of a sparse autoencoder: what each latent reads from the layer; (latents, C), unit vectors.

    A direction's value is then what enters the latent's activation function, up to scale and bias, so that images
    rank by it as by the latent itself wherever this is above 0. A normalization of the input is not followed.
    Names without `key` are W_enc, encoder.weight, enc.weight, encoder.W and, of Overcomplete,
    encoder.final_block.0.weight. All else is as with `sae_decoder`.

    >>> import tempfile, torch; from safetensors.torch import save_file
    >>> file = Path(tempfile.mkdtemp()) / "sae.safetensors"
    >>> save_file({"encoder.weight": torch.ones(32, 4), "decoder.weight": torch.ones(4, 32)}, file)
    >>> sae_encoder(file, Layer("layer4", "map", (4, 7, 7))).shape
    torch.Size([32, 4])
    """
    return _latents(path, layer, key, "encoder", ENCODERS)


def _latents(path: str | Path, layer: Layer, key: str, part: str, names: Mapping[str, bool]) -> Tensor:
    file = open_sae(path)
    name = _named(file, key, part, names)
    known = next((n for n in names if _is(name, n)), "")
    # Of a matrix of another name: a linear layer holds (outputs, inputs), and latents are the outputs of encoders.
    by_rows = names[known] if known else name.endswith("weight") == (part == "encoder")
    settled = bool(key) or known in SURE or (bool(file.layout) and known in ("W_dec", "W_enc"))
    found = plain_tensor(file.read(name))
    if found.is_complex():
        raise InvalidValueError(f"{name!r} holds complex numbers; give one of real numbers")
    matrix = _rows(found, name, layer, part, by_rows=by_rows, settled=settled)
    return unit_rows(matrix.float().contiguous())


def _is(key: str, name: str) -> bool:
    return key == name or key.endswith(f".{name}")


def _named(file: SaeFile, key: str, part: str, names: Mapping[str, bool]) -> str:
    """The key of the matrix: the one given, or the only one with a common name."""
    if key:
        if key not in file.keys:
            raise unknown(f"matrix in {file.path!r}", key, file.keys)
        return key
    found = [k for k in file.keys if any(_is(k, n) for n in names) and not _is_deep(k, file.keys)]
    if len(found) != 1:
        held = f"{len(found)} matrices with" if found else "no matrix with"
        shown = (found or [*file.keys])[:12]
        more = "" if len(found or file.keys) == len(shown) else f", … ({len(found or file.keys)} in all)"
        raise InvalidValueError(
            f"{file.path!r} holds {held} the name of {'an' if part == 'encoder' else 'a'} {part}; "
            f"give the key, one of {', '.join(shown)}{more}; "
            f"names that are known without one: {', '.join(names)}"
        )
    return found[0]


def _is_deep(key: str, keys: tuple[str, ...]) -> bool:
    """Whether a matrix is the last of several layers of an encoder, and so none on the layer itself."""
    above, last, _ = key.rpartition("final_block.")
    return bool(last) and any(k.startswith(above) and not k.startswith(above + last) for k in keys)


def _rows(matrix: Tensor, name: str, layer: Layer, part: str, *, by_rows: bool, settled: bool) -> Tensor:
    """The matrix with a row for each latent."""
    shape, channels = tuple(matrix.shape), layer.channels
    if matrix.ndim != 2 or channels not in shape:
        raise InvalidValueError(
            f"{name!r} has the shape {shape}; {'an' if part == 'encoder' else 'a'} {part} for layer {layer.name!r} "
            f"has {channels} rows or columns"
        )
    if shape == (channels, channels):
        if not settled:
            raise InvalidValueError(
                f"{name!r} has the shape {shape}, which does not say whether a latent is a row or a column; "
                f"give key={name!r} to go by the name"
            )
        return matrix if by_rows else matrix.T
    return matrix if shape[1] == channels else matrix.T
