"""A safetensors file that is written block by block, for a matrix that memory need not hold."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from vital.utils.io import replacing
from vital.utils.tensor_cache import SUMMED_BYTES, checksum, noted

HEADER = 1024
"""The bytes that are kept free for the header, which is known at the end."""
_KINDS = {torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}


class Rows:
    """The rows of one tensor of a file, float32, which grow; see `growing`."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name, self._shape, self._sum = file, name, list[int](), 0
        file.write(b" " * HEADER)

    def add(self, block: Tensor) -> None:
        """Write more rows (B, ...)."""
        rows = block.detach().float().cpu().contiguous()
        self._file.write(rows.numpy().data)
        self._sum = zlib.crc32(rows.numpy().data, self._sum)
        self._shape = [len(rows) + (self._shape[0] if self._shape else 0), *rows.shape[1:]]

    def finish(self, others: Mapping[str, Tensor]) -> None:
        """Write the other tensors of the file, and what it holds."""
        end = self._file.tell() - HEADER
        own = self._sum if end <= SUMMED_BYTES else 0
        fill = torch.zeros(-end % 8, dtype=torch.uint8)  # numbers of eight bytes begin at multiples of eight
        held: dict[str, object] = {
            self._name: {"dtype": "F32", "shape": self._shape, "data_offsets": [0, end]}
        }
        told: dict[str, tuple[torch.dtype, Sequence[int], int]]
        told = {self._name: (torch.float32, self._shape, own)}
        for name, tensor in {"fill": fill, **others}.items():
            told[name] = tensor.dtype, tensor.shape, checksum(tensor)
            begin, end = end, end + tensor.nbytes
            kind = _KINDS[tensor.dtype]
            held[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [begin, end]}
            self._file.write(tensor.contiguous().numpy().data)
        header = json.dumps({"__metadata__": noted(told, "{}"), **held}).encode()
        self._file.seek(0)
        self._file.write((HEADER - 8).to_bytes(8, "little") + header.ljust(HEADER - 8))


@contextmanager
def growing(path: Path, name: str) -> Iterator[Rows]:
    """Write the rows of a tensor to a file, which takes its name when the block ends without an error.

    `finish` ends it. Read it with `load` of the cache, which leaves it on disk until it is looked at.
    Raises `RunError`.

    >>> import tempfile
    >>> from vital.utils.tensor_cache import load
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with growing(Path(folder) / "it", "values") as rows:
    ...         rows.add(torch.zeros(2, 3))
    ...         rows.add(torch.ones(1, 3))
    ...         rows.finish({"numbers": torch.arange(3)})
    ...     load(Path(folder) / "it")[0]["values"].sum(1)
    tensor([0., 0., 3.])
    """
    with replacing(path) as part, part.open("wb") as file:
        yield Rows(file, name)
