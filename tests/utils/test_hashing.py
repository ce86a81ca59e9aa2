"""A key tells apart what is different, and only that."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vital.utils import hashing


def test_pieces_are_told_apart_by_where_they_end() -> None:
    assert len({hashing.sha256(x) for x in ("ab", ["ab"], ["a", "b"], ["", "ab"], [])}) == 5
    assert hashing.sha256(part for part in ("a", b"b")) == hashing.sha256(["a", "b"])


def test_a_key_sees_every_part_and_refuses_what_json_cannot_say() -> None:
    keys = [(1,), ("1",), (1.5,), ([1, 2],), (1, 2), (None,), ({"a": 1},)]
    assert len({hashing.key_of(*key) for key in keys}) == len(keys)
    with pytest.raises(TypeError):
        hashing.key_of(object())
    with pytest.raises(TypeError):
        hashing.key_of(path=Path("a"))


def test_tensors_are_told_by_name_shape_type_and_bytes() -> None:
    x = torch.arange(6.0)
    others = [x, x.view(2, 3), x.view(torch.int32), x + 1, {"a": x}, {"a": x, "b": x}, torch.empty(0)]
    assert len({hashing.tensor_hash(other) for other in others}) == len(others)
    assert hashing.tensor_hash({"b": x, "a": -x}) == hashing.tensor_hash({"a": -x, "b": x})
    assert hashing.tensor_hash(x.view(2, 3).T) == hashing.tensor_hash(x.view(2, 3).T.contiguous())
    assert hashing.tensor_hash(nn.Parameter(x)) == hashing.tensor_hash(x)


def test_a_file_is_told_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert hashing.file_hash(tmp_path / "a") == hashing.sha256("abc")
    with pytest.raises(OSError, match="No such file"):
        hashing.file_hash(tmp_path / "b")


def test_a_number_has_63_bits() -> None:
    numbers = np.array([hashing.number_of(str(i)) for i in range(200)])
    assert 0 <= numbers.min() < 2**56 * 40
    assert 2**62 < numbers.max() < 2**63
