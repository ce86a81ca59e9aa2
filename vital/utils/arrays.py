"""Arrays and tensors as they come, as plain arrays of numpy, and what their values have to be."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vital.errors import DataError
from vital.utils.array_files import ABOVE, FREE

CONVERT = "convert it, such as with array.astype(numpy.uint8)"


def plain_array(value: np.ndarray | Tensor) -> np.ndarray:
    """An array or a tensor as an array of its values, in a type and a byte order that numpy and torch share.

    What is sparse becomes dense, what is quantized becomes floats, as does what numpy has no type for. Raises
    `DataError` for what holds no values, or not for every place: tensors on the device meta, masked arrays, and nested
    tensors.

    >>> plain_array(torch.ones(2, dtype=torch.bfloat16)).dtype, plain_array(np.ones(2, ">u2")).dtype
    (dtype('float32'), dtype('uint16'))
    """
    if isinstance(value, Tensor):
        return _of_tensor(value.detach())
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.getmaskarray(value).any():
            raise DataError("a masked array has places without a value; fill them: array.filled(0)")
        return np.asarray(value.data)
    return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))


def plain_tensor(tensor: Tensor) -> Tensor:
    """A tensor with a value of its own for every place.

    What is sparse becomes dense and what is quantized becomes floats. Raises `DataError` for what holds no values, or
    far fewer than it has places: a file of few bytes may claim any number of them.
    """
    if tensor.is_meta:
        raise DataError("a tensor on the device meta holds no values; give one from another device")
    if tensor.is_nested:
        raise DataError("a nested tensor holds images of several sizes; give a list of them: tensor.unbind()")
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_mkldnn:  # which has no storage to look at
        return tensor.to_dense()
    dense = tensor.layout == torch.strided
    held = (tensor if dense else _values(tensor)).untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > max(FREE, ABOVE * held):
        raise DataError(
            f"a tensor of the shape {tuple(tensor.shape)} holds {held:,} bytes; give one with a value for each place"
        )
    return tensor if dense else tensor.to_dense()


def _values(sparse: Tensor) -> Tensor:
    """What a sparse tensor holds: a value, a row or a block for each place that it names."""
    return sparse._values() if sparse.layout == torch.sparse_coo else sparse.values()  # noqa: SLF001


def _of_tensor(tensor: Tensor) -> np.ndarray:
    tensor = plain_tensor(tensor).cpu().resolve_conj().resolve_neg()
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()
    return tensor.numpy()


def range_hint(low: float, high: float) -> str:
    """What to do about floats that do not lie in [0, 1].

    >>> range_hint(0, 255), range_hint(-1, 1)
    ('divide them by 255', 'take (x + 1) / 2')
    """
    if math.isnan(low) or math.isinf(high) or math.isinf(low):
        return "mend or leave out the images whose values are not finite"
    if low >= 0 and high <= 65535:
        return f"divide them by {255 if high <= 255 else 65535}"
    if low >= -1 and high <= 1:
        return "take (x + 1) / 2"
    return "undo their normalization, for the network has its own"
